"""What drivers judge their proposals by at one tick: PDM's score, goals, limits, and the plan before.

A proposal that breaks a rule of PDM counts nothing; the others are ranked by PDM's score and extended
comfort, less where they will not arrive, exceed wanted speeds, jolt after how the ego came here, run red
lights, leave others little room, end up stuck or face to face with somebody, or touch anybody.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wm_planner.driving.geometry import collision
from wm_planner.driving.geometry.centreline import Projection
from wm_planner.driving.geometry.state_columns import SPEED, YAW
from wm_planner.driving.metrics.contacts import first_hits
from wm_planner.driving.metrics.drives import Drives
from wm_planner.driving.metrics.navsim import Earlier, alike, changes, with_history
from wm_planner.driving.metrics.nuplan import OVERSPEED
from wm_planner.driving.metrics.pdm import LATER, PDM, WEIGHTS, imminent, pdm_score
from wm_planner.driving.planners.base import View
from wm_planner.driving.planners.goal_tracking import Aim
from wm_planner.driving.scenarios.obstacle_boxes import Others
from wm_planner.driving.traffic.lane_following import LaneFollowing
from wm_planner.driving.vehicle.comfort import Comfort, within_limits

Floats = NDArray[np.float64]

CONSISTENCY = 12.0
"""Weight of extended comfort beside those of PDM, which add up to as much."""

LIMITS_SHARE = 0.25
"""What is left away of the score by who is too fast all the time; nuPlan's weight is 4 of 16."""

RED = 0.05
"""Left of the score of who runs a red light."""

ROOM = 0.3
"""Left away of the score of who would, from now on, meet somebody by the last of ROOM_STEPS."""

ROOM_STEPS, ROOM_ASKED = np.array([12, 16, 20]), 20
"""Steps of 0.1 s, as LATER's, that a proposal keeps its velocity for, and its first moments that are asked.

PDM looks 0.9 s ahead: less than it takes others to surprise."""

ROUGH = 0.125
"""Left away of the score of who leaves nuPlan's limits of comfort, half of it for leaving any, half by how
many of them; nuPlan's weight is 2 of 16."""

FACED, BEYOND = 0.3, np.arange(2, 31, 2)
"""Left away of the score of who would go on into oncoming traffic; steps after the horizon that are asked."""

CORNERED, TURN_OUT_M = 0.3, 8.0
"""Left away of the score of who ends up right behind what stands in the way; one turns out from so far."""

TOUCHED = 0.1
"""Left of the score of who touches somebody at once, whoever is to blame; more the later it is."""

GOAL_M = 4.0
"""Missing the goal by so much halves the score."""

ONCOMING = 1.0
"""Speed against the path, in m/s, of who comes towards the ego."""

BEND = 0.2
"""Yaw rate in rad/s from which on somebody is in a bend; who changes lanes turns by less."""

_TIE = 1e-3
_REACH_M, _FASTEST = 30.0, 4.0  # m and m/s^2: who is beyond what can be reached so is not looked at


