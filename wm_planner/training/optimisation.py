"""The optimiser step of a training: AdamW over the groups of a model's weights."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from wm_planner.errors import ConfigError, TrainingError
from wm_planner.training.clips import Clips
from wm_planner.training.module import ParameterGroup, Trainable
from wm_planner.training.processes import Processes, unsharded
from wm_planner.training.recipe import TrainingRecipe

NORM = "gradient_norm"


class Optimisation:
    """A model, its optimiser and its data, distributed over processes.

    Raises:
        ConfigError: if the model's parameter groups do not hold every trained weight once.
    """

    def __init__(self, model: Trainable, recipe: TrainingRecipe, clips: Clips, processes: Processes) -> None:
        self.model, self.recipe, self.clips, self.processes = model, recipe, clips, processes
        self.share = processes.local_slice(recipe.batch)
        groups = model.parameter_groups()
        _check_groups(model, groups)
        parts = [part for group in groups for part in _by_decay(group, recipe)]
        self._settings = [(part.group, part.decays) for part in parts]
        settings = [{"params": p.weights, "weight_decay": recipe.weight_decay * p.decays} for p in parts]
        self.optimizer = torch.optim.AdamW(settings, lr=recipe.learning_rate)
        self.loss = processes.prepare(model, self.optimizer)

    def iterate(self, iteration: int) -> dict[str, float]:
        """One optimiser step; its randomness depends only on the seed and the iteration.

        Returns:
            The loss and its terms, of this process's part of the batch, and the norm of the full gradient.

        Raises:
            TrainingError: if the loss diverges.
        """
        recipe, optimizer = self.recipe, self.optimizer
        rng = np.random.default_rng((recipe.seed, iteration))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        batch = self.processes.to_device(self.clips.draw_for(self.model, recipe.batch, rng, self.share))
        loss, terms = self.loss(batch, iteration / recipe.iterations, generator)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = self._clip()
        if not math.isfinite(norm):
            raise TrainingError(
                f"the loss diverged: {loss.item():g} at iteration {iteration}, gradient norm {norm:g}; "
                f"train in another folder with a lower learning_rate (now {recipe.learning_rate:g}) "
                "or a longer warmup"
            )
        rate, decay = recipe.learning_rate_at(iteration), recipe.weight_decay_at(iteration)
        for part, (group, decays) in zip(optimizer.param_groups, self._settings, strict=True):
            part["lr"] = rate * group.learning_rate
            part["weight_decay"] = decay * decays
        optimizer.step()
        self.model.after_step()
        return {NORM: norm, "loss": loss.item(), **{name: term.item() for name, term in terms.items()}}

    def _clip(self) -> float:
        """Clip the gradients, those of groups with their own limit apart.

        Returns:
            The norm of the full gradient before.
        """
        shared: list[nn.Parameter] = []
        own: dict[int, tuple[float, list[nn.Parameter]]] = {}  # the parts of a group have the same limit
        for part, (group, _) in zip(self.optimizer.param_groups, self._settings, strict=True):
            if group.max_gradient_norm is None:
                shared += part["params"]
            else:
                own.setdefault(id(group), (group.max_gradient_norm, []))[1].extend(part["params"])
        sets = [(self.recipe.max_gradient_norm, shared), *own.values()]
        norms = [
            unsharded(nn.utils.clip_grad_norm_(weights, limit)).item() for limit, weights in sets if weights
        ]
        return norms[0] if len(norms) == 1 else math.hypot(*norms)


class _Part(NamedTuple):
    """The weights of a group with, or without, weight decay."""

    group: ParameterGroup
    decays: bool
    weights: list[nn.Parameter]


def _by_decay(group: ParameterGroup, recipe: TrainingRecipe) -> list[_Part]:
    """The parts of a group, by whether they have weight decay; see `TrainingRecipe.decayed`."""
    exempt = [weight for weight in group.weights if recipe.decayed == "matrices" and weight.ndim < 2]
    others = [weight for weight in group.weights if not any(weight is one for one in exempt)]
    return [_Part(group, decays, some) for decays, some in ((True, others), (False, exempt)) if some]


def _check_groups(model: Trainable, groups: Sequence[ParameterGroup]) -> None:
    given = sorted(id(weight) for group in groups for weight in group.weights)
    trained = sorted(id(weight) for weight in model.parameters() if weight.requires_grad)
    if given != trained:
        raise ConfigError(
            f"{type(model).__name__}.parameter_groups() holds {len(given)} weights, {len(set(given))} of "
            f"them different, wanted each of the {len(trained)} trained weights once"
        )
