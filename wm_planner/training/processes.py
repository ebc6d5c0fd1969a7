"""The processes that train one model together, through Hugging Face accelerate."""

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

LAUNCHED = ("LOCAL_RANK", "ACCELERATE_MIXED_PRECISION")
"""What torchrun and `accelerate launch` leave in the environment of the processes they start."""

Objective = Callable[[Mapping[str, Tensor], float, torch.Generator], tuple[Tensor, dict[str, Tensor]]]


class Processes:
    """All that torchrun or `accelerate launch` started, or this one alone: then on the CPU.

    Attributes:
        count: how many they are.
        is_main: whether this is the one that writes and reports.

    Raises:
        ConfigError: if accelerate is set to something that would change what is trained.
    """

    def __init__(self) -> None:
        launched = any(name in os.environ for name in LAUNCHED)
        # told of no device, accelerate takes processes that torchrun started on a CPU for strangers
        self._accelerator = Accelerator(cpu=not launched or not torch.accelerator.is_available())
        self.count: int = self._accelerator.num_processes
        self.is_main: bool = self._accelerator.is_main_process
        self._device: torch.device = self._accelerator.device
        if self._accelerator.mixed_precision not in ("no", "bf16"):
            raise ConfigError(
                f"accelerate is set to mixed precision {self._accelerator.mixed_precision}; "
                "wanted no or bf16, which need no scaling of the loss"
            )
        if self._accelerator.distributed_type == DistributedType.FSDP and not self._accelerator.is_fsdp2:
            raise ConfigError(
                "accelerate is set to the first FSDP; wanted fsdp_version: 2 (accelerate config)"
            )
        if self.count > 1:
            atexit.register(self._accelerator.end_training)

    def share(self, batch: int) -> slice:
        """Which clips of a batch are this process's.

        Raises:
            ConfigError: if they do not divide.
        """
        size, rest = divmod(batch, self.count)
        if rest or not size:
            fitting = [n for n in range(1, batch + 1) if batch % n == 0]
            raise ConfigError(
                f"a batch of {batch} clips does not divide by {self.count} processes; start one of {fitting} "
                "processes, or change the recipe's batch"
            )
        first = self._accelerator.process_index * size
        return slice(first, first + size)

    def spread(self, model: Trainable, optimizer: torch.optim.Optimizer) -> Objective:
        """The loss of `model`, whose gradients are from now on the mean over all processes.

        Both are moved to this process's device, and under FSDP cut into shards, in place.
        """
        objective, _ = self._accelerator.prepare(_Loss(model), optimizer)
        return objective  # type: ignore[no-any-return]

    def placed(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch on this process's device."""
        return {name: array.to(self._device) for name, array in batch.items()}

    def mean(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The mean of each number over the processes, which all give the same names in the same order."""
        if self.count == 1:
            return dict(numbers)
        row = torch.tensor(list(numbers.values()), dtype=torch.float64, device=self._device)
        torch.distributed.all_reduce(row)
        return dict(zip(numbers, (row / self.count).tolist(), strict=True))

    def wait(self) -> None:
        """Until all have come here."""
        self._accelerator.wait_for_everyone()


class _Loss(nn.Module):
    """A model's loss as the call that accelerate's wrappers watch."""

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, batch: Mapping[str, Tensor], progress: float, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return self.model.loss(batch, progress, generator)


def whole(state: Any) -> Any:
    """A state dict with all shards put together; every process must ask, and gets all of it."""
    if isinstance(state, Mapping):
        return {key: whole(value) for key, value in state.items()}
    return state.full_tensor() if isinstance(state, DTensor) else state


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the whole state of an optimiser, cut as its weights are."""
    optimizer.load_state_dict(state)
    for weight, values in optimizer.state.items():
        if isinstance(weight, DTensor):
            for name, value in values.items():
                if value.shape == weight.shape:
                    values[name] = distribute_tensor(value, weight.device_mesh, weight.placements)
