"""The training loop: any model file, any data sets, resumable to the bit."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from wm_planner import share
from wm_planner.config import Config, to_builtins
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import TrainingError
from wm_planner.training.checkpoint import Position, RunFolder, RunSpec
from wm_planner.training.clips import Clips
from wm_planner.training.module import Trainable, load_model_file
from wm_planner.training.pretrained import weights_file
from wm_planner.training.recipe import TrainingRecipe, changed
from wm_planner.world_models.card import sha256

LOG_EVERY = 50
CHECKPOINT_EVERY = 500


class Progress(Config, frozen=True, kw_only=True):
    """How a training goes.

    Attributes:
        terms: the loss and its terms, means since the last report.
    """

    iteration: int
    iterations: int
    cpu_seconds: float
    cpu_limit: float
    terms: dict[str, float]

    def __str__(self) -> str:
        terms = "  ".join(f"{name} {value:.4f}" for name, value in self.terms.items())
        left_s = self.cpu_seconds / max(self.iteration, 1) * (self.iterations - self.iteration)
        return (
            f"iteration {self.iteration}/{self.iterations}  CPU {self.cpu_seconds:.0f} s, "
            f"about {left_s:.0f} s left (limit {self.cpu_limit:.0f} s)  {terms}"
        )


def train(
    model_file: str | Path,
    datasets: Sequence[str | Path],
    out: str | Path,
    recipe: str,
    overrides: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None] = print,
) -> Progress:
    """Train a model, or go on where the run in `out` stopped.

    Args:
        model_file: a file of the `models` shelf.
        datasets: folders that `wm collect` wrote, trained on together.
        out: folder of the run: run.yaml, checkpoint.pt, log.jsonl.
        recipe: name of one of the model file's recipes.
        overrides: changes to it by dotted paths.
        report: called every 50 iterations and at the end.

    Returns:
        The last progress: `iteration < iterations` says that the recipe's CPU seconds ran out.

    Raises:
        DatasetError: if the data cannot be trained on.
        BundleError: if `out` holds another run, or the recipe's pretrained weights do not fit.
        TrainingError: if the loss diverges; the last checkpoint stays.
    """
    torch.set_num_threads(1)  # networks this small get slower with more, and sums then depend on the machine
    file = load_model_file(model_file)
    chosen = changed(file.recipe(recipe), overrides or {}, f"recipe {recipe}")
    data = [EpisodeData.open(Path(folder)) for folder in datasets]
    clips = Clips(data, chosen.clip)
    folder = RunFolder(Path(out))
    folder.open(
        RunSpec(
            model_file=str(model_file),
            recipe_name=recipe,
            recipe=to_builtins(chosen),
            datasets={str(path): sha256(Path(path) / "meta.yaml") for path in datasets},
            data=clips.spec,
            revision=share.revision(),
            pretrained=_checksum(chosen.pretrained),
        ),
        type(chosen),
    )
    torch.manual_seed(chosen.seed)
    return _fit(file.build(chosen, clips.spec), chosen, clips, folder, report)


def _fit(
    model: Trainable,
    recipe: TrainingRecipe,
    clips: Clips,
    folder: RunFolder,
    report: Callable[[Progress], None],
) -> Progress:
    optimizer = _optimizer(model, recipe)
    position = folder.restore(model, optimizer)
    if recipe.pretrained is not None and position.iteration == 0:
        model.load_pretrained(Path(recipe.pretrained))
    folder.rewind_log(position.iteration)
    started_s = time.process_time() - position.cpu_seconds
    recent: list[dict[str, float]] = []  # terms since the last report
    model.train()
    while True:
        i, cpu_s = position.iteration, position.cpu_seconds
        finished = i >= recipe.iterations or cpu_s >= recipe.cpu_seconds
        progress = Progress(
            iteration=i,
            iterations=recipe.iterations,
            cpu_seconds=cpu_s,
            cpu_limit=recipe.cpu_seconds,
            terms=_means(recent),
        )
        if recent and (finished or i % LOG_EVERY == 0):
            folder.log(to_builtins(progress))
            report(progress)
            recent.clear()
        if finished or i % CHECKPOINT_EVERY == 0:
            folder.save(position, model, optimizer)
        if finished:
            return progress
        recent.append(_iterate(model, optimizer, recipe, clips, i))
        position = Position(iteration=i + 1, cpu_seconds=time.process_time() - started_s)


def _optimizer(model: Trainable, recipe: TrainingRecipe) -> torch.optim.AdamW:
    """AdamW over what is trained; a second group is spared the weight decay."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    spared = [weight for weight in weights if weight.ndim < 2] if recipe.decayed == "matrices" else []
    others = [weight for weight in weights if not any(weight is one for one in spared)]
    groups: list[dict[str, Any]] = [{"params": others}]
    if spared:
        groups.append({"params": spared, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def _iterate(
    model: Trainable,
    optimizer: torch.optim.Optimizer,
    recipe: TrainingRecipe,
    clips: Clips,
    iteration: int,
) -> dict[str, float]:
    """One step of the optimiser; its randomness is a function of the seed and the iteration."""
    rng = np.random.default_rng((recipe.seed, iteration))
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    names = [quantity.name for quantity in model.observation.state]
    batch = clips.draw(recipe.batch, names, rng)
    loss, terms = model.loss(batch, iteration / recipe.iterations, generator)
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    norm = nn.utils.clip_grad_norm_(weights, recipe.max_gradient_norm)
    if not torch.isfinite(norm):
        raise TrainingError(
            f"the loss diverged: {loss.item():g} at iteration {iteration}, its gradient {norm.item():g}; "
            f"train into another folder with a lower learning_rate (now {recipe.learning_rate:g}) "
            "or a longer warmup"
        )
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate_at(iteration)
    optimizer.param_groups[0]["weight_decay"] = recipe.weight_decay_at(iteration)
    optimizer.step()
    model.after_step()
    return {"loss": loss.item(), **{name: term.item() for name, term in terms.items()}}


def _checksum(pretrained: str | None) -> dict[str, str]:
    """Where pretrained weights lie to their sha256; empty where there are none."""
    return {} if pretrained is None else {pretrained: sha256(weights_file(Path(pretrained)))}


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}
