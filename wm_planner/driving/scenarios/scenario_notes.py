"""Notes on scenarios that cannot be solved: the ego starts in an obstacle, or after its goal."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from wm_planner.driving.geometry.boxes import oriented_boxes, overlap
from wm_planner.driving.geometry.state_columns import YAW
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import Scenario, Start
from wm_planner.driving.vehicle.vehicle import BMW_320I


def start_overlaps(scenario: Scenario) -> tuple[str, ...]:
    """A note per agent or obstacle that a problem's ego overlaps at its start, so that it always collides.

    The ego has the size of the default vehicle.
    """
    return tuple(
        f"problem {problem.id}: the ego starts within {what}"
        for problem in scenario.problems
        for what in _touched_at_start(scenario, problem.start)
    )


def timing_conflicts(scenario: Scenario) -> tuple[str, ...]:
    """A note per problem that starts after its goal, or after the last step with agents."""
    notes = []
    for problem in scenario.problems:
        start, last = problem.start.step, max((goal.steps[1] for goal in problem.goals), default=np.inf)
        if last < start:
            notes.append(f"problem {problem.id}: the goal ends at step {last}, before the start at {start}")
        if scenario.tracks.ids and start >= scenario.tracks.steps:
            notes.append(
                f"problem {problem.id}: it starts at step {start}, after the last step with agents, "
                f"{scenario.tracks.steps - 1}"
            )
    return tuple(notes)


def _touched_at_start(scenario: Scenario, start: Start) -> Iterator[str]:
    """Agents and obstacles that overlap an ego at a start."""
    obstacles = ObstacleBoxes.from_scenario(replace(scenario, occupancies=()), start.step, 1).present()
    ego = oriented_boxes(start.state[: YAW + 1], BMW_320I.size)
    is_touched = overlap(ego, oriented_boxes(obstacles.states[0], obstacles.sizes))
    touched = set(obstacles.object_ids[is_touched].tolist())
    yield from (f"agent {identity}" for identity in scenario.tracks.ids if identity in touched)
    for obstacle in scenario.obstacles:
        if obstacle.id in touched or any(shape.contains(start.state[:2]) for shape in obstacle.shapes):
            yield f"obstacle {obstacle.id}"
