"""Read the obstacles of a CommonRoad file: agents, static obstacles and occupancy sets."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry.shapes import Rectangle, Shape, rotation
from wm_planner.driving.scenarios.readers.commonroad_road import by_id
from wm_planner.driving.scenarios.readers.commonroad_states import (
    State,
    enclosing_rectangle,
    read_exact_state,
    read_shapes,
    read_state,
    read_steps,
    transformed,
)
from wm_planner.driving.scenarios.readers.xml import Element
from wm_planner.driving.scenarios.tracks import (
    AGENT_KINDS,
    OBSTACLE_KINDS,
    Obstacle,
    Occupancy,
    Region,
    Tracks,
)

MAX_STATES = 5_000_000
"""Maximum number of agents times steps."""

_ORIGIN = np.zeros(4)  # the state of <environmentObstacle>, whose shapes are in the map frame


@dataclass(frozen=True)
class SceneObjects:
    """Agents, static obstacles and set-based predictions."""

    tracks: Tracks
    obstacles: tuple[Obstacle, ...]
    occupancies: tuple[Occupancy, ...]


class _Agent(NamedTuple):
    id: int
    kind: str
    size: tuple[float, float]
    states: list[State]


def read_objects(root: Element, dt: float, notes: list[str]) -> SceneObjects:
    """Read tracks, obstacles and occupancies of either version; changes are added to `notes`."""
    older = [(element, element.child("role").text) for element in root.children("obstacle")]
    for element, role in older:
        if role not in ("static", "dynamic"):
            raise element.error(f"has the role '{role}', wanted 'static' or 'dynamic'")
    static = [e for e, role in older if role == "static"] + root.children("staticObstacle")
    dynamic = [e for e, role in older if role == "dynamic"] + root.children("dynamicObstacle")
    phantoms = root.children("phantomObstacle")
    agents = by_id(dynamic, lambda element: _agent(element, notes)).values()
    obstacles = by_id(
        static + root.children("environmentObstacle"), lambda element: _obstacle(element, notes)
    )
    sets = by_id([e for e in dynamic + phantoms if e.find("occupancySet")], _occupancy)
    first_id = 1 + max([0, *obstacles, *sets, *(agent.id for agent in agents)])
    uncertain = _uncertain_occupancies(agents, first_id)
    if uncertain:
        notes.append(
            f"states of {len(uncertain)} agents are sets: their tracks are the centres, the sets occupancies"
        )
    tracks = _tracks(root, list(agents), dt, notes)
    return SceneObjects(tracks, tuple(obstacles.values()), (*sets.values(), *uncertain))


def _obstacle(element: Element, notes: list[str]) -> Obstacle:
    initial = element.find("initialState")
    state = _ORIGIN if initial is None else read_exact_state(initial).state
    shapes = tuple(transformed(shape, state) for shape in read_shapes(element.child("shape")))
    return Obstacle(element.id(), _kind(element, OBSTACLE_KINDS, notes), shapes)


def _agent(element: Element, notes: list[str]) -> _Agent:
    states = [read_state(element.child("initialState"))]
    trajectory = element.find("trajectory")
    if trajectory is not None:
        states.extend(read_state(state) for state in trajectory.children("state"))
    elif element.find("occupancySet") is None:
        notes.append(
            f"agent {element.id()}: no trajectory or occupancy set: it is present at its first step only"
        )
    shapes = read_shapes(element.child("shape"))
    size, centre = _bounding_box(shapes)
    if len(shapes) > 1 or not isinstance(shapes[0], Rectangle):
        notes.append(f"agent {element.id()}: its shape is replaced by a box of {size[0]:g} x {size[1]:g} m")
    states = [_at_box_centre(state, centre) for state in _ordered_states(element, states, notes)]
    return _Agent(element.id(), _kind(element, AGENT_KINDS, notes), size, states)


def _ordered_states(element: Element, states: list[State], notes: list[str]) -> list[State]:
    """States in the order of their steps, without identical duplicates."""
    found: dict[int, State] = {}
    for state in states:
        before = found.setdefault(state.step, state)
        if before is not state and not np.array_equal(before.state, state.state, equal_nan=True):
            raise element.error(f"has two different states at step {state.step}, wanted one per step")
    if len(found) < len(states):
        notes.append(f"agent {element.id()}: duplicate states: left out")
    first, last = min(found), max(found)
    if last - first + 1 > len(found):
        missing = last - first + 1 - len(found)
        notes.append(
            f"agent {element.id()}: {missing} of its steps {first} to {last} are missing: it is absent then"
        )
    return [found[step] for step in sorted(found)]


def _bounding_box(shapes: Iterable[Shape]) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Length and width, and the centre (2,), of the bounding box of shapes in the agent's own frame."""
    shapes = tuple(shapes)
    (first, *rest) = shapes
    if isinstance(first, Rectangle) and not rest and first.yaw == 0.0:
        return (first.length, first.width), first.centre
    outline = np.concatenate([shape.outline for shape in shapes])
    low, high = outline.min(axis=0), outline.max(axis=0)
    return (float(high[0] - low[0]), float(high[1] - low[1])), 0.5 * (low + high)


