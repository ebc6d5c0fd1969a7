"""A set of scenarios, each driven by every planner among others that are replayed and that react."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from joblib import Parallel, delayed

from wm_planner.driving.drive import planning_problems
from wm_planner.driving.evaluation.closed_loop import MAX_DURATION_S, DriveResult, run_drive
from wm_planner.driving.evaluation.commonroad_solutions import write_solutions
from wm_planner.driving.evaluation.drive_scores import DriveScores, scores_of
from wm_planner.driving.evaluation.rendering import DrivePanels, write_film, write_image
from wm_planner.driving.evaluation.result_files import FILM, PICTURE, PICTURES
from wm_planner.driving.planners.base import DRIVERS, build_driver
from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.scenario import Scenario
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.vehicle.vehicle import VehicleName
from wm_planner.errors import ConfigError, PluginError, ScenarioError, ShapeError, SimulationError
from wm_planner.plugins import spec_of

AgentsName: TypeAlias = Literal["replay", "idm"]
ScoredDrive: TypeAlias = tuple[DriveResult, DriveScores]
AGENTS: tuple[AgentsName, ...] = ("replay", "idm")
SOLVABLE = ".xml"
"""What CommonRoad's scenarios end in."""


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How each scenario is driven.

    Attributes:
        planners: `{type: ...}` by the names they go by.
        agents: kinds of the others, of AGENTS.
        vehicle: the ego's.
        max_duration_s: a drive ends then.
        out: folder of pictures; None for none.
        films: whether there are films too.
        solutions: folder of CommonRoad solutions, a folder a planner; None for none.
    """

    planners: Mapping[str, Mapping[str, Any]]
    agents: tuple[AgentsName, ...] = AGENTS
    vehicle: VehicleName = "bmw_320i"
    max_duration_s: float = MAX_DURATION_S
    out: str | None = None
    films: bool = False
    solutions: str | None = None


class ScenarioResult(NamedTuple):
    """One scenario, driven.

    Attributes:
        refused: why it could not be driven at all; empty if it was.
    """

    file: str
    scores: tuple[DriveScores, ...] = ()
    refused: str = ""


def resolve_planners(names: Sequence[str] | None) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
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
        spec = spec_of(name, "--planner")
        try:
            build_driver(spec, f"planner {spec['type']}")
        except (ConfigError, PluginError) as error:
            if names:
                raise
            unfit[name] = str(error)
        else:
            planners[name] = spec
    return planners, unfit


def run_scenarios(files: Sequence[Path], settings: RunSettings, workers: int) -> Iterator[ScenarioResult]:
    """Each scenario as it is done, side by side in processes."""
    done: Iterator[ScenarioResult] = Parallel(n_jobs=workers, return_as="generator_unordered")(
        delayed(run_scenario)(file, settings) for file in files
    )
    yield from done


def run_scenario(file: Path, settings: RunSettings) -> ScenarioResult:
    """Drive all problems of a scenario."""
    try:
        simulators = _simulators(read_scenario(file), settings)
    except (ScenarioError, ShapeError, SimulationError) as error:
        return ScenarioResult(str(file), refused=str(error))
    scenario = next(iter(simulators.values())).scenario
    drives: list[ScoredDrive] = []
    for number in range(len(planning_problems(scenario))):
        done = [
            _drove(file, simulators[agents], settings, number, name, agents)
            for agents, name in product(settings.agents, settings.planners)
        ]
        if settings.out is not None:
            _show(scenario, number, done, settings, Path(settings.out))
        drives += done
    if settings.solutions is not None and file.suffix == SOLVABLE:
        return ScenarioResult(str(file), tuple(_answered(drives, settings, Path(settings.solutions))))
    return ScenarioResult(str(file), tuple(scores for _, scores in drives))


def _simulators(scenario: Scenario, settings: RunSettings) -> dict[AgentsName, DrivingSimulator]:
    """A simulator for each kind of others; a problem without a route is an error before any is driven."""
    made = {agents: DrivingSimulator(scenario, _config(settings, agents)) for agents in settings.agents}
    for number in range(len(planning_problems(scenario))):
        made[settings.agents[0]].reset(number)
    return made


def _drove(
    file: Path, simulator: DrivingSimulator, settings: RunSettings, number: int, name: str, agents: AgentsName
) -> ScoredDrive:
    driven = run_drive(simulator, lambda: _planner(settings, name), number, settings.max_duration_s)
    return driven, scores_of(driven, str(file), number, name, agents)


def _config(settings: RunSettings, agents: str) -> DrivingSimulator.Options:
    return DrivingSimulator.Options(vehicle=settings.vehicle, agents={"type": agents}, picture=None)


def _planner(settings: RunSettings, name: str) -> Any:
    return build_driver(settings.planners[name], f"planner {name}")


def _show(
    scenario: Scenario, number: int, drives: Sequence[ScoredDrive], settings: RunSettings, out: Path
) -> None:
    stem = scenario.id + (f"_{number}" if number else "")
    seen = [DrivePanels(*each) for each in drives]
    folder = out / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    write_image(seen, len(settings.planners), folder / (stem + PICTURE))
    if settings.films:
        write_film(seen, len(settings.planners), folder / (stem + FILM), 1 / scenario.dt)


def _answered(drives: Sequence[ScoredDrive], settings: RunSettings, folder: Path) -> Iterator[DriveScores]:
    """The scores, once the solutions are written: of replayed others, for those are the benchmark's."""
    paths = {}
    for name in settings.planners:
        chosen = [driven for driven, scores in drives if _is_answer(scores) and scores.planner == name]
        if chosen:
            paths[name] = write_solutions(chosen, folder / re.sub(r"[^\w.-]", "_", name))
    for _, scores in drives:
        path = paths.get(scores.planner) if _is_answer(scores) else None
        yield msgspec.structs.replace(scores, solution=str(path or ""))


def _is_answer(scores: DriveScores) -> bool:
    return scores.agents == "replay" and not scores.error
