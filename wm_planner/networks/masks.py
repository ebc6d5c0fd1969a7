"""Which tokens may see which, as boolean masks: True where seen."""

import torch
from torch import Tensor

CPU = torch.device("cpu")


def frame_causal(frames: int, tokens_per_frame: int) -> Tensor:
    """Every token sees all tokens of its own and of earlier frames: (L, L), L = frames * tokens_per_frame."""
    frame = torch.arange(frames, device=CPU).repeat_interleave(tokens_per_frame)
    return frame.unsqueeze(1) >= frame.unsqueeze(0)
