"""Speed of driving kernels: numba, NumPy and, where it is installed, shapely.

512 candidates of 4 s at 10 Hz among 20 cars, on three intersecting roads with three lanes.
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
class KernelTiming:
    """Median CPU time of one operation, in s; None where it was not measured.

    Attributes:
        name: the operation with its size.
        numba: with compiled kernels; equal to `numpy` for operations without one.
        numpy: in NumPy.
        shapely: in shapely, counting the creation of its objects.
    """

    name: str
    numba: float | None
    numpy: float
    shapely: float | None = None


class Scene:
    """Roads, candidates and cars, identical in every run."""

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
        forecast = np.concatenate([first[None], constant_velocity(first, DT, STEPS + int(TTC_STEPS[-1]))])
        self.obstacles = ObstacleBoxes(forecast, self.sizes, ("car",) * AGENTS, np.arange(AGENTS))
        self.centres = PACIFICA.at_centre(self.states)
        road = self._lanes()
        lanes = Lanes(road)
        line = Centreline(self.centre)
        self.road_context = RoadContext(road, lanes, driven_route(lanes, line.poses(line.s, 0.5)))

    def _road(self, angle: float) -> Iterator[Floats]:
        """Three parallel lanes, in pieces of 30 m."""
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        for lane in range(3):
            left, right = (self.centre + np.array([0, 3.5 * (lane + side) - 5.25]) for side in (1, 0))
            for first in range(0, 130, 26):
                piece = slice(first, first + 27)
                yield np.concatenate([left[piece], right[piece][::-1]]) @ turn

    def _lanes(self) -> Road:
        """The same pieces as lanes; groups of five are successors of each other."""
        road = {}
        for index, outline in enumerate(self.lanes):
            half = len(outline) // 2
            after = (index + 1,) if index % 5 < 4 else ()
            road[index] = Lane(index, outline[:half], outline[half:][::-1], successors=after)
        return Road(road)


def driving_rows(candidates: int = CANDIDATES, repeats: int = 30) -> Iterator[KernelTiming]:
    """Measure all operations; yield each when it is done."""
    scene = Scene(candidates)
    shapely = _shapely_work(scene) if importlib.util.find_spec("shapely") else {}
    for name, work in _work(scene).items():
        numba = _median_s(work, repeats) if is_compiled() else None
        with numpy_only():
            numpy = _median_s(work, repeats)
        by_shapely = _median_s(shapely[name], max(repeats // 6, 1)) if name in shapely else None
        yield KernelTiming(name, numba, numpy, by_shapely)


def driving_table(rows: Iterator[KernelTiming]) -> Table:
    """The timings in ms, and the speedups over shapely."""
    result = table(
        "driving kernels: median CPU ms (candidates x steps x agents)",
        *("operation", "numba", "NumPy", "shapely", "numba x", "NumPy x"),
    )
    for row in rows:
        figures = (_ms(seconds) for seconds in (row.numba, row.numpy, row.shapely))
        result.add_row(row.name, *figures, _ratio(row.shapely, row.numba), _ratio(row.shapely, row.numpy))
    return result


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
    large, small = _renderer(scene, 224, 0.5), _renderer(scene, 64, 1.75)
    return {
        f"first collisions, {size} x {AGENTS}": lambda: collision.first_collisions(
            scene.ego, PACIFICA.size, scene.agents, scene.sizes
        ),
        f"projection onto 130 segments, {size}": lambda: scene.line.project(scene.ego[..., :2]),
        f"signed distance to the edge of the area, {size}": lambda: scene.area.signed_distance(
            scene.ego[..., :2]
        ),
        f"corners 0.3 m outside the area, {size}": lambda: scene.area.box_outside(scene.ego, PACIFICA.size),
        f"lanes at the centre, {size}": lambda: scene.polygons.containing(scene.ego[..., :2]),
        f"bicycle world model, {size}": lambda: bicycle.rollout(latent, actions),
        f"vehicle model with limits and lags, {size}": lambda: PACIFICA.rollout(
            scene.start, scene.commands, DT
        ),
        f"tracker, 15 x {STEPS}": lambda: tracker.track(scene.start[:15], poses[:15]),
        f"tracker, {size}": lambda: tracker.track(scene.start, poses),
        f"comfort, {size}": lambda: comfort(scene.ego[..., SPEED], scene.ego[..., YAW], DT),
        f"PDM score, {size} x {AGENTS}": lambda: pdm_score(
            EgoTrajectories(scene.centres, PACIFICA, DT), scene.obstacles, scene.road_context
        ),
        f"feasibility, {size}": lambda: is_feasible(BMW_320I, scene.states, DT),
        f"bird's-eye image, 224 px, {AGENTS} cars": partial(large.draw, ego, agents, scene.centre),
        f"bird's-eye image, 64 px, {AGENTS} cars": partial(small.draw, ego, agents, scene.centre),
    }


def _renderer(scene: Scene, size_px: int, metres_per_px: float) -> BirdsEyeRenderer:
    config = BirdsEyeRenderer.Config(size_px=size_px, metres_per_px=metres_per_px)
    return BirdsEyeRenderer(config, scene.lanes, [(scene.centre, CENTRE)])


def _shapely_work(scene: Scene) -> dict[str, Work]:
    """The operations as planners on shapely do them: new polygons and one STRtree per step."""
    import shapely

    names = list(_work(scene))
    line = shapely.LineString(scene.centre)

    def hits() -> object:
        first = np.full((len(scene.ego), AGENTS), STEPS)
        ego = shapely.polygons(box_corners(oriented_boxes(scene.ego, PACIFICA.size)))
        for t in range(STEPS):
            tree = shapely.STRtree(
                shapely.polygons(box_corners(oriented_boxes(scene.agents[t], scene.sizes)))
            )
            candidate, agent = tree.query(ego[:, t], predicate="intersects")
            np.minimum.at(first, (candidate, agent), t)
        return first

    def projected() -> object:
        points = shapely.points(scene.ego[..., :2])
        return shapely.line_locate_point(line, points), shapely.distance(line, points)

    return {names[0]: hits, names[1]: projected}


def _median_s(work: Work, repeats: int) -> float:
    """The median CPU time of `work`, after one run that compiles and warms up."""
    work()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return float(np.median(times))


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{1000 * seconds:.2f}"


def _ratio(slow: float | None, fast: float | None) -> str:
    return "" if slow is None or fast is None else f"{slow / fast:.0f}"