class Outlook:
    """Drives as one prospect sees them; what is asked twice is found once.

    Attributes:
        prospect: what they are judged by.
        drives: N of them.
    """

    def __init__(self, prospect: "Prospect", drives: Drives) -> None:
        self.prospect, self.drives = prospect, drives

    @cached_property
    def projection(self) -> Projection:
        """Their centres beside the path, (N, T) each."""
        return self.prospect.view.path.line.project(self.drives.states[..., :2])

    @cached_property
    def hit_step(self) -> NDArray[np.int64]:
        """The first contact with anybody by either forecast, (N,); T where there is none.

        Who is touched now is passed over.
        """
        hit = np.full(self.drives.count, self.drives.steps)
        for others in (self.prospect.others, self.prospect.turning):
            hits = first_hits(self.drives, others)
            hits[:, (hits == 0).any(axis=0)] = self.drives.steps
            hit = np.minimum(hit, hits.min(axis=1, initial=self.drives.steps))
        return hit

    @cached_property
    def pdm(self) -> PDM:
        """PDM's score and its parts."""
        return pdm_score(self.drives, self.prospect.others, self.prospect.view.drive.situation)

    @cached_property
    def cramped(self) -> Floats:
        """Share of the first ROOM_ASKED moments that comes after one with too little room, (N,), 0 to 1."""
        others = self.prospect.others.window(0, ROOM_ASKED + int(ROOM_STEPS[-1])).agents()
        begun = np.zeros((self.drives.count, len(others.kinds)), np.bool_)
        step = imminent(self.drives, others, self.prospect.view.drive.situation, begun, ROOM_STEPS)
        return np.asarray(1 - np.minimum(step, ROOM_ASKED) / ROOM_ASKED)

    @cached_property
    def faced(self) -> Floats:
        """How soon after the horizon they meet who comes towards them, (N,), from 0, never, to 1.

        They go on along the path at their last speed.
        """
        prospect, path, last = self.prospect, self.prospect.view.path.line, self.drives.steps - 1
        others = prospect.others.window(last, int(BEYOND[-1]) + 1)
        along = path.project(np.nan_to_num(others.states[0, :, :2])).yaw
        towards = np.cos(others.states[0, :, YAW] - along) * others.states[0, :, SPEED] < -ONCOMING
        if not towards.any():
            return np.zeros(self.drives.count)
        s, d = self.projection.s[:, -1:], self.projection.d[:, -1:]
        ahead = path.poses(s + self.drives.speed[:, -1:] * self.drives.dt * BEYOND, d)
        there = others.states[BEYOND][:, towards, :3]
        hit = collision.first_hits(ahead, self.drives.vehicle.size, there, others.sizes[towards])
        return np.asarray(1 - hit.min(axis=1) / len(BEYOND))

    @cached_property
    def rough(self) -> Floats:
        """Share of nuPlan's limits of comfort that is left from now on, after how the ego came here, (N,)."""
        lived = self.prospect.lived
        felt = [each[:, len(lived) :] for each in with_history(self.drives, lived)]
        return np.asarray(1 - np.mean(list(within_limits(Comfort(*felt)).values()), axis=0))

    @cached_property
    def cornered(self) -> Floats:
        """How much of TURN_OUT_M misses at the end to what stands in the way, (N,), 0 to 1."""
        seen, vehicle = self.prospect.view.standing, self.prospect.view.vehicle
        s, d = self.projection.s[:, -1:], self.projection.d[:, -1:]
        gap = seen.s - seen.half_length - s - vehicle.length_m / 2
        ahead = (gap > -vehicle.length_m) & (np.abs(seen.d - d) < seen.half_width + vehicle.width_m / 2)
        gap = np.where(ahead, gap, np.inf).min(axis=1, initial=np.inf)
        return np.asarray(np.clip(1 - gap / TURN_OUT_M, 0.0, 1.0))

    @cached_property
    def runs_red(self) -> NDArray[np.bool_]:
        """Whether the front crosses a stop line while one of its lights stops who still can, (N,)."""
        view, runs = self.prospect.view, np.zeros(self.drives.count, np.bool_)
        steps = range(view.step + 1, view.step + self.drives.steps)
        front = self.projection.s + view.vehicle.length_m / 2
        for stop in view.path.stops:
            crossing = (front[:, :-1] <= stop.s) & (front[:, 1:] > stop.s)
            runs |= (crossing & [stop.closed(view.lights, step) for step in steps]).any(axis=1)
        return runs

    @cached_property
    def shortfall_m(self) -> Floats:
        """By how much they miss the goal, (N,)."""
        aim = self.prospect.aim
        return (
            aim.shortfall(self.drives.states, self.prospect.view.step) if aim else np.zeros(self.drives.count)
        )

    @cached_property
    def overspeed(self) -> Floats:
        """How much faster than wanted they are, the mean over their steps, (N,), in m/s."""
        s = self.projection.s
        wanted = self.prospect.view.path.wanted_by(s.ravel(), np.zeros(s.size)).reshape(s.shape)
        return np.asarray(np.maximum(self.drives.speed - wanted, 0.0).mean(axis=1))

    @cached_property
    def changed(self) -> list[list[Floats]]:
        """How much they differ from each of the plans before; see `navsim.changes`."""
        return [changes(self.drives, each) for each in self.prospect.earlier]

    @cached_property
    def consistent(self) -> Floats:
        """Share of the plans before that they feel like, (N,); 1 without any."""
        shares = [alike(changed) for changed in self.changed]
        return np.mean(shares, axis=0) if shares else np.ones(self.drives.count)

    @cached_property
    def score(self) -> Floats:
        """What they are chosen by, higher is better, (N,)."""
        pdm, steps = self.pdm, self.drives.steps
        rules = (pdm.no_at_fault_collisions, pdm.drivable_area, pdm.driving_direction)
        kept, weight, extra = np.prod(rules, axis=0), sum(WEIGHTS.values()), self.prospect.consistency
        score = (weight * pdm.score + extra * self.consistent * kept) / (weight + extra)
        if not kept.any():
            score = self._least_wrong
        score /= 1 + self.shortfall_m / GOAL_M
        score *= 1 - LIMITS_SHARE * np.minimum(self.overspeed / OVERSPEED, 1.0)
        score *= 1 - ROUGH * (0.5 * (self.rough > 0) + 0.5 * self.rough)
        score *= np.where(self.runs_red, RED, 1.0) * (1 - ROOM * self.cramped)
        score *= (1 - CORNERED * self.cornered) * (1 - FACED * self.faced)
        score *= TOUCHED + (1 - TOUCHED) * self.hit_step / steps
        return np.asarray(score + _TIE * np.minimum(self.hit_step, pdm.collision_step) / steps)

    @property
    def _least_wrong(self) -> Floats:
        """The score where all break a rule: the later the better, and off the road who gets on."""
        pdm = self.pdm
        late = pdm.collision_step / self.drives.steps
        score = np.mean([late, pdm.drivable_area, pdm.driving_direction], axis=0)
        if not pdm.drivable_area.any():  # as on a start off the road
            score *= pdm.progress_m / max(pdm.progress_m.max(), 1.0)
        return np.asarray(score)