def _at_box_centre(state: State, centre: NDArray[np.float64]) -> State:
    """The state of the box centre, which lies at `centre` in the agent's own frame."""
    if not centre.any():
        return state
    shift = rotation(float(state.state[2])) @ centre
    moved = state.state + np.array([*shift, 0.0, 0.0])
    return state._replace(state=moved, region=state.region and _shifted(state.region, shift))


def _shifted(shape: Shape, shift: NDArray[np.float64]) -> Shape:
    return transformed(shape, np.array([*shift, 0.0]))


def _kind(element: Element, known: frozenset[str], notes: list[str]) -> str:
    kind = element.child_text("type", "unknown")
    if kind not in known:
        notes.append(f"{element.tag} {element.id()}: its type '{kind}' becomes 'unknown'")
        return "unknown"
    return kind


def _occupancy(element: Element) -> Occupancy:
    regions = element.child("occupancySet").children("occupancy")
    return Occupancy(
        element.id(),
        tuple(Region(*read_steps(e.child("time")), read_shapes(e.child("shape"))) for e in regions),
    )


def _uncertain_occupancies(agents: Iterable[_Agent], first_id: int) -> tuple[Occupancy, ...]:
    """Occupancies of agents whose states are given as sets, with ids from `first_id` on."""
    regions = [
        tuple(
            Region(state.step, state.step, (enclosing_rectangle(agent.size, state),))
            for state in agent.states
            if state.region is not None or state.yaw_spread > 0
        )
        for agent in agents
    ]
    return tuple(Occupancy(first_id + i, each) for i, each in enumerate(filter(None, regions)))


def _tracks(root: Element, agents: list[_Agent], dt: float, notes: list[str]) -> Tracks:
    steps = max((agent.states[-1].step + 1 for agent in agents), default=0)
    if steps * len(agents) > MAX_STATES:
        raise root.error(f"has {len(agents)} agents over {steps} steps, wanted at most {MAX_STATES} states")
    states = np.full((len(agents), steps, 4), np.nan)
    valid = np.zeros(states.shape[:2], np.bool_)
    for row, agent in enumerate(agents):
        at = [state.step for state in agent.states]
        states[row, at] = _with_speeds(agent, dt, notes)
        valid[row, at] = True
    sizes = np.array([agent.size for agent in agents]).reshape(-1, 2)
    return Tracks(tuple(a.id for a in agents), tuple(a.kind for a in agents), sizes, states, valid)


def _with_speeds(agent: _Agent, dt: float, notes: list[str]) -> NDArray[np.float64]:
    """States (n, 4); missing speeds are differences of positions, forward or at the last state backward."""
    states = np.array([state.state for state in agent.states])
    missing = np.isnan(states[:, 3])
    if not missing.any():
        return states
    notes.append(f"agent {agent.id}: {missing.sum()} of {len(states)} speeds are computed from positions")
    if len(states) == 1:
        states[:, 3] = 0.0
        return states
    times = np.array([state.step for state in agent.states]) * dt
    velocity = np.diff(states[:, :2], axis=0) / np.diff(times)[:, None]
    velocity = np.concatenate([velocity, velocity[-1:]])
    direction = np.stack([np.cos(states[:, 2]), np.sin(states[:, 2])], axis=-1)
    states[:, 3] = np.where(missing, (velocity * direction).sum(axis=1), states[:, 3])
    return states
