"""Distributed training with Hugging Face accelerate."""

import atexit
import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import Accelerator, DistributedType
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from wm_planner.errors import ConfigError
from wm_planner.training.module import Trainable

LAUNCHER_VARIABLES = ("LOCAL_RANK", "ACCELERATE_MIXED_PRECISION")
"""Environment variables that torchrun and `accelerate launch` set in the processes they start."""

Objective = Callable[[Mapping[str, Tensor], float, torch.Generator], tuple[Tensor, dict[str, Tensor]]]


class Processes:
    """The processes of a training: those of torchrun or `accelerate launch`, or only this one, on the CPU.

    Attributes:
        count: number of processes.
        is_main: whether this is the process that writes and reports.
        is_sharded: whether the weights are distributed over the processes.

    Raises:
        ConfigError: for settings of accelerate that would change the result of the training.
    """

    def __init__(self) -> None:
        launched = any(name in os.environ for name in LAUNCHER_VARIABLES)
        # with cpu=False, accelerate does not connect processes that torchrun started on a CPU
        self._accelerator = Accelerator(cpu=not launched or not torch.accelerator.is_available())
        self.count: int = self._accelerator.num_processes
        self.is_main: bool = self._accelerator.is_main_process
        self.is_sharded: bool = self._accelerator.distributed_type == DistributedType.FSDP
        self._device: torch.device = self._accelerator.device
        if self._accelerator.mixed_precision not in ("no", "bf16"):
            raise ConfigError(
                f"accelerate is set to mixed precision {self._accelerator.mixed_precision}, wanted no or "
                "bf16, which need no loss scaling"
            )
        if self._accelerator.mixed_precision != "no" and self._device.type == "cpu":
            raise ConfigError("accelerate is set to mixed precision bf16, wanted no: this machine has no GPU")
        if self.is_sharded and not self._accelerator.is_fsdp2:
            raise ConfigError("accelerate is set to FSDP 1, wanted fsdp_version: 2 (accelerate config)")
        if self.count > 1:
            atexit.register(self._accelerator.end_training)

    def local_slice(self, batch: int) -> slice:
        """The part of a batch of `batch` clips that this process computes.

        Raises:
            ConfigError: if the batch cannot be divided evenly.
        """
        size, remainder = divmod(batch, self.count)
        if remainder or not size:
            fitting = [n for n in range(1, batch + 1) if batch % n == 0]
            raise ConfigError(
                f"a batch of {batch} clips does not divide by {self.count} processes; start {fitting} "
                "processes, or change the recipe's batch"
            )
        first = self._accelerator.process_index * size
        return slice(first, first + size)

    def prepare(self, model: Trainable, optimizer: torch.optim.Optimizer) -> Objective:
        """The loss of `model`, with gradients that are averaged over all processes.

        Model and optimiser are moved to this process's device, and sharded under FSDP, in place.
        """
        objective, _ = self._accelerator.prepare(_Loss(model), optimizer)
        return objective  # type: ignore[no-any-return]

    def to_device(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch on this process's device."""
        return {name: array.to(self._device) for name, array in batch.items()}

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over the processes, which must use the same names in the same order."""
        if self.count == 1:
            return dict(values)
        row = torch.tensor(list(values.values()), dtype=torch.float64, device=self._device)
        torch.distributed.all_reduce(row)
        return dict(zip(values, (row / self.count).tolist(), strict=True))

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        self._accelerator.wait_for_everyone()


class _Loss(nn.Module):
    """A model whose `forward` is its loss, because accelerate's wrappers intercept `forward`."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.loss(batch, progress, generator)


def unsharded(state: Any) -> Any:
    """A state dict with full tensors in place of shards; must be called in all processes."""
    if isinstance(state, Mapping):
        return {key: unsharded(value) for key, value in state.items()}
    return state.full_tensor() if isinstance(state, DTensor) else state


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an unsharded state into an optimiser, sharded like its weights."""
    optimizer.load_state_dict(state)
    for weight, values in optimizer.state.items():
        if isinstance(weight, DTensor):
            for name, value in values.items():
                if value.shape == weight.shape:
                    values[name] = distribute_tensor(value, weight.device_mesh, weight.placements)
