"""The devices that ONNX Runtime can use on this machine."""

import contextlib
import ctypes
import io
from pathlib import Path
from typing import Literal

import onnxruntime

from wm_planner.errors import ConfigError

Device = Literal["auto", "cpu", "cuda", "tensorrt"]

CPU = "CPUExecutionProvider"
_PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


def providers(device: Device) -> list[str]:
    """The execution providers for a device, in order of preference.

    A provider is requested only if it is known to load, because a failed attempt prints error messages.
    `auto` is cuda or the CPU: TensorRT first compiles each graph for minutes.

    Raises:
        ConfigError: if `device` is cuda or tensorrt, which cannot be used here.
    """
    if device == "cpu" or (device == "auto" and why_not("cuda")):
        return [CPU]
    if device == "auto":
        return [_PROVIDERS["cuda"], CPU]
    if reason := why_not(device):
        raise ConfigError(f"device is {device}, but {reason}; use `device: auto` or `device: cpu`")
    return [_PROVIDERS[device], *([_PROVIDERS["cuda"]] if device == "tensorrt" else []), CPU]


def why_not(device: Literal["cuda", "tensorrt"]) -> str | None:
    """The reason why ONNX Runtime cannot use an NVIDIA GPU by this name; None if it can."""
    if _PROVIDERS[device] not in onnxruntime.get_available_providers():
        return f"this ONNX Runtime was built without {device.upper()} (pip install onnxruntime-gpu)"
    if not [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg")]:
        return "this machine has no NVIDIA device (/dev/nvidia0)"
    libraries = Path(onnxruntime.__file__).parent / "capi"
    with contextlib.redirect_stdout(io.StringIO()):
        onnxruntime.preload_dlls()  # from pip's nvidia packages, if installed
    try:
        ctypes.CDLL("libcuda.so.1")
        for name in dict.fromkeys(("shared", "cuda", device)):
            ctypes.CDLL(str(libraries / f"libonnxruntime_providers_{name}.so"), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        return f"a library of {device.upper()} cannot be loaded ({error})"
    return None
