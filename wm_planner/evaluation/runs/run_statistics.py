"""Statistics of a run, gathered from its messages, live from the bus or from a recording."""

import math
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from wm_planner.evaluation.runs.length_unit import Unit, unit_of
from wm_planner.evaluation.statistics import rate
from wm_planner.messaging.messages import Message
from wm_planner.node.health import STALE_PERIODS

MAP = "/map"
"""Only driving simulators publish this topic."""

TOPICS = ("/episode", "/plan", "/plan_info", "/latent", MAP)
RADII_M = (0.05, 0.025)


class EpisodeFigures(msgspec.Struct):
    """Statistics of one episode.

    Attributes:
        episode: number of the episode.
        seed: seed of the episode.
        distances_m: distance to the goal before the first step and after each.
        ended: whether the episode has ended.
        success: whether it ended in success.
        reason: why it missed its goal; empty if it did not, or only ran out of steps.
        total_reward: sum of the rewards so far; NaN where the task has none.
    """

    episode: int
    seed: int
    distances_m: list[float]
    ended: bool = False
    success: bool = False
    reason: str = ""
    total_reward: float = math.nan

    @property
    def outcome(self) -> str:
        """The outcome of an episode that has ended, in words."""
        if self.has_failed:
            return f"failed, return so far {self.total_reward:.1f}: {self.reason}"
        if self.has_reward and not self.success:
            return f"return {self.total_reward:.1f}"
        outcome = "reached" if self.success else f"missed: {self.reason or 'out of steps'}"
        return f"{outcome}, return {self.total_reward:.1f}" if self.has_reward else outcome

    @property
    def end_m(self) -> float:
        """Final distance, in m."""
        return self.distances_m[-1]

    @property
    def has_distance(self) -> bool:
        """Whether the goal has a position.

        A goal such as "keep this lane until step 30" has none, and its distance is 0; a task with reward may
        have none either, and its distance is NaN.
        """
        return any(distance > 0 for distance in self.distances_m)

    @property
    def has_reward(self) -> bool:
        """Whether the task rewards steps."""
        return math.isfinite(self.total_reward)

    @property
    def has_failed(self) -> bool:
        """Whether a failure ended it, so that its return is left out."""
        return self.ended and self.has_reward and bool(self.reason)


class Spread(msgspec.Struct, frozen=True):
    """Number of values, median, 99th percentile and maximum of a quantity; NaN is ignored."""

    count: int
    median: float | None
    p99: float | None
    max: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return cls(0, None, None, None)
        median, p99 = np.percentile(finite, [50, 99])
        return cls(len(finite), float(median), float(p99), max(finite))


class Success(msgspec.Struct, frozen=True):
    """Number of episodes that ended within a radius, with the 95 % Wilson interval."""

    radius_m: float
    successes: int
    episodes: int
    low: float
    high: float


class RunFigures(msgspec.Struct, frozen=True):
    """Statistics of a whole run; times are in seconds.

    Attributes:
        success: success within the radii of an arm's goals; empty for drives, whose goals are regions, and
            for tasks with reward.
        end_distance_m: final distances.
        plan_s, input_age_s, plan_cost, surprise: of all plans.
        steps: control steps of the episodes that have ended, each of which needs a plan.
        plans, deadline_misses, fallbacks: numbers of plans.
        fallback_reasons: why fallbacks were needed, with the number of plans for each reason.
        stale_inputs: number of plans from inputs older than STALE_PERIODS control periods; None in lockstep,
            where the simulator waits, and for a recording that was cut off before its mode was written.
        episodes: the episodes that have ended.
        started: number of episodes that have started.
        total_reward: returns of the episodes that have ended without a failure; empty where the task has no
            reward.
        is_drive: whether a car is driven, not an arm.
        is_complete: False if the recording was cut off.
    """

    success: list[Success]
    end_distance_m: Spread
    plan_s: Spread
    input_age_s: Spread
    plan_cost: Spread
    surprise: Spread
    steps: int
    plans: int
    deadline_misses: int
    fallbacks: int
    stale_inputs: int | None
    episodes: list[EpisodeFigures]
    started: int
    total_reward: Spread = Spread(0, None, None, None)
    fallback_reasons: dict[str, int] = {}
    is_drive: bool = False
    is_complete: bool = True

    @property
    def unit(self) -> Unit:
        """The unit in which distances are printed."""
        return unit_of(self.is_drive)

    @property
    def has_distance(self) -> bool:
        """Whether any goal has a position."""
        return any(episode.has_distance for episode in self.episodes)


