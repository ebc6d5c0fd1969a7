"""A set of scenarios, each driven by every planner among others that are replayed and that react."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from joblib import Parallel, delayed

from wm_planner.config import put, setting
from wm_planner.driving.drive import planning_problems
from wm_planner.driving.evaluation.answers import write_answers
from wm_planner.driving.evaluation.loop import LONGEST_S, DriveResult, drive
from wm_planner.driving.evaluation.pictures import Seen, draw, film
from wm_planner.driving.evaluation.results import FILM, PICTURE, PICTURES
from wm_planner.driving.evaluation.scores import DriveScores, scores_of
from wm_planner.driving.planners.base import DRIVERS, build_driver
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.vehicle.vehicle import VehicleName
from wm_planner.errors import ConfigError, PluginError, ScenarioError, ShapeError, SimulationError

AgentsName: TypeAlias = Literal["replay", "idm"]
Drove: TypeAlias = tuple[DriveResult, DriveScores]
AGENTS: tuple[AgentsName, ...] = ("replay", "idm")
SOLVABLE = ".xml"
"""What CommonRoad's scenarios end in."""


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

    Args:
        names: a type each, its settings behind it: "cem,seed=1", "pdm_closed,idm.gap=2".

    Raises:
        ConfigError, PluginError: if one that was asked for cannot be built.
    """
    planners: dict[str, dict[str, Any]] = {}
    unfit: dict[str, str] = {}
    for name in names or DRIVERS.entries:
        if name in planners:
            raise ConfigError(f"--planner {name}: given twice, wanted each planner once")
        kind, *settings = name.split(",")
        spec: dict[str, Any] = {"type": kind}
        for each in settings:
            put(spec, *setting(each, f"--planner {name}: setting"))
        try:
            build_driver(spec, f"planner {kind}")
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
        simulators = _simulators(read_scenario(file), plan)
    except (ScenarioError, ShapeError, SimulationError) as error:
        return Done(str(file), refused=str(error))
    scenario = next(iter(simulators.values())).scenario
    drives: list[Drove] = []
    for number in range(len(planning_problems(scenario))):
        done = [
            _drove(file, simulators[agents], plan, number, name, agents)
            for agents, name in product(plan.agents, plan.planners)
        ]
        if plan.out is not None:
            _show(scenario, number, done, plan, Path(plan.out))
        drives += done
    if plan.solutions is not None and file.suffix == SOLVABLE:
        return Done(str(file), tuple(_answered(drives, plan, Path(plan.solutions))))
    return Done(str(file), tuple(scores for _, scores in drives))


def _simulators(scenario: Scenario, plan: Plan) -> dict[AgentsName, DrivingSimulator]:
    """A simulator for each kind of others; a problem without a route is an error before any is driven."""
    made = {agents: DrivingSimulator(scenario, _config(plan, agents)) for agents in plan.agents}
    for number in range(len(planning_problems(scenario))):
        made[plan.agents[0]].reset(number)
    return made


def _drove(
    file: Path, simulator: DrivingSimulator, plan: Plan, number: int, name: str, agents: AgentsName
) -> Drove:
    driven = drive(simulator, lambda: _planner(plan, name), number, plan.longest_s)
    return driven, scores_of(driven, str(file), number, name, agents)


def _config(plan: Plan, agents: str) -> DrivingSimulator.Config:
    return DrivingSimulator.Config(vehicle=plan.vehicle, agents={"type": agents}, picture=None)


def _planner(plan: Plan, name: str) -> Any:
    return build_driver(plan.planners[name], f"planner {name}")


def _show(scenario: Scenario, number: int, drives: Sequence[Drove], plan: Plan, out: Path) -> None:
    stem = scenario.id + (f"_{number}" if number else "")
    seen = [Seen(*each) for each in drives]
    folder = out / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    draw(seen, len(plan.planners), folder / (stem + PICTURE))
    if plan.films:
        film(seen, len(plan.planners), folder / (stem + FILM), 1 / scenario.dt)


def _answered(drives: Sequence[Drove], plan: Plan, folder: Path) -> Iterator[DriveScores]:
    """The scores, once the solutions are written: of replayed others, for those are the benchmark's."""
    paths = {}
    for name in plan.planners:
        chosen = [driven for driven, scores in drives if _is_answer(scores) and scores.planner == name]
        if chosen:
            paths[name] = write_answers(chosen, folder / re.sub(r"[^\w.-]", "_", name))
    for _, scores in drives:
        path = paths.get(scores.planner) if _is_answer(scores) else None
        yield msgspec.structs.replace(scores, solution=str(path or ""))


def _is_answer(scores: DriveScores) -> bool:
    return scores.agents == "replay" and not scores.error
