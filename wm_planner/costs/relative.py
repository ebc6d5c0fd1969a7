"""Costs on the relation between two imagined states, e.g. of a tool and an object."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs.distance import DistanceConfig, over_steps


class StateDistance:
    """Distance between two states of the rollout, e.g. between a tool and the object that it must grasp.

    Euclidean for l1 and squared Euclidean for l2, so that no direction is preferred.
    """

    class Config(DistanceConfig, frozen=True, kw_only=True):
        """Which states.

        Attributes:
            state, other: states of the same size, e.g. tcp_position and block_position.
        """

        state: str
        other: str

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.metric == "cosine":
                raise ValueError("metric is cosine, wanted l1 or l2")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requires = frozenset({f"state:{config.state}", f"state:{config.other}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        config = self.config
        offset = rollout.states[config.state] - rollout.states[config.other]  # (N, H, k)
        xp = namespace(offset)
        square = xp.sum(offset * offset, axis=-1)
        return over_steps(square if config.metric == "l2" else xp.sqrt(square + 1e-20), config)


class Behind:
    """How far a tool is from the far side of an object, seen from the object's goal, in the x-y plane.

    0 if tool, object and goal are on a line with the object between; 2 if the tool is between object and
    goal. Mean over the steps, dimensionless. Source: the alignment of pusher and cylinder in judo's
    cylinder_push.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Which states; the first two components of each are used.

        Attributes:
            tool: e.g. tcp_position.
            object: e.g. block_position; also the name of its goal.
        """

        tool: str
        object: str

    def __init__(self, config: Config) -> None:
        self.config = config
        states = {f"state:{config.tool}", f"state:{config.object}"}
        self.requires = frozenset(states | {f"context:goal.{config.object}"})

    def __call__(self, rollout: Rollout, actions: Array, context: Context) -> Array:
        tool, thing = rollout.states[self.config.tool][..., :2], rollout.states[self.config.object][..., :2]
        xp = namespace(tool)
        goal = match(context.goal[self.config.object], thing)[..., :2]
        to_tool, to_goal = tool - thing, goal - thing  # (N, H, 2)
        lengths = xp.sqrt(xp.sum(to_tool * to_tool, axis=-1) * xp.sum(to_goal * to_goal, axis=-1) + 1e-20)
        return 1 + xp.mean(xp.sum(to_tool * to_goal, axis=-1) / lengths, axis=1)
