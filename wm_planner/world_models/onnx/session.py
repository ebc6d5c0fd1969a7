"""One graph in ONNX Runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime

from wm_planner.errors import BundleError, ConfigError
from wm_planner.world_models.onnx.execution import CPU
from wm_planner.world_models.onnx.inputs import Arrays
from wm_planner.world_models.onnx.signature import Port

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(uint8)": "uint8",
    "tensor(int64)": "int64",
    "tensor(double)": "float64",
}
_ERRORS_ONLY = 3

OnDevice: TypeAlias = onnxruntime.OrtValue
"""An array on the device of the graph that returned it; `numpy()` copies it to the host."""


class Graph:
    """One loaded ONNX graph: named arrays in, named arrays out.

    Args:
        path: of the file.
        providers: execution providers, in order of preference.
        threads: per run.
        serialized: a graph that was derived from the file and is loaded instead of it.

    Attributes:
        inputs, outputs: their names, dtypes and shapes.
        names: of the inputs.

    Raises:
        BundleError: if ONNX Runtime cannot load it.
        ConfigError: if the preferred provider turns out not to work, which ONNX Runtime passes over.
    """

    def __init__(
        self, path: Path, providers: list[str], threads: int, serialized: bytes | None = None
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(serialized or path, options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            raise BundleError(
                f"{path}: ONNX Runtime cannot load it ({error}); export the bundle again"
            ) from None
        if providers[0] not in self._session.get_providers():
            raise ConfigError(
                f"{path}: ONNX Runtime could not start {providers[0]} and uses "
                f"{', '.join(self._session.get_providers())}: check its driver, or set `device: cpu`"
            )
        self.inputs = [_port(argument) for argument in self._session.get_inputs()]
        self.outputs = [_port(argument) for argument in self._session.get_outputs()]
        self.names = tuple(port.name for port in self.inputs)
        self._path, self._providers, self._threads = path, providers, threads
        self._device = "cpu" if providers[0] == CPU else "cuda"

    def run(self, feed: Arrays) -> Arrays:
        """The outputs by name."""
        arrays = self._session.run(None, feed)
        return {port.name: array for port, array in zip(self.outputs, arrays, strict=True)}

    def derived(self, serialized: bytes) -> "Graph":
        """A graph made from this one's file, on the same device."""
        return Graph(self._path, self._providers, self._threads, serialized)

    def run_on_device(self, feed: Mapping[str, Any]) -> dict[str, OnDevice]:
        """The outputs by name, which stay on the device.

        Args:
            feed: arrays on the host, which are copied, or results of this method, which are not.
        """
        binding = self._session.io_binding()
        for name, array in feed.items():
            if isinstance(array, onnxruntime.OrtValue):
                binding.bind_ortvalue_input(name, array)
            else:
                binding.bind_cpu_input(name, np.ascontiguousarray(array))
        for port in self.outputs:
            binding.bind_output(port.name, self._device)
        self._session.run_with_iobinding(binding)
        return dict(zip((port.name for port in self.outputs), binding.get_outputs(), strict=True))


def _port(argument: Any) -> Port:
    shape = tuple(size if isinstance(size, int) else None for size in argument.shape)
    return Port(argument.name, _DTYPES.get(argument.type, argument.type), shape, "")
