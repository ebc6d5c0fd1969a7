"""Costs are pure functions of imagined trajectories. To add one, write a class and register it here."""

from collections.abc import Mapping, Sequence
from typing import Any

from wm_planner.config import Config, convert
from wm_planner.contracts.cost import Limit, WeightedCost
from wm_planner.errors import ConfigError
from wm_planner.plugins import Registry

COSTS = Registry(
    "cost",
    {
        "latent_goal": "wm_planner.costs.latent:LatentGoal",
        "state_goal": "wm_planner.costs.state:StateGoal",
        "pose_goal": "wm_planner.costs.state:PoseGoal",
        "state_limits": "wm_planner.costs.state:StateLimits",
        "state_distance": "wm_planner.costs.relative:StateDistance",
        "behind": "wm_planner.costs.relative:Behind",
        "keep_out": "wm_planner.costs.obstacles:KeepOut",
        "obstacles": "wm_planner.costs.obstacles:Obstacles",
        "action_rate": "wm_planner.costs.motion:ActionRate",
        "effort": "wm_planner.costs.motion:Effort",
        "preferred_action": "wm_planner.costs.motion:PreferredAction",
        "consistency": "wm_planner.costs.motion:Consistency",
        "reward": "wm_planner.costs.model:Reward",
        "value": "wm_planner.costs.model:Value",
        "uncertainty": "wm_planner.costs.model:Uncertainty",
        "surprise": "wm_planner.costs.model:Surprise",
    },
)


class Term(Config, frozen=True, kw_only=True):
    """The options that every cost in a launch file has besides its own.

    Attributes:
        weight: factor of the cost in the total; ignored if there is a limit.
        name: of its term; None for the name of its type.
        limit: makes the cost a constraint, e.g. `{at_most: 0.0, by: lagrangian}`.
    """

    weight: float = 1.0
    name: str | None = None
    limit: Limit | None = None


def build_costs(specs: Sequence[Mapping[str, Any]], where: str) -> tuple[WeightedCost, ...]:
    """Build the costs of a launch file, e.g. `[{type: latent_goal, weight: 1.0}]`.

    Args:
        specs: one mapping per cost: `type`, `weight`, `name`, `limit` and the cost's own keys.
        where: the path of `specs` in its file, for errors.

    Raises:
        ConfigError: for an invalid mapping or key, or two costs of the same name.
        PluginError: for an unknown type.
    """
    if not isinstance(specs, list | tuple):
        got = "one mapping" if isinstance(specs, Mapping) else repr(specs)
        raise ConfigError(f"{where}: got {got}, wanted a list of mappings, e.g. [{{type: latent_goal}}]")
    costs: dict[str, WeightedCost] = {}
    for index, spec in enumerate(specs):
        place = f"{where}[{index}]"
        if not isinstance(spec, Mapping):
            raise ConfigError(f"{place}: got {spec!r}, wanted a mapping, e.g. {{type: latent_goal}}")
        shared = Term.__struct_fields__
        term = convert({key: spec[key] for key in shared if key in spec}, Term, place)
        own = {key: value for key, value in spec.items() if key not in shared}
        cost = COSTS.build(own, place, also=shared)
        name = term.name or str(spec["type"])
        if name in costs:
            raise ConfigError(f"{place}: a second cost named '{name}': give each cost its own `name`")
        costs[name] = WeightedCost(name, cost, term.weight, term.limit)
    return tuple(costs.values())
