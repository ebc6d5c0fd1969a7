"""Planning drives: /map, /route, /odom, /objects and /drive to views, and a driver's poses to plans."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner import config
from wm_planner.bridges.planning import PlanningConfig, Tick
from wm_planner.clock import Deadline, WallClock, nanoseconds, seconds
from wm_planner.driving.bridges.ego_estimate import EgoEstimate
from wm_planner.driving.bridges.messages import (
    EGO_FRAME,
    POSES,
    from_ego_frame,
    objects_of,
    route_message,
    route_of,
    scenario_of,
    to_ego_frame,
)
from wm_planner.driving.drive import Drive
from wm_planner.driving.generation.highway import cruise
from wm_planner.driving.planners.base import DRIVERS, Searching, View, build_driver, checked_plan
from wm_planner.driving.planners.pdm_closed import braking_poses
from wm_planner.driving.scenarios.obstacle_boxes import ObstacleBoxes
from wm_planner.driving.scenarios.scenario import PlanningProblem, Scenario, Start
from wm_planner.driving.simulation.simulator import DrivingSimulator
from wm_planner.driving.simulation.view import view_of
from wm_planner.driving.vehicle.braking import EMERGENCY_BRAKE
from wm_planner.driving.vehicle.vehicle import VEHICLES, VehicleName
from wm_planner.errors import ConfigError, InputError, ShapeError
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Envelope
from wm_planner.node import Node
from wm_planner.planners.base import Plan
from wm_planner.planners.mpc import Decision

_FALLBACK_STEPS = 40


class DrivingAdapter:
    """Drives by rules, by search, or by a driver in a file."""

    action, frame, has_path = POSES, EGO_FRAME, True

    class Config(config.Config, frozen=True, kw_only=True):
        """What is driven.

        Attributes:
            vehicle: the ego's.
            speed: wanted where no limit is known, in m/s.
        """

        vehicle: VehicleName = "bmw_320i"
        speed: float = 10.0

    @classmethod
    def check(cls, config: Config, planning: PlanningConfig) -> None:
        _refuse_unused(planning)
        build_driver(_driver_spec(planning), "planner: params.planner")

    def __init__(self, config: Config, planning: PlanningConfig) -> None:
        _refuse_unused(planning)
        self.config = config
        self._spec = _driver_spec(planning)
        self.driver = build_driver(self._spec, "planner: params.planner")
        self.seed = int(self._spec.get("seed", planning.seed))
        self.vehicle = VEHICLES[config.vehicle]
        self.control_dt_s, self.execute_steps = 0.1, 1  # until a map tells the scenario's
        self._clock = WallClock()
        self._estimate = EgoEstimate(self.vehicle)
        self._scenario: Scenario | None = None
        self._drive: Drive | None = None
        self._waiting: tuple[int, Callable[[], None]] | None = None
        self._planned_ns = self._followed_ns = -1
        self._decided: tuple[int, Decision] | None = None

    def warm_up(self) -> float:
        """Plan the first step of a drive along a motorway, with a driver of its own."""
        simulator = DrivingSimulator(
            cruise().scenario, DrivingSimulator.Options(vehicle=self.config.vehicle, picture=None)
        )
        build_driver(self._spec, "planner: params.planner").plan(view_of(simulator))
        started_ns = self._clock.now_ns()
        build_driver(self._spec, "planner: params.planner").plan(view_of(simulator))
        return seconds(self._clock.now_ns() - started_ns)

    def listen(self, node: Node, on_tick: Callable[[Tick], None]) -> None:
        self._is_lockstep = node.mode == "lockstep"

        def on_state(heard: dict[str, m.Message], envelope: Envelope) -> None:
            if self._drive is not None:
                self._waiting = m.stamp_ns(heard["/odom"]), lambda: on_tick(self._tick(heard, envelope))
                self._plan_when_ready()

        def on_drive(message: m.Message, envelope: Envelope) -> None:
            # In realtime set-points have stamps of their own; the last before the next odometry counts.
            if m.stamp_ns(message) == self._estimate.stamp_ns or not self._is_lockstep:
                self._estimate.follow(message, self.control_dt_s)
            self._followed_ns = max(self._followed_ns, m.stamp_ns(message))
            self._plan_when_ready()

        node.subscribe("/map", self._on_map)
        node.subscribe("/route", self._on_route)
        node.subscribe("/drive", on_drive)
        node.join(["/odom", "/objects"], on_state)

    def _plan_when_ready(self) -> None:
        """Plan from the state that waits; in lockstep not before the command of the last plan is known."""
        if self._waiting is None:
            return
        stamp_ns, plan = self._waiting
        if self._is_lockstep and self._followed_ns < self._planned_ns < stamp_ns:
            return
        self._waiting = None
        plan()

    def _on_map(self, message: m.Message, envelope: Envelope) -> None:
        self._scenario, self._drive, self._waiting = None, None, None  # until there is one that can be used
        scenario = scenario_of(message)
        if not np.allclose(message.ego_size, self.vehicle.size, atol=0.01):
            raise InputError(
                f"the ego is {message.ego_size.tolist()} m long and wide, a {self.config.vehicle} "
                f"{self.vehicle.size.tolist()}: give the one that is driven (planner: params.adapter.vehicle)"
            )
        self._scenario, self._began_ns = scenario, m.stamp_ns(message)
        self.control_dt_s = scenario.dt
        self._estimate.reset()
        self._planned_ns, self._decided = -1, None

    def _on_route(self, message: m.Message, envelope: Envelope) -> None:
        line = route_of(message)
        scenario = self._scenario
        if scenario is None:
            return
        if not scenario.problems:
            scenario = replace(scenario, problems=(_along(line),))
        self._drive = Drive(scenario, self.vehicle, route=line, speed=self.config.speed)

    def _tick(self, heard: Mapping[str, m.Message], envelope: Envelope) -> Tick:
        assert self._drive is not None  # it came before what waits
        stamp_ns = m.stamp_ns(heard["/odom"])
        ego = self._estimate.observe(heard["/odom"])
        objects = objects_of(heard["/objects"])
        ids = np.array(objects.ids, np.int64)
        agents = ObstacleBoxes(objects.states[None], objects.sizes, objects.kinds, ids)
        passed = round((stamp_ns - self._began_ns) / nanoseconds(self.control_dt_s))
        view = View(self._drive, ego, agents, self._drive.first_step + passed)
        self._planned_ns = stamp_ns
        return Tick(stamp_ns, envelope.origin_ns, 0, view)

    def decide(self, tick: Tick, deadline: Deadline | None, delay_s: float | None) -> Decision:
        """The driver's poses in the ego's frame; `delay_s` is made up for by the controller, which takes the
        pose of its own time. A plan that cannot be followed is replaced by a full stop."""
        if self._decided is not None and self._decided[0] == tick.stamp_ns:  # the tick was repeated
            return self._decided[1]
        view: View = replace(tick.inputs, deadline=deadline)
        late_steps = 0 if deadline is None else math.ceil(deadline.left_s() / self.control_dt_s)
        started_ns, fallback = self._clock.now_ns(), None
        try:
            poses = checked_plan(self.driver.plan(view))
        except ShapeError as error:
            poses, fallback = braking_poses(view, _FALLBACK_STEPS, EMERGENCY_BRAKE), str(error)
        elapsed_s = seconds(self._clock.now_ns() - started_ns)
        actions = to_ego_frame(poses, view.ego[:3])
        searched = self.driver.searched if isinstance(self.driver, Searching) else Plan(actions, np.nan)
        is_late = deadline is not None and deadline.left_s() <= 0
        plan = replace(
            searched,
            actions=actions,
            elapsed_s=elapsed_s,
            deadline_hit=searched.deadline_hit or is_late,
        )
        self.execute_steps = min(1 + late_steps, len(actions))
        decision = Decision(actions, view.step, plan, fallback)
        self._decided = tick.stamp_ns, decision
        return decision

    def path(self, decision: Decision, tick: Tick) -> m.Message:
        """The positions of the rear axle in the map."""
        positions: NDArray[np.float64] = from_ego_frame(decision.actions, tick.inputs.ego[:3])[:, :2]
        return route_message(positions, tick.stamp_ns)


def _refuse_unused(planning: PlanningConfig) -> None:
    """Refuse what planning a drive cannot use.

    Raises:
        ConfigError: naming it.
    """
    for name in ("world_model", "mpc", "device", "threads"):
        if getattr(planning, name):
            raise ConfigError(
                f"planner: params.{name}: planning a drive takes none, its model is the vehicle's own: "
                "leave it out, and set up the driver (planner: params.planner)"
            )


def _driver_spec(planning: PlanningConfig) -> dict[str, Any]:
    """The driver, with the node's seed and costs where it takes them."""
    spec = dict(planning.planner)
    if planning.costs:
        spec.setdefault("costs", planning.costs)
    if isinstance(name := spec.get("type"), str):
        takes = getattr(getattr(DRIVERS.load(name), "Config", None), "__struct_fields__", ())
        if "seed" in takes:
            spec.setdefault("seed", planning.seed)
    return spec


def _along(line: NDArray[np.float64]) -> PlanningProblem:
    """The problem of following a line (P, 2), for a map that holds none."""
    (x, y), (dx, dy) = line[0], line[1] - line[0]
    return PlanningProblem(0, Start(x, y, float(np.arctan2(dy, dx)), 0.0), ())
