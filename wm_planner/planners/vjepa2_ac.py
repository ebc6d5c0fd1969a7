"""The search of V-JEPA 2-AC's published planner."""

import numpy as np

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.contracts.card import ActionSpec
from wm_planner.planners.cem import CEM, best, equal_weights, refit, sample
from wm_planner.planners.sampling import Run
from wm_planner.planners.search import Search

TURNS = frozenset({"droll", "dpitch", "dyaw"})
GRIPPER = "dgripper"
"""Names of the components that the search treats in ways of their own, wherever a card has them."""

GRIPPER_STD = 1.0
"""Initial standard deviation of the gripper's change; its bounds are +-0.75, those of the published card."""

SMALLEST_GRIP = 0.25
"""Change of the gripper below which the plan leaves it where it is."""


class VJEPA2AC(CEM):
    """CEM with the published rules: the same noise gives the published loop's candidates and energies.

    The tool does not turn, the gripper begins with a deviation of its own, the variance of the elites is
    unbiased, and the plan is the mean of the last iteration, with small changes of the gripper set to 0,
    whatever candidate was better. Actions without turns or a gripper are searched without these rules.

    Source: facebookresearch/vjepa2, notebooks/utils/{mpc_utils,world_model_wrapper}.py (Assran et al. 2025).
    Its `maxnorm` is the card's action box: 0.05 m per step. Differs in that the search starts from the warm
    start, which changes nothing at a horizon of 1, and that the plan is the warm start or a proposal if one
    of them costs less than the mean.
    """

    class Config(CEM.Config, frozen=True, kw_only=True):
        """The published settings; the initial standard deviation is half the action range."""

        horizon: int = 2
        samples: int = 400
        elites: int = 10
        iterations: int = 10
        momentum: float = 0.15
        init_std: float = 1.0
        min_std: float = 0.0

    def search(self, search: Search, rng: np.random.Generator) -> Run:
        config, action = self.config, search.problem.model.card.action
        xp, given = namespace(search.start), search.best
        free = search.at_knots(_free(action))  # (M, A), 0 where the tool would turn
        floor = search.deviation(config.min_std) * free
        mean = search.knots(search.start) * free
        std = search.at_knots(_initial_std(action, config.init_std * search.space.half_range)) * free
        unbiased = config.elites / max(config.elites - 1, 1)

        for iteration in search.rounds(config.iterations):
            noise = search.normal(rng, config.samples)
            candidates = search.actions(sample(mean, std, noise, search.low, search.high))
            if iteration == 0:
                yield from search.evaluate(xp.concat([search.start[None, ...], search.proposals]))
                given = search.best
            costs = search.objective((yield from search.evaluate(candidates)))
            elites, elite_costs = best(candidates, costs, config.elites)
            weights = equal_weights(elite_costs)
            knots = search.knots(elites)
            mean, std = refit(mean, std, knots, weights, config.momentum, floor, unbiased)

        if search.has_time():
            grips = search.at_knots(_grips(action))
            final = xp.where((grips > 0) & (xp.abs(mean) < SMALLEST_GRIP), xp.zeros_like(mean), mean)
            plan = search.actions(search.space.clip(final)[None, ...])  # (1, H, A)
            yield from search.settle(given, plan)
        return search.plan(spread=std)


def _free(action: ActionSpec) -> Array:
    """1 for each component that is searched, (A,), 0 for turns."""
    return np.array([name not in TURNS for name in action.names], np.float32)


def _grips(action: ActionSpec) -> Array:
    """1 for the change of the gripper, (A,), 0 for other components."""
    return np.array([name == GRIPPER for name in action.names], np.float32)


def _initial_std(action: ActionSpec, std: Array) -> Array:
    """`std` (A,) with that of the gripper."""
    return np.where(_grips(action) > 0, np.float32(GRIPPER_STD), std)
