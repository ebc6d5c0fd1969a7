"""How quick the arithmetic of driving is: numba, NumPy and, where it is installed, shapely, side by side.

512 candidates of 4 s at 10 Hz among 20 cars, on three roads of three lanes that cross.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from wm_planner.driving.birdseye.raster import CENTRE, BirdsEyeRenderer
from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.boxes import box_corners, oriented_boxes
from wm_planner.driving.geometry.centreline import Centreline
from wm_planner.driving.geometry.compiled import is_compiled, numpy_only
from wm_planner.driving.geometry.polygons import Polygons
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.map.area import DrivableArea
from wm_planner.driving.map.lanes import Lanes
from wm_planner.driving.map.route import driven_route
from wm_planner.driving.metrics.ego_trajectories import EgoTrajectories
from wm_planner.driving.metrics.pdm import TTC_STEPS, pdm_score
from wm_planner.driving.metrics.road_context import RoadContext
from wm_planner.driving.scenarios.forecasts import constant_velocity
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.road import Lane, Road
from wm_planner.driving.vehicle.bicycle_model import BicycleModel
from wm_planner.driving.vehicle.comfort import comfort
from wm_planner.driving.vehicle.feasibility import is_feasible
from wm_planner.driving.vehicle.tracker import Tracker
from wm_planner.driving.vehicle.vehicle import BMW_320I, PACIFICA
from wm_planner.terminal import table

Floats = NDArray[np.float64]
Work = Callable[[], object]

CANDIDATES, STEPS, AGENTS, DT = 512, 40, 20, 0.1


@dataclass(frozen=True, slots=True)
class Row:
    """The CPU time of one piece of work, median, in s; None where it was not done.

    Attributes:
        numba: with compiled kernels; the same as `numpy` where there are none for this work.
        shapely: of the same work, objects made each time.
    """

    name: str
    numba: float | None
    numpy: float
    shapely: float | None = None


class Scene:
    """Roads, candidates and cars, the same in every run."""

    def __init__(self, candidates: int = CANDIDATES) -> None:
        rng = np.random.default_rng(0)
        along = np.linspace(-80, 80, 131)
        self.centre = np.stack([along, 6 * np.sin(along / 25)], axis=1)
        self.line = Centreline(self.centre)
        self.lanes = [piece for angle in (0.0, 1.1, 2.2) for piece in self._road(angle)]
        self.area, self.polygons = DrivableArea(self.lanes), Polygons(self.lanes)
        self.start = np.zeros((candidates, 6))
        self.start[:, YAW], self.start[:, SPEED] = 0.24, rng.uniform(4, 12, candidates)
        self.commands = rng.normal(size=(candidates, STEPS, 2)) * (1.0, 0.05)
        states = PACIFICA.rollout(self.start, self.commands, DT)
        self.states = np.concatenate([self.start[:, None], states], axis=1)  # (N, 41, 6)
        self.ego = PACIFICA.at_centre(states)
        first = rng.uniform([-60, -80, -3, 0], [80, 80, 3, 8], (AGENTS, 4))
        self.agents = constant_velocity(first, DT, STEPS)
        self.sizes = np.tile([4.6, 1.9], (AGENTS, 1))
        seen = np.concatenate([first[None], constant_velocity(first, DT, STEPS + int(TTC_STEPS[-1]))])
        self.others = ObstacleBoxes(seen, self.sizes, ("car",) * AGENTS, np.arange(AGENTS))
        self.begun = PACIFICA.at_centre(self.states)
        road = self._lanes()
        lanes = Lanes(road)
        line = Centreline(self.centre)
        self.road_context = RoadContext(road, lanes, driven_route(lanes, line.poses(line.s, 0.5)))

    def _road(self, angle: float) -> Iterator[Floats]:
        """Three lanes beside each other, in pieces of 30 m."""
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        for lane in range(3):
            left, right = (self.centre + np.array([0, 3.5 * (lane + side) - 5.25]) for side in (1, 0))
            for first in range(0, 130, 26):
                piece = slice(first, first + 27)
                yield np.concatenate([left[piece], right[piece][::-1]]) @ turn

    def _lanes(self) -> Road:
        """The same pieces as lanes; five of them follow each other."""
        road = {}
        for index, outline in enumerate(self.lanes):
            half = len(outline) // 2
            after = (index + 1,) if index % 5 < 4 else ()
            road[index] = Lane(index, outline[:half], outline[half:][::-1], successors=after)
        return Road(road)


def driving_rows(candidates: int = CANDIDATES, repeats: int = 30) -> Iterator[Row]:
    """All rows, each as it is done."""
    scene = Scene(candidates)
    shapely = _shapely_work(scene) if importlib.util.find_spec("shapely") else {}
    for name, work in _work(scene).items():
        numba = _median_s(work, repeats) if is_compiled() else None
        with numpy_only():
            numpy = _median_s(work, repeats)
        other = _median_s(shapely[name], max(repeats // 6, 1)) if name in shapely else None
        yield Row(name, numba, numpy, other)


def driving_table(rows: Iterator[Row]) -> Table:
    """The rows in ms, and how many times as quick as shapely the two are."""
    made = table(
        "driving: CPU ms, median (candidates x steps x agents)",
        *("work", "numba", "NumPy", "shapely", "numba x", "NumPy x"),
    )
    for row in rows:
        figures = (_ms(seconds) for seconds in (row.numba, row.numpy, row.shapely))
        made.add_row(row.name, *figures, _ratio(row.shapely, row.numba), _ratio(row.shapely, row.numpy))
    return made


def _work(scene: Scene) -> dict[str, Work]:
    count = len(scene.start)
    size, poses = f"{count} x {STEPS}", scene.states[..., :3]
    bicycle = BicycleModel(BicycleModel.Config())
    latent = {"position": np.zeros((1, 2), np.float32)}
    latent |= {"heading": np.zeros((1, 1), np.float32), "speed": np.full((1, 1), 8, np.float32)}
    actions = np.asarray(scene.commands, np.float32)
    tracker = Tracker(Tracker.Config(), PACIFICA, DT)
    agents = oriented_boxes(scene.agents[0], scene.sizes)
    ego = oriented_boxes(scene.ego[0, 0], PACIFICA.size)
    wide, small = _eye(scene, 224, 0.5), _eye(scene, 64, 1.75)
    return {
        f"first hits, {size} x {AGENTS}": lambda: collision.first_collisions(
            scene.ego, PACIFICA.size, scene.agents, scene.sizes
        ),
        f"projection onto 130 segments, {size}": lambda: scene.line.project(scene.ego[..., :2]),
        f"signed distance to the area's edge, {size}": lambda: scene.area.signed_distance(scene.ego[..., :2]),
        f"corners 0.3 m off the area, {size}": lambda: scene.area.box_outside(scene.ego, PACIFICA.size),
        f"lanes under the centre, {size}": lambda: scene.polygons.containing(scene.ego[..., :2]),
        f"bicycle, the world model, {size}": lambda: bicycle.rollout(latent, actions),
        f"vehicle with limits and lags, {size}": lambda: PACIFICA.rollout(scene.start, scene.commands, DT),
        f"tracker, 15 x {STEPS}": lambda: tracker.track(scene.start[:15], poses[:15]),
        f"tracker, {size}": lambda: tracker.track(scene.start, poses),
        f"comfort, {size}": lambda: comfort(scene.ego[..., SPEED], scene.ego[..., YAW], DT),
        f"PDM score, {size} x {AGENTS}": lambda: pdm_score(
            EgoTrajectories(scene.begun, PACIFICA, DT), scene.others, scene.road_context
        ),
        f"feasibility, {size}": lambda: is_feasible(BMW_320I, scene.states, DT),
        f"picture from above, 224 px, {AGENTS} cars": partial(wide.draw, ego, agents, scene.centre),
        f"picture from above, 64 px, {AGENTS} cars": partial(small.draw, ego, agents, scene.centre),
    }


def _eye(scene: Scene, size_px: int, metres_per_px: float) -> BirdsEyeRenderer:
    config = BirdsEyeRenderer.Config(size_px=size_px, metres_per_px=metres_per_px)
    return BirdsEyeRenderer(config, scene.lanes, [(scene.centre, CENTRE)])


def _shapely_work(scene: Scene) -> dict[str, Work]:
    """The same as planners on shapely do it: polygons and a tree a step, made each time."""
    import shapely

    names = list(_work(scene))
    line = shapely.LineString(scene.centre)

    def hits() -> object:
        found = np.full((len(scene.ego), AGENTS), STEPS)
        own = shapely.polygons(box_corners(oriented_boxes(scene.ego, PACIFICA.size)))
        for t in range(STEPS):
            tree = shapely.STRtree(
                shapely.polygons(box_corners(oriented_boxes(scene.agents[t], scene.sizes)))
            )
            candidate, agent = tree.query(own[:, t], predicate="intersects")
            np.minimum.at(found, (candidate, agent), t)
        return found

    def projected() -> object:
        points = shapely.points(scene.ego[..., :2])
        return shapely.line_locate_point(line, points), shapely.distance(line, points)

    return {names[0]: hits, names[1]: projected}


def _median_s(work: Work, repeats: int) -> float:
    """The median CPU time of `work`, after a first run that compiles and warms up."""
    work()
    took = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return float(np.median(took))


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:.2f}"


def _ratio(slow: float | None, quick: float | None) -> str:
    return "" if slow is None or quick is None else f"{slow / quick:.0f}"