class Prospect:
    """A view, and what is expected of it.

    Args:
        horizon: steps of proposals.
        aim: the goals; None once they are reached.
        earlier: plans of moments ago, each with how many steps ago it was made.
        consistency: weight of extended comfort beside those of PDM.
        turns: yaw rates of the agents, (A,), in rad/s; None if they drive straight on.
        lived: states of the ego's centre until now, (L, 6).
        lanes: tells who keeps to which lane; None if nobody does.
    """

    def __init__(
        self,
        view: View,
        horizon: int,
        aim: Aim | None = None,
        earlier: Sequence[Earlier] = (),
        turns: Floats | None = None,
        lived: Floats | None = None,
        lanes: LaneFollowing | None = None,
        consistency: float = CONSISTENCY,
    ) -> None:
        self.view, self.horizon, self.aim = view, horizon, aim
        self.earlier, self.consistency = tuple(earlier), consistency
        self.lived = np.zeros((0, view.ego.size)) if lived is None else lived
        self._turns = np.zeros(len(view.agents.kinds)) if turns is None else turns
        self._lanes = lanes
        self._last: tuple[Mapping[str, Floats], Outlook] | None = None

    @cached_property
    def others(self) -> Others:
        """Everybody, for as long as the scores look ahead: along lanes, straight on, or round a bend."""
        steps = self.horizon + int(max(LATER[-1], BEYOND[-1]))
        bends, kept = np.where(np.abs(self._turns) > BEND, self._turns, 0.0), None
        if self._lanes is not None:
            agents, dt = self.view.agents, self.view.dt
            kept = self._lanes.forecast(agents.bodies, agents.states[0], self._turns, dt, steps)
        found = self.view.forecast(steps, bends, kept)
        time = self.view.dt * np.arange(steps + 1)
        reach = _REACH_M + max(float(self.view.ego[SPEED]), 0.0) * time + 0.5 * _FASTEST * time**2
        return found.within(self.view.ego[:2], reach)

    @cached_property
    def turning(self) -> Others:
        """Everybody for as long as proposals take, if changes of lanes are bends as well."""
        return self.view.forecast(self.horizon, self._turns)

    def of(self, states: Floats) -> Outlook:
        """The outlook of states (N, H + 1, 4 or more) of the rear axle, the first of them now."""
        return Outlook(self, Drives(self.view.vehicle.centred(states), self.view.vehicle, self.view.dt))

    def imagined(self, states: Mapping[str, Floats]) -> Outlook:
        """That of imagined states by name, (N, H, k); the last one is kept for the next cost."""
        if self._last is None or self._last[0] is not states:
            moved = np.concatenate([states[name] for name in ("position", "heading", "speed")], axis=-1)
            now = np.broadcast_to(self.view.ego[:4], (len(moved), 1, 4))
            self._last = states, self.of(np.concatenate([now, moved], axis=1))
        return self._last[1]
