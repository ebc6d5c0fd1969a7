"""A set of scenarios, each driven by every planner among others that are replayed and that react."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from joblib import Parallel, delayed

from wm_planner.driving.drive import problems_of
from wm_planner.driving.planners.base import DRIVERS
from wm_planner.driving.readers import read_scenario
from wm_planner.driving.scenario import Scenario
from wm_planner.driving.vehicle import VehicleName
from wm_planner.errors import ConfigError, PluginError, ScenarioError, ShapeError, SimulationError
from wm_planner.evaluation.driving.answers import write_answers
from wm_planner.evaluation.driving.loop import LONGEST_S, Driven, drive
from wm_planner.evaluation.driving.pictures import Seen, draw, film
from wm_planner.evaluation.driving.scores import DriveScores, scores_of
from wm_planner.simulation.driving import DrivingSimulator

AgentsName: TypeAlias = Literal["replay", "idm"]
AGENTS: tuple[AgentsName, ...] = ("replay", "idm")
PICTURES = "pictures"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How each scenario is driven.

    Attributes:
        planners: `{type: ...}` by the names they go by.
        agents: kinds of the others, of AGENTS.
        vehicle: the ego's.
        longest_s: a drive ends then.
        out: folder of pictures; None for none.
        films: whether there are films too.
        solutions: folder of CommonRoad solutions, a folder a planner; None for none.
    """

    planners: Mapping[str, Mapping[str, Any]]
    agents: tuple[AgentsName, ...] = AGENTS
    vehicle: VehicleName = "bmw_320i"
    longest_s: float = LONGEST_S
    out: str | None = None
    films: bool = False
    solutions: str | None = None


class Done(NamedTuple):
    """One scenario, driven.

    Attributes:
        refused: why it could not be driven at all; empty if it was.
    """

    file: str
    scores: tuple[DriveScores, ...] = ()
    refused: str = ""


def fitting(names: Sequence[str] | None) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Planners by name, and why others do not fit: of all that are registered those that need no settings.

    Raises:
        ConfigError, PluginError: if one that was asked for cannot be built.
    """
    planners: dict[str, dict[str, Any]] = {}
    unfit: dict[str, str] = {}
    for name in names or DRIVERS.entries:
        spec = {"type": name}
        try:
            DRIVERS.build(spec, f"planner {name}")
        except (ConfigError, PluginError) as error:
            if names:
                raise
            unfit[name] = str(error)
        else:
            planners[name] = spec
    return planners, unfit


def run(files: Sequence[Path], plan: Plan, workers: int) -> Iterator[Done]:
    """Each scenario as it is done, side by side in processes."""
    done: Iterator[Done] = Parallel(n_jobs=workers, return_as="generator_unordered")(
        delayed(drive_file)(file, plan) for file in files
    )
    yield from done


def drive_file(file: Path, plan: Plan) -> Done:
    """Drive all problems of a scenario."""
    try:
        scenario = read_scenario(file)
        simulators = {
            agents: DrivingSimulator(scenario, _config(plan, agents)) for agents in plan.agents
        }
        numbers = range(len(problems_of(scenario)))
        for number in numbers:  # so that a problem without a route refuses the file before any is driven
            simulators[plan.agents[0]].reset(number)
    except (ScenarioError, ShapeError, SimulationError) as error:
        return Done(str(file), refused=str(error))
    seen: dict[int, list[tuple[Driven, DriveScores]]] = {number: [] for number in numbers}
    for agents, name, number in product(plan.agents, plan.planners, numbers):
        driven = drive(
            simulators[agents], lambda name=name: _planner(plan, name), number, plan.longest_s
        )
        seen[number].append((driven, scores_of(driven, str(file), number, name, agents)))
    everything = [each for number in numbers for each in seen[number]]
    if plan.out is not None:
        for number in numbers:
            _show(scenario, number, seen[number], plan, Path(plan.out))
    if plan.solutions is not None and file.suffix == ".xml":
        _answer(everything, plan, Path(plan.solutions))
    return Done(str(file), tuple(scores for _, scores in everything))


def _config(plan: Plan, agents: str) -> DrivingSimulator.Config:
    return DrivingSimulator.Config(vehicle=plan.vehicle, agents={"type": agents}, picture=None)


def _planner(plan: Plan, name: str) -> Any:
    return DRIVERS.build(plan.planners[name], f"planner {name}")


def _show(
    scenario: Scenario, number: int, drives: Sequence[tuple[Driven, DriveScores]], plan: Plan, out: Path
) -> None:
    stem = re.sub(r"[^\w.-]", "_", scenario.id) + (f"_{number}" if number else "")
    seen = [Seen(*each) for each in drives]
    folder = out / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    draw(seen, len(plan.planners), folder / f"{stem}.png")
    if plan.films:
        film(seen, len(plan.planners), folder / f"{stem}.mp4", 1 / scenario.dt)


def _answer(drives: Sequence[tuple[Driven, DriveScores]], plan: Plan, folder: Path) -> None:
    """Solutions are of replayed others: those are the benchmark's."""
    for name in plan.planners:
        chosen = [
            driven
            for driven, scores in drives
            if scores.planner == name and scores.agents == "replay" and not scores.error
        ]
        if chosen:
            write_answers(chosen, folder / re.sub(r"[^\w.-]", "_", name))
