"""The training loop for any model file and data sets, resumable with bitwise equal results."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor

from wm_planner import share
from wm_planner.config import Config, to_builtins
from wm_planner.data.validation import validated
from wm_planner.training.checkpoint import Position, RunFolder, RunSpec
from wm_planner.training.clips import Clips
from wm_planner.training.collapse import RankProbe
from wm_planner.training.data_spec import DataSpec
from wm_planner.training.encoded import clips_of, imagination_of
from wm_planner.training.imagination import Imagination
from wm_planner.training.module import ModelFile, Trainable, load_model_file
from wm_planner.training.optimisation import NORM, Optimisation
from wm_planner.training.processes import Processes
from wm_planner.training.recipe import TrainingRecipe, changed
from wm_planner.training.weight_files import checksums

LOG_EVERY = 50
FIRST_REPORT_S = 5.0  # wall time after which a slow training is reported for the first time
CHECKPOINT_EVERY = 500


class Progress(Config, frozen=True, kw_only=True):
    """The progress of a training.

    Attributes:
        iteration: completed iterations.
        iterations: of the schedule.
        processes: number of processes.
        cpu_seconds: CPU time, summed over all processes.
        cpu_limit: CPU time after which the training stops.
        learning_rate: of the last iteration.
        gradient_norm: before clipping, averaged since the last report.
        terms: the loss and its terms, averaged over the processes and since the last report.
        effective_rank: of the representation, when it was last measured; see `collapse.RankProbe`.
    """

    iteration: int
    iterations: int
    processes: int
    cpu_seconds: float
    cpu_limit: float
    learning_rate: float
    gradient_norm: float
    terms: dict[str, float]
    effective_rank: float | None = None

    def __str__(self) -> str:
        processes = f" of {self.processes} processes" if self.processes > 1 else ""
        left_s = self.cpu_seconds / max(self.iteration, 1) * (self.iterations - self.iteration)
        return (
            f"iteration {self.iteration}/{self.iterations}  CPU {self.cpu_seconds:.0f} s{processes}, "
            f"about {left_s:.0f} s left (limit {self.cpu_limit:.0f} s)  {self.terms_text}"
        )

    @property
    def terms_text(self) -> str:
        """The terms and the effective rank in one line."""
        rank = [] if self.effective_rank is None else [f"rank {self.effective_rank:.1f}"]
        return "  ".join([*(f"{name} {value:.4f}" for name, value in self.terms.items()), *rank])

    @property
    def reached_cpu_limit(self) -> bool:
        """Whether the training stopped before its end, at its limit of CPU time."""
        return self.iteration < self.iterations and self.cpu_seconds >= self.cpu_limit


class Listeners(NamedTuple):
    """Functions that are told about a training in the main process; see `train`."""

    report: Callable[[Progress], None]
    on_iteration: Callable[[int, int], None]
    warn: Callable[[str], None]


class Stage(NamedTuple):
    """A stage of a practice: the training is continued with more data sets than before, if there are more.

    The network is told the statistics of the first stage's data in all stages.

    Attributes:
        practice: the command, see `RunSpec.practice`.
        until: number of iterations after which the training stops, at most those of the recipe.
    """

    practice: str
    until: int


def train(
    model_file: str | Path,
    datasets: Sequence[str | Path],
    out: str | Path,
    recipe: str,
    overrides: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None] = print,
    on_iteration: Callable[[int, int], None] = lambda done, total: None,
    warn: Callable[[str], None] = print,
    stage: Stage | None = None,
    of: str | None = None,
) -> Progress:
    """Train a model, or resume the run in `out`.

    Processes started by torchrun or `accelerate launch` share each batch; the main one writes and reports.

    Args:
        model_file: path of a model file, e.g. models/ac_jepa.py.
        datasets: folders of any form (see `data.forms`), all used; of a policy by default its model's data.
        out: folder of the run, for all processes: run.yaml, checkpoint.pt, log.jsonl, tensorboard/.
        recipe: name of one of the model file's recipes.
        overrides: changes to the recipe by dotted paths.
        report: called every 50 iterations and at the end, and once after a few seconds.
        on_iteration: called in every iteration with the completed and the total number of iterations.
        warn: called with warnings: actions outside of their bounds, a representation that has collapsed.
        stage: of a practice; None for a training on fixed data.
        of: path of a bundle or a run, in whose imagination a policy is trained.

    Returns:
        The final progress; `reached_cpu_limit` if the training stopped early.

    Raises:
        DatasetError: if the data sets cannot be read or do not fit, or hold values that are not finite.
        BundleError: if `out` holds another run, pretrained weights do not fit, or `of` has no gradients.
        ConfigError: if a policy is trained without a model, or anything else with one.
        TrainingError: if the loss diverges; the last checkpoint is kept.
    """
    torch.set_num_threads(1)  # small networks are slower with more, and results would depend on the machine
    file = load_model_file(model_file)
    chosen = changed(file.recipe(recipe), overrides or {}, f"recipe {recipe}")
    imagination = imagination_of(str(model_file), chosen, of)
    clips = clips_of(datasets, chosen, imagination)
    processes = Processes()
    processes.local_slice(chosen.batch)  # fails before anything is written
    folder = RunFolder(Path(out), writes=processes.is_main)
    known = folder.spec().data if stage and folder.exists else clips.spec
    model = _seeded(file, chosen, clips, imagination or known)
    warnings = [text for each in clips.datasets for text in validated(each)]
    spec = RunSpec(
        model_file=str(model_file),
        recipe_name=recipe,
        recipe=to_builtins(chosen),
        data=known,
        **_origins(clips, chosen, imagination, stage),
    )
    folder.open(spec, type(chosen))
    processes.wait()  # until the main process has checked the folder
    listeners = Listeners(report, on_iteration, warn if processes.is_main else lambda text: None)
    list(map(listeners.warn, warnings))
    return _fit(model, chosen, clips, folder, processes, listeners, stage)


def _origins(
    clips: Clips, recipe: TrainingRecipe, imagination: Imagination | None, stage: Stage | None
) -> dict[str, Any]:
    """What a training starts from, as fields of `RunSpec`."""
    return {
        "practice": stage.practice if stage else "",
        "datasets": {str(each.path): each.checksum for each in clips.datasets},
        "revision": share.revision(),
        "pretrained": _checksums(recipe.pretrained),
        "of": imagination.source.checksums if imagination else {},
    }


def _seeded(
    file: ModelFile, recipe: TrainingRecipe, clips: Clips, known: DataSpec | Imagination
) -> Trainable:
    """The untrained model, which is told `known` of its data, or of the model in which it is trained.

    Raises:
        DatasetError: if the data lack what it learns from.
    """
    torch.manual_seed(recipe.seed)
    model = file.build(recipe, known)
    clips.check(model)
    return model


def _fit(
    model: Trainable,
    recipe: TrainingRecipe,
    clips: Clips,
    folder: RunFolder,
    processes: Processes,
    listeners: Listeners,
    stage: Stage | None,
) -> Progress:
    end = stage.until if stage else recipe.iterations
    position = folder.restore(model)
    before, started_s, started_wall_s = position, time.process_time(), time.monotonic()
    if position.iteration == 0:
        if recipe.pretrained is not None:
            model.load_pretrained(Path(recipe.pretrained))
        model.prepare(_batches(model, recipe, clips))
    optimisation = Optimisation(model, recipe, clips, processes)
    folder.restore_optimizer(optimisation.optimizer)
    probe = RankProbe(model, recipe, clips, processes)
    recent: list[dict[str, float]] = []  # terms of the iterations since the last report
    is_reported = False
    model.train()
    with folder.log(position.iteration) as log:
        while True:
            i, cpu_s = position.iteration, position.cpu_seconds
            finished = i >= end or cpu_s >= recipe.cpu_seconds
            saving = finished or i % CHECKPOINT_EVERY == 0
            if recent and saving:
                position = msgspec.structs.replace(position, effective_rank=probe.measure())
                if warning := probe.warning(position.effective_rank):
                    listeners.warn(f"iteration {i}: {warning}")
            if recent and i >= recipe.iterations:
                model.conclude(_batches(model, recipe, clips))
            if processes.is_main:
                listeners.on_iteration(i, recipe.iterations)
            progress = _progress(position, recipe, processes, recent)
            if recent and (finished or i % LOG_EVERY == 0):
                log(to_builtins(progress))
                if processes.is_main:
                    listeners.report(progress)
                recent.clear()
                is_reported = True
            elif recent and not is_reported and time.monotonic() - started_wall_s > FIRST_REPORT_S:
                if processes.is_main:
                    listeners.report(progress)
                is_reported = True
            if saving:
                folder.save(position, model, optimisation.optimizer)
            if finished:
                return progress
            terms = optimisation.iterate(i)
            mean = processes.mean({**terms, "cpu": time.process_time() - started_s})
            position = msgspec.structs.replace(
                position,
                iteration=i + 1,
                cpu_seconds=before.cpu_seconds + mean.pop("cpu") * processes.count,
                wall_seconds=before.wall_seconds + time.monotonic() - started_wall_s,
            )
            recent.append(mean)


def _progress(
    position: Position, recipe: TrainingRecipe, processes: Processes, recent: list[dict[str, float]]
) -> Progress:
    """The progress at `position`, with the means of the terms of `recent` iterations."""
    means = _means(recent)
    return Progress(
        iteration=position.iteration,
        iterations=recipe.iterations,
        processes=processes.count,
        cpu_seconds=position.cpu_seconds,
        cpu_limit=recipe.cpu_seconds,
        learning_rate=recipe.learning_rate_at(max(position.iteration - 1, 0)),
        gradient_norm=means.pop(NORM, 0.0),
        terms=means,
        effective_rank=position.effective_rank,
    )


def _batches(model: Trainable, recipe: TrainingRecipe, clips: Clips) -> Iterator[dict[str, Tensor]]:
    """An endless iterator of random batches, independent of those of the iterations."""
    rng = np.random.default_rng((recipe.seed, 0, 1))
    while True:
        yield clips.draw_for(model, recipe.batch, rng)


def _checksums(pretrained: str | None) -> dict[str, str]:
    """Paths of the pretrained weights to their sha256; empty without."""
    return {} if pretrained is None else checksums(Path(pretrained))


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]} if rows else {}
