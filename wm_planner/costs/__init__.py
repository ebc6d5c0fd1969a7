"""Costs: pure functions of imagined trajectories. A new one is a file and a line here."""

from collections.abc import Mapping, Sequence
from typing import Any

from wm_planner.config import Config, convert
from wm_planner.costs.base import Limit, WeightedCost
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
        "traffic_goal": "wm_planner.planners.traffic_model:TrafficGoal",
        "traffic_surprise": "wm_planner.planners.traffic_model:TrafficSurprise",
        "collision": "wm_planner.costs.driving.rules:Collision",
        "at_fault_collision": "wm_planner.costs.driving.rules:AtFaultCollision",
        "time_to_collision": "wm_planner.costs.driving.rules:TimeToCollision",
        "drivable_area": "wm_planner.costs.driving.rules:DrivableArea",
        "driving_direction": "wm_planner.costs.driving.rules:DrivingDirection",
        "traffic_light": "wm_planner.costs.driving.rules:TrafficLight",
        "progress": "wm_planner.costs.driving.progress:Progress",
        "overspeed": "wm_planner.costs.driving.progress:Overspeed",
        "lane_keeping": "wm_planner.costs.driving.progress:LaneKeeping",
        "off_centre": "wm_planner.costs.driving.progress:OffCentre",
        "heading": "wm_planner.costs.driving.progress:Heading",
        "arrival": "wm_planner.costs.driving.progress:Arrival",
        "wanted_speed": "wm_planner.costs.driving.progress:WantedSpeed",
        "driving_comfort": "wm_planner.costs.driving.comfort:Comfort",
        "plan_consistency": "wm_planner.costs.driving.comfort:PlanConsistency",
        "squared_acceleration": "wm_planner.costs.driving.effort:SquaredAcceleration",
        "squared_jerk": "wm_planner.costs.driving.effort:SquaredJerk",
        "squared_yaw_rate": "wm_planner.costs.driving.effort:SquaredYawRate",
        "driving_score": "wm_planner.costs.driving.score:Score",
    },
)


class Term(Config, frozen=True, kw_only=True):
    """What every cost of a launch file may say beside its own keys.

    Attributes:
        weight: factor of the cost in the total; without meaning beside a limit.
        name: its name among the terms; the type's where it is not given.
        limit: makes it a constraint, e.g. `{at_most: 0.0, by: lagrangian}`.
    """

    weight: float = 1.0
    name: str | None = None
    limit: Limit | None = None


def build_costs(specs: Sequence[Mapping[str, Any]], where: str) -> tuple[WeightedCost, ...]:
    """Build the costs of a launch file, e.g. `[{type: latent_goal, weight: 1.0}]`.

    Args:
        specs: one mapping a cost: `type`, `weight`, `name`, `limit`, and the cost's own keys.
        where: their place, for errors.
    """
    if not isinstance(specs, list | tuple):
        got = "one mapping" if isinstance(specs, Mapping) else repr(specs)
        raise ConfigError(f"{where}: got {got}, wanted a list of them, e.g. [{{type: latent_goal}}]")
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
            raise ConfigError(f"{place}: a second cost named '{name}': give each its own `name`")
        costs[name] = WeightedCost(name, cost, term.weight, term.limit)
    return tuple(costs.values())
