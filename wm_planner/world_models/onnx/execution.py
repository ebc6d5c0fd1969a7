"""The devices that ONNX Runtime can use on this machine."""

import contextlib
import ctypes
import io
from pathlib import Path
from typing import Literal

import onnxruntime

from wm_planner.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]

_CUDA = "CUDAExecutionProvider"


def providers(device: Device) -> list[str]:
    """The execution providers for a device.

    CUDA is requested only if it is known to load, because a failed attempt prints error messages.

    Raises:
        ConfigError: if `device` is cuda but CUDA cannot be used.
    """
    if device != "cpu":
        reason = why_no_cuda()
        if reason is None:
            return [_CUDA, "CPUExecutionProvider"]
        if device == "cuda":
            raise ConfigError(f"device is cuda, but {reason}; use `device: auto` or `device: cpu`")
    return ["CPUExecutionProvider"]


def why_no_cuda() -> str | None:
    """The reason why ONNX Runtime cannot use an NVIDIA GPU here; None if it can."""
    if _CUDA not in onnxruntime.get_available_providers():
        return "this ONNX Runtime was built without CUDA (pip install onnxruntime-gpu)"
    if not [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg")]:
        return "this machine has no NVIDIA device (/dev/nvidia0)"
    libraries = Path(onnxruntime.__file__).parent / "capi"
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()  # from pip's nvidia packages, if installed
    try:
        ctypes.CDLL("libcuda.so.1")
        for name in ("shared", "cuda"):
            ctypes.CDLL(str(libraries / f"libonnxruntime_providers_{name}.so"), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return f"a CUDA library cannot be loaded ({error})"
    return None
