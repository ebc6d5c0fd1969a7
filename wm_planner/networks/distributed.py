"""Statistics over a batch that is split across the processes of a distributed training.

All processes hold the same number of samples, and gradients are averaged. That suffices for a loss that is a
mean over samples. Statistics that are not (a variance, a distribution) use these functions, so that training
gives the same result with one process and with many. In a single process they are the identity.
"""

import torch
import torch.distributed
from torch import Tensor


def world_size() -> int:
    """Number of processes that share the batch."""
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if several else 1


def local_shard(x: Tensor) -> Tensor:
    """This process's part, (B / world_size, ...), of `x` (B, ...), which is the same in all processes."""
    return x if world_size() == 1 else x.chunk(world_size())[torch.distributed.get_rank()]


def mean(x: Tensor) -> Tensor:
    """The mean of `x` over all processes, differentiable in each of them."""
    if world_size() == 1:
        return x
    averaged: Tensor = _Mean.apply(x)  # type: ignore[no-untyped-call]
    return averaged


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance over the whole batch, of its shard `x` (B / world_size, ...)."""
    local_mean, variance = x.mean(0), x.var(0, correction=0)
    global_mean = mean(local_mean)
    return global_mean, mean(variance + (local_mean - global_mean).square())


class _Mean(torch.autograd.Function):
    """All-reduce to the mean; its backward pass is the same operation on the gradients."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total / world_size()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        return _Mean.forward(ctx, gradient)
