"""The training loop: any model file, any data sets, resumable to the bit."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wm_planner import share
from wm_planner.checksum import sha256
from wm_planner.config import Config, to_builtins
from wm_planner.data.episodes import EpisodeData
from wm_planner.errors import TrainingError
from wm_planner.training.checkpoint import Position, RunFolder, RunSpec
from wm_planner.training.clips import Clips
from wm_planner.training.module import Trainable, load_model_file
from wm_planner.training.pretrained import weights_file
from wm_planner.training.processes import Processes, whole
from wm_planner.training.recipe import TrainingRecipe, changed

LOG_EVERY = 50
CHECKPOINT_EVERY = 500
NORM = "gradient_norm"


class Progress(Config, frozen=True, kw_only=True):
    """How a training goes.

    Attributes:
        processes: how many train together.
        cpu_seconds: of all processes together.
        learning_rate: of the last iteration.
        gradient_norm: before it was clipped, mean since the last report.
        terms: the loss and its terms, means over the processes and since the last report.
    """

    iteration: int
    iterations: int
    processes: int
    cpu_seconds: float
    cpu_limit: float
    learning_rate: float
    gradient_norm: float
    terms: dict[str, float]

    def __str__(self) -> str:
        together = f" of {self.processes} processes" if self.processes > 1 else ""
        left_s = self.cpu_seconds / max(self.iteration, 1) * (self.iterations - self.iteration)
        return (
            f"iteration {self.iteration}/{self.iterations}  CPU {self.cpu_seconds:.0f} s{together}, "
            f"about {left_s:.0f} s left (limit {self.cpu_limit:.0f} s)  {self.words}"
        )

    @property
    def words(self) -> str:
        """The terms, in a line."""
        return "  ".join(f"{name} {value:.4f}" for name, value in self.terms.items())

    @property
    def ran_out(self) -> bool:
        """Whether the training stopped before its end, at its limit of CPU seconds."""
        return self.iteration < self.iterations and self.cpu_seconds >= self.cpu_limit


def train(
    model_file: str | Path,
    datasets: Sequence[str | Path],
    out: str | Path,
    recipe: str,
    overrides: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None] = print,
    moved: Callable[[int, int], None] = lambda done, total: None,
) -> Progress:
    """Train a model, or go on where the run in `out` stopped.

    Started by torchrun or `accelerate launch`, the processes share each batch; the main one writes and
    reports, into a folder that all of them see.

    Args:
        model_file: a file of the `models` shelf.
        datasets: folders that `wm collect` wrote, trained on together.
        out: folder of the run: run.yaml, checkpoint.pt, log.jsonl, tensorboard/.
        recipe: name of one of the model file's recipes.
        overrides: changes to it by dotted paths.
        report: called every 50 iterations and at the end.
        moved: called at every iteration with its number and how many there will be.

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
    processes = Processes()
    processes.share(chosen.batch)  # to fail before anything is written
    folder = RunFolder(Path(out), writes=processes.is_main)
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
    processes.wait()  # for the main one to have found that it may use the folder
    torch.manual_seed(chosen.seed)
    return _fit(file.build(chosen, clips.spec), chosen, clips, folder, processes, report, moved)


