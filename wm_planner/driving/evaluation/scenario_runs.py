"""Evaluation runs: every planner drives every scenario, among replayed and among reactive agents."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from wm_planner.driving.drive import planning_problems
from wm_planner.driving.evaluation.closed_loop import MAX_DURATION_S, DriveResult, run_drive
from wm_planner.driving.evaluation.commonroad_solutions import write_solutions
from wm_planner.driving.evaluation.drive_scores import DriveScores, scores_of
from wm_planner.driving.evaluation.rendering import DrivePanels, write_film, write_image
from wm_planner.driving.evaluation.result_files import FILM, PICTURE, PICTURES
from wm_planner.driving.planners.base import DRIVERS, Driver, build_driver
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.vehicle.vehicle import VehicleName
from wm_planner.errors import ConfigError, PluginError, ScenarioError, ShapeError, SimulationError
from wm_planner.parallel import parallel
from wm_planner.plugins import spec_of

AgentsName: TypeAlias = Literal["replay", "idm"]
ScoredDrive: TypeAlias = tuple[DriveResult, DriveScores]
AGENTS: tuple[AgentsName, ...] = ("replay", "idm")
SOLVABLE = ".xml"
"""Suffix of CommonRoad scenarios."""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of an evaluation run.

    Attributes:
        planners: `{type: ...}` by name.
        agents: kinds of agents, of AGENTS.
        vehicle: name of the ego vehicle.
        max_duration_s: maximum duration of a drive.
        out: folder for images; None to write none.
        films: whether to write videos as well.
        solutions: folder for CommonRoad solutions, with one folder per planner; None to write none.
    """

    planners: Mapping[str, Mapping[str, Any]]
    agents: tuple[AgentsName, ...] = AGENTS
    vehicle: VehicleName = "bmw_320i"
    max_duration_s: float = MAX_DURATION_S
    out: str | None = None
    films: bool = False
    solutions: str | None = None


class ScenarioResult(NamedTuple):
    """The drives in one scenario.

    Attributes:
        file: path of the scenario.
        scores: scores of all drives.
        refused: why the scenario cannot be driven; empty if it can.
    """

    file: str
    scores: tuple[DriveScores, ...] = ()
    refused: str = ""


def resolve_planners(names: Sequence[str] | None) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Specs of planners by name, and the reasons why others cannot be built.

    Args:
        names: a type with optional settings each, e.g. "cem,seed=1", "pdm_closed,idm.gap=2"; None for all
            registered planners, of which those that need settings are left out.

    Raises:
        ConfigError, PluginError: if a named planner cannot be built.
    """
    planners: dict[str, dict[str, Any]] = {}
    unavailable: dict[str, str] = {}
    for name in names or DRIVERS.entries:
        if name in planners:
            raise ConfigError(f"--planner {name}: given twice, wanted each planner once")
        spec = spec_of(name, "--planner")
        try:
            build_driver(spec, f"planner {spec['type']}")
        except (ConfigError, PluginError) as error:
            if names:
                raise
            unavailable[name] = str(error)
        else:
            planners[name] = spec
    return planners, unavailable


def run_scenarios(files: Sequence[Path], settings: RunSettings, workers: int) -> Iterator[ScenarioResult]:
    """Run scenarios in parallel processes; yield each result when it is done."""
    with parallel(partial(run_scenario, settings=settings), files, workers, ordered=False) as results:
        yield from results


def run_scenario(file: Path, settings: RunSettings) -> ScenarioResult:
    """Drive all planning problems of a scenario."""
    try:
        simulators = _simulators(read_scenario(file), settings)
    except (ScenarioError, ShapeError, SimulationError) as error:
        return ScenarioResult(str(file), refused=str(error))
    scenario = next(iter(simulators.values())).scenario
    drives: list[ScoredDrive] = []
    for index in range(len(planning_problems(scenario))):
        scored = [
            _run_scored(file, simulators[agents], settings, index, name, agents)
            for agents, name in product(settings.agents, settings.planners)
        ]
        if settings.out is not None:
            _write_images(scenario, index, scored, settings, Path(settings.out))
        drives += scored
    if settings.solutions is not None and file.suffix == SOLVABLE:
        return ScenarioResult(str(file), tuple(_with_solutions(drives, settings, Path(settings.solutions))))
    return ScenarioResult(str(file), tuple(scores for _, scores in drives))


def _simulators(scenario: Scenario, settings: RunSettings) -> dict[AgentsName, DrivingSimulator]:
    """One simulator per kind of agents; checks that every problem has a route before the first drive."""
    simulators = {agents: DrivingSimulator(scenario, _config(settings, agents)) for agents in settings.agents}
    for index in range(len(planning_problems(scenario))):
        simulators[settings.agents[0]].reset(index)
    return simulators


def _run_scored(
    file: Path, simulator: DrivingSimulator, settings: RunSettings, index: int, name: str, agents: AgentsName
) -> ScoredDrive:
    result = run_drive(simulator, lambda: _driver(settings, name), index, settings.max_duration_s)
    return result, scores_of(result, str(file), index, name, agents)


def _config(settings: RunSettings, agents: str) -> DrivingSimulator.Options:
    return DrivingSimulator.Options(vehicle=settings.vehicle, agents={"type": agents}, picture=None)


def _driver(settings: RunSettings, name: str) -> Driver:
    return build_driver(settings.planners[name], f"planner {name}")


def _write_images(
    scenario: Scenario, index: int, drives: Sequence[ScoredDrive], settings: RunSettings, out: Path
) -> None:
    stem = scenario.id + (f"_{index}" if index else "")
    panels = [DrivePanels(*each) for each in drives]
    folder = out / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    write_image(panels, len(settings.planners), folder / (stem + PICTURE))
    if settings.films:
        write_film(panels, len(settings.planners), folder / (stem + FILM), 1 / scenario.dt)


def _with_solutions(
    drives: Sequence[ScoredDrive], settings: RunSettings, folder: Path
) -> Iterator[DriveScores]:
    """Write solutions and yield all scores; only drives among replayed agents, as in the benchmark, count."""
    paths = {}
    for name in settings.planners:
        results = [result for result, scores in drives if _is_solution(scores) and scores.planner == name]
        if results:
            paths[name] = write_solutions(results, folder / re.sub(r"[^\w.-]", "_", name))
    for _, scores in drives:
        path = paths.get(scores.planner) if _is_solution(scores) else None
        yield msgspec.structs.replace(scores, solution=str(path or ""))


def _is_solution(scores: DriveScores) -> bool:
    return scores.agents == "replay" and not scores.error
