"""A batch shared by the processes that train together, and statistics over the whole of it.

Every process holds as many samples as any other, and the gradient is the mean of theirs. That is enough for
a loss that is a mean over samples. What is not (a variance, a distribution) goes through here, so that a
training means the same in one process and in many. In one process all this is the identity.
"""

import torch
import torch.distributed
from torch import Tensor


def number() -> int:
    """How many processes share the batch."""
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if several else 1


def own(x: Tensor) -> Tensor:
    """This process's part of `x` (B, ...), drawn alike for the whole batch by all: (B / number, ...)."""
    return x if number() == 1 else x.chunk(number())[torch.distributed.get_rank()]


def average(x: Tensor) -> Tensor:
    """The mean of all processes' `x`; its gradient reaches every one of them."""
    if number() == 1:
        return x
    averaged: Tensor = _Average.apply(x)  # type: ignore[no-untyped-call]
    return averaged


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (divided by the count) over the whole batch, of its shares `x` (B / number, ...)."""
    mean, variance = x.mean(0), x.var(0, correction=0)
    together = average(mean)
    return together, average(variance + (mean - together).square())


class _Average(torch.autograd.Function):
    """An average is its own gradient: each process passes on its part of what all of them ask for."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total / number()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        return _Average.forward(ctx, gradient)