def _fit(
    model: Trainable,
    recipe: TrainingRecipe,
    clips: Clips,
    folder: RunFolder,
    processes: Processes,
    report: Callable[[Progress], None],
    moved: Callable[[int, int], None],
) -> Progress:
    position = folder.restore(model)
    spent_s, begun_s = position.cpu_seconds, time.process_time()
    if position.iteration == 0:
        if recipe.pretrained is not None:
            model.load_pretrained(Path(recipe.pretrained))
        model.prepare(_batches(model, recipe, clips))
    descent = _Descent(model, recipe, clips, processes)
    folder.restore_optimizer(descent.optimizer)
    recent: list[dict[str, float]] = []  # what the iterations since the last report gave
    model.train()
    with folder.log(position.iteration) as log:
        while True:
            i, cpu_s = position.iteration, position.cpu_seconds
            finished = i >= recipe.iterations or cpu_s >= recipe.cpu_seconds
            means = _means(recent)
            progress = Progress(
                iteration=i,
                iterations=recipe.iterations,
                processes=processes.count,
                cpu_seconds=cpu_s,
                cpu_limit=recipe.cpu_seconds,
                learning_rate=recipe.learning_rate_at(max(i - 1, 0)),
                gradient_norm=means.pop(NORM, 0.0),
                terms=means,
            )
            if processes.is_main:
                moved(i, recipe.iterations)
            if recent and (finished or i % LOG_EVERY == 0):
                log(to_builtins(progress))
                if processes.is_main:
                    report(progress)
                recent.clear()
            if finished or i % CHECKPOINT_EVERY == 0:
                folder.save(position, model, descent.optimizer)
            if finished:
                return progress
            given = descent.iterate(i)
            mean = processes.mean({**given, "cpu": time.process_time() - begun_s})
            position = Position(iteration=i + 1, cpu_seconds=spent_s + mean.pop("cpu") * processes.count)
            recent.append(mean)


class _Descent:
    """The optimiser on its way, and the processes that take it together."""

    def __init__(self, model: Trainable, recipe: TrainingRecipe, clips: Clips, processes: Processes) -> None:
        self.model, self.recipe, self.clips, self.processes = model, recipe, clips, processes
        self.share = processes.share(recipe.batch)
        self.optimizer = _optimizer(model, recipe)
        self.loss = processes.spread(model, self.optimizer)

    def iterate(self, iteration: int) -> dict[str, float]:
        """One step of the optimiser; its randomness is a function of the seed and the iteration.

        Returns:
            The loss and its terms, of this process's share of the batch, and the norm of the whole gradient.

        Raises:
            TrainingError: if the loss diverges.
        """
        recipe, optimizer = self.recipe, self.optimizer
        rng = np.random.default_rng((recipe.seed, iteration))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        batch = self.processes.placed(self.clips.draw(recipe.batch, _states(self.model), rng, self.share))
        loss, terms = self.loss(batch, iteration / recipe.iterations, generator)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        norm = whole(nn.utils.clip_grad_norm_(weights, recipe.max_gradient_norm)).item()
        if not math.isfinite(norm):
            raise TrainingError(
                f"the loss diverged: {loss.item():g} at iteration {iteration}, its gradient {norm:g}; "
                f"train into another folder with a lower learning_rate (now {recipe.learning_rate:g}) "
                "or a longer warmup"
            )
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(iteration)
        optimizer.param_groups[0]["weight_decay"] = recipe.weight_decay_at(iteration)
        optimizer.step()
        self.model.after_step()
        return {NORM: norm, "loss": loss.item(), **{name: term.item() for name, term in terms.items()}}


def _batches(model: Trainable, recipe: TrainingRecipe, clips: Clips) -> Iterator[dict[str, Tensor]]:
    """Random batches without end, apart from those of the iterations."""
    rng = np.random.default_rng((recipe.seed, 0, 1))
    while True:
        yield clips.draw(recipe.batch, _states(model), rng)


def _states(model: Trainable) -> list[str]:
    return [quantity.name for quantity in model.observation.state]


def _optimizer(model: Trainable, recipe: TrainingRecipe) -> torch.optim.AdamW:
    """AdamW over what is trained; a second group is spared the weight decay."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    spared = [weight for weight in weights if weight.ndim < 2] if recipe.decayed == "matrices" else []
    others = [weight for weight in weights if not any(weight is one for one in spared)]
    groups: list[dict[str, Any]] = [{"params": others}]
    if spared:
        groups.append({"params": spared, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def _checksum(pretrained: str | None) -> dict[str, str]:
    """Where pretrained weights lie to their sha256; empty where there are none."""
    return {} if pretrained is None else {pretrained: sha256(weights_file(Path(pretrained)))}


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}
