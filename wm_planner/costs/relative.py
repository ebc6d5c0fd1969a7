"""How two imagined states stand to each other: a tool beside an object."""

from wm_planner import config
from wm_planner.contracts.arrays import Array, match, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.rollout import Rollout
from wm_planner.costs.distance import DistanceConfig, over_steps


class StateDistance:
    """Distance between two states of the rollout, e.g. of a tool from the object that it is to take.

    Euclidean for l1, its square for l2, so that no direction is favoured.
    """

    class Config(DistanceConfig, frozen=True, kw_only=True):
        """Which states.

        Attributes:
            state, other: states of one size, e.g. tcp_position and block_position.
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
        way = rollout.states[config.state] - rollout.states[config.other]  # (N, H, k)
        xp = namespace(way)
        square = xp.sum(way * way, axis=-1)
        return over_steps(square if config.metric == "l2" else xp.sqrt(square + 1e-20), config)


class Behind:
    """How far a tool is from standing behind an object, seen from the object's goal and from above.

    0 where tool, object and goal are in line, the object in the middle; 2 where the tool is in the way. The
    mean over the steps, no unit. Source: the alignment of pusher and cylinder in judo's cylinder_push.
    """

    class Config(config.Config, frozen=True, kw_only=True):
        """Which states; of each the first two components count.

        Attributes:
            tool: e.g. tcp_position.
            object: e.g. block_position, and the name of its goal.
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
        away, onward = tool - thing, goal - thing  # (N, H, 2)
        lengths = xp.sqrt(xp.sum(away * away, axis=-1) * xp.sum(onward * onward, axis=-1) + 1e-20)
        return 1 + xp.mean(xp.sum(away * onward, axis=-1) / lengths, axis=1)