class RunStatistics:
    """Collects statistics from messages, in the order of each topic.

    Args:
        is_realtime: whether the run is in realtime, so that old inputs count as stale.

    Attributes:
        is_drive: whether a car is driven, not an arm.
        episodes: episodes by number.
        plan_s, input_age_s: times of all plans, in s.
        control_dt_s: control period, from the plans; None before the first.
        stale_inputs: number of plans from stale inputs; 0 in lockstep.
    """

    def __init__(self, *, is_realtime: bool = False) -> None:
        self._is_realtime = is_realtime
        self.control_dt_s: float | None = None
        self.stale_inputs = 0
        self.is_drive = False
        self.episodes: dict[int, EpisodeFigures] = {}
        self.plan_s: list[float] = []
        self.input_age_s: list[float] = []
        self._plan_cost: list[float] = []
        self._surprise: list[float] = []
        self._deadline_misses = 0
        self._fallbacks = 0
        self._fallback_reasons: Counter[str] = Counter()

    def add(self, topic: str, message: Message) -> None:
        """Add a message of one of `TOPICS`."""
        if topic == "/episode":
            self._add_episode(message)
        elif topic == "/plan":
            self.control_dt_s = message.dt_s
        elif topic == "/plan_info":
            stale_s = STALE_PERIODS * (self.control_dt_s or math.inf)
            self.stale_inputs += self._is_realtime and message.input_age_s > stale_s
            self.plan_s.append(message.elapsed_s)
            self.input_age_s.append(message.input_age_s)
            self._plan_cost.append(message.cost)
            self._deadline_misses += message.deadline_hit
            self._fallbacks += message.fallback
            if message.reason:
                self._fallback_reasons[message.reason] += 1
        elif topic == MAP:
            self.is_drive = True
        elif topic == "/latent":
            self._surprise.append(message.surprise)

    @property
    def ended(self) -> list[EpisodeFigures]:
        """The episodes that have ended."""
        return [episode for episode in self.episodes.values() if episode.ended]

    @property
    def successes(self) -> int:
        """Number of ended episodes that the scene counts as a success."""
        return sum(episode.success for episode in self.ended)

    def figures(self) -> RunFigures:
        """All statistics so far."""
        ended = self.ended
        return RunFigures(
            success=[self._success(radius) for radius in RADII_M] if self._has_radii else [],
            end_distance_m=Spread.of([episode.end_m for episode in ended if episode.has_distance]),
            plan_s=Spread.of(self.plan_s),
            input_age_s=Spread.of(self.input_age_s),
            plan_cost=Spread.of(self._plan_cost),
            surprise=Spread.of(self._surprise),
            steps=sum(len(episode.distances_m) - 1 for episode in ended),
            plans=len(self.plan_s),
            deadline_misses=self._deadline_misses,
            fallbacks=self._fallbacks,
            stale_inputs=self.stale_inputs if self._is_realtime else None,
            episodes=ended,
            started=len(self.episodes),
            fallback_reasons=dict(self._fallback_reasons),
            total_reward=Spread.of([each.total_reward for each in ended if not each.has_failed]),
            is_drive=self.is_drive,
        )

    @property
    def _has_radii(self) -> bool:
        """Whether success is a distance from a point, as for an arm's goals."""
        return not self.is_drive and not any(episode.has_reward for episode in self.ended)

    def _success(self, radius_m: float) -> Success:
        ended = self.ended
        near = sum(episode.end_m <= radius_m and not episode.reason for episode in ended)
        interval = rate(near, len(ended))
        return Success(radius_m, near, len(ended), interval.low, interval.high)

    def _add_episode(self, message: Message) -> None:
        if message.phase == "finished":
            return
        episode = self.episodes.setdefault(message.id, EpisodeFigures(message.id, message.seed, []))
        episode.total_reward = message.total_reward
        if message.phase == "running" and message.step == len(episode.distances_m):
            episode.distances_m.append(message.distance)
        elif message.phase == "ended":
            episode.distances_m.append(message.distance)
            episode.ended, episode.success, episode.reason = True, message.success, message.reason
