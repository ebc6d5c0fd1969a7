"""A toy-sized V-JEPA 2-AC with random weights, in a file of the format of facebookresearch/vjepa2."""

from contextlib import contextmanager

import pytest
import torch

from wm_planner.networks.vjepa2 import VitSize, VJepa2Encoder
from wm_planner.networks.vjepa2_ac import AcPredictor
from wm_planner.training import bundle, published

TOY = VitSize(dim=24, depth=2, heads=2)


@contextmanager
def toy_is_a_published_size(size=TOY):
    """The toy size counts as published, and its graphs are tested with few batch sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(published.ENCODERS, "toy", size)
        patch.setitem(published.AC_PREDICTORS, "toy", size)
        patch.setattr(bundle, "BATCHES", (1, 3))
        yield


def toy_networks(size=TOY):
    torch.manual_seed(0)
    return VJepa2Encoder(size, (256, 256)).eval(), AcPredictor(size, size.dim, (16, 16)).eval()


def write(path, encoder, predictor, **extra):
    """Write the file; `extra` arrays are added to the predictor."""
    parts = {"encoder": encoder.state_dict(), "predictor": predictor.state_dict()}
    state = {part: {f"module.backbone.{n}": a for n, a in arrays.items()} for part, arrays in parts.items()}
    state["encoder"]["module.backbone.pos_embed"] = torch.zeros(1, 4, 24)
    state["predictor"].update(extra)
    torch.save({**state, "epoch": 315}, path)
    return path
