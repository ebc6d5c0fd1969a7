"""Costs on physical states: distance to a goal state or pose, and limits."""

import math

from wm_planner import config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs.distance import DistanceConfig, goal_distance, over_steps
from wm_planner.errors import ShapeError


class StateGoal:
    """Distance between an imagined physical state and its goal, averaged over the components."""

    class Config(DistanceConfig, frozen=True, kw_only=True):
        """Which state is compared, and how.

        Attributes:
            state: a state of the rollout, e.g. tcp_position; also the name of its goal.
            angle: whether it is an angle in rad, so that differences are wrapped to -pi .. pi.
        """

        state: str
        angle: bool = False

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requires = frozenset({f"state:{config.state}", f"context:goal.{config.state}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        state = self.config.state
        reached, goal = rollout.states[state], context.goal[state]
        if self.config.angle:
            xp = namespace(reached)
            turned = reached - match(goal, reached) + math.pi
            reached = turned - 2 * math.pi * xp.floor(turned / (2 * math.pi)) - math.pi  # -pi .. pi
            goal = 0 * match(goal, reached)
        return goal_distance(reached, goal, self.config)


class PoseGoal:
    """Distance between an imagined tool pose and its goal: translation plus scaled rotation angle.

    The rotation angle is that of the shortest rotation between the two unit quaternions.
    """

    class Config(DistanceConfig, frozen=True, kw_only=True):
        """Which states form the pose.

        Attributes:
            metric: l1 adds distance and angle, l2 their squares.
            position: state in m, (3,); also the name of its goal.
            orientation: state, a unit quaternion (4,), real part first or last; also the name of its goal.
            length: the translation in m that counts as much as a rotation of 1 rad.
        """

        position: str = "tcp_position"
        orientation: str = "tcp_orientation"
        length: float = 0.1

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.metric == "cosine" or self.length <= 0:
                raise ValueError(
                    f"metric is {self.metric} and length {self.length}, wanted l1 or l2, and length above 0"
                )

    def __init__(self, config: Config) -> None:
        self.config = config
        names = (config.position, config.orientation)
        self.requires = frozenset(
            {f"state:{name}" for name in names} | {f"context:goal.{name}" for name in names}
        )

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        config = self.config
        position, quaternion = rollout.states[config.position], rollout.states[config.orientation]
        xp = namespace(position)
        offset = position - match(context.goal[config.position], position)  # (N, H, 3)
        goal = match(context.goal[config.orientation], quaternion)
        same, opposite = quaternion - goal, quaternion + goal  # q and -q are the same rotation
        chord = xp.minimum(xp.sum(same * same, axis=-1), xp.sum(opposite * opposite, axis=-1))  # (N, H)
        half = xp.minimum(xp.sqrt(chord + 1e-20) / 2, xp.ones_like(chord))
        distance = xp.sqrt(xp.sum(offset * offset, axis=-1) + 1e-20)
        angle = 4 * xp.asin(half) * config.length
        if config.metric == "l2":
            distance, angle = distance * distance, angle * angle
        return over_steps(distance + angle, config)


class StateLimits:
    """Largest violation of a state's limits over all steps and components, in its unit; 0 inside.

    As a term it is a soft wall; with a `limit` it is a constraint.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """The limits.

        Attributes:
            state: a state of the rollout, e.g. speed.
            low, high: one value per component, in the state's unit.
        """

        state: str
        low: tuple[float, ...]
        high: tuple[float, ...]

        def __post_init__(self) -> None:
            if len(self.low) != len(self.high) or any(
                low > high for low, high in zip(self.low, self.high, strict=True)
            ):
                raise ValueError(
                    f"low is {list(self.low)} and high {list(self.high)}, "
                    "wanted the same length and low <= high"
                )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requires = frozenset({f"state:{config.state}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        values = rollout.states[self.config.state]  # (N, H, k)
        if values.shape[-1] != len(self.config.low):
            raise ShapeError(
                f"state {self.config.state} has {values.shape[-1]} components, but its limits have "
                f"{len(self.config.low)}: wanted one low and one high per component"
            )
        xp = namespace(values)
        above = xp.maximum(values - match(self.config.high, values), match(self.config.low, values) - values)
        return xp.maximum(xp.max(above, axis=(1, 2)), 0 * actions[:, 0, 0])
