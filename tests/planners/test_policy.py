import msgspec
import numpy as np
import pytest
from point_mass import PointMass, action_spec, quadratic
from point_mass import problem as problem_of

from wm_planner.clock import Deadline, ManualClock
from wm_planner.contracts.card import ActionSpec, PolicySpec
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.errors import ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.mpc import RecedingHorizon
from wm_planner.planners.policy import PolicyPlanner

CHOICES = ActionSpec(names=("choice",), units=("",), low=(0.0,), high=(2.0,), choices=3)
SEARCHES = {
    "random_shooting": {},
    "predictive_sampling": {},
    "cem": {},
    "icem": {},
    "mppi": {},
    "vjepa2_ac": {},
    "dino_wm": {"elites": 4},
}


class Homing(PointMass):
    """A point mass whose policy moves a fraction of the way to the goal; `acted` counts its calls."""

    def __init__(self, action=None, gain=0.5):
        super().__init__(action, policy=PolicySpec(goal=True))
        self.gain, self.acted = gain, 0

    def act(self, latent, goal_latent=None):
        self.acted += 1
        return self.gain * (goal_latent["z"] - latent["z"])


class Chooser(PointMass):
    """Discrete: chooses 2 until it is at 4 or beyond, then 1."""

    def __init__(self):
        super().__init__(CHOICES, policy=PolicySpec(goal=False))

    def act(self, latent, goal_latent=None):
        return np.where(latent["z"] < 4, [[0, 1, 2]], [[0, 2, 1]]).astype(float)


def context(goal=(2.0, -2.0), **more):
    return Context(goal_latent={"z": np.array([goal], np.float32)}, **more)


def plan(problem, horizon=3, **more):
    planner = PLANNERS.build({"type": "policy", "horizon": horizon, "evaluate": True}, "test")
    return planner.plan(problem, rng=np.random.default_rng(0), **more)


def test_the_plan_is_the_policy_unrolled_through_the_model_and_is_evaluated_once():
    model = Homing()
    found = plan(problem_of(quadratic([0, 0]), model, context()))
    np.testing.assert_allclose(found.actions, [[1, -1], [0.5, -0.5], [0.25, -0.25]])
    assert found.cost == pytest.approx(2 * (1 + 0.25 + 0.0625))
    assert (found.evaluations, model.evaluations, model.acted) == (1, 1, 3)
    assert not found.deadline_hit


def test_a_plan_that_is_not_evaluated_has_the_same_actions_and_is_executed():
    model = Homing()
    planner = PLANNERS.build({"type": "policy", "horizon": 3}, "test")
    decision = loop(model, planner, "elites").tick({"z": np.zeros((1, 2), np.float32)}, context(), 0)
    np.testing.assert_allclose(decision.actions, [[1, -1], [0.5, -0.5], [0.25, -0.25]])
    assert decision.fallback is None and np.isnan(decision.plan.cost)
    assert (decision.plan.evaluations, model.evaluations) == (0, 0)


def test_actions_stay_within_their_bounds_and_rates():
    found = plan(problem_of(quadratic([0, 0]), Homing(gain=3.0), context()))
    np.testing.assert_array_equal(found.actions[0], [1, -1])
    slow = msgspec.structs.replace(action_spec(), rate=(0.25, 0.25))
    within = context(last_action=np.array([0.1, 0.1], np.float32))
    found = plan(problem_of(quadratic([0, 0]), Homing(slow), within))
    np.testing.assert_allclose(found.actions[:2], [[0.35, -0.15], [0.6, -0.4]], atol=1e-6)


def test_discrete_actions_are_the_likeliest_choices():
    found = plan(problem_of(quadratic([1]), Chooser()), horizon=4)
    assert found.actions[:, 0].tolist() == [2, 2, 1, 1]


def test_after_the_deadline_the_warm_start_is_returned():
    start = np.full((3, 2), 0.5, np.float32)
    model = Homing()
    late = plan(
        problem_of(quadratic([0, 0]), model, context()), warm_start=start, deadline=Deadline(ManualClock(), 0)
    )
    np.testing.assert_array_equal(late.actions, start)
    assert late.deadline_hit and np.isnan(late.cost) and model.acted == 0


def test_a_policy_that_is_not_finite_gives_a_plan_of_infinite_cost():
    found = plan(problem_of(quadratic([0, 0]), Homing(gain=np.nan), context()))
    assert found.cost == np.inf and found.not_finite == 1


def test_without_a_policy_the_plan_is_refused():
    with pytest.raises(ConfigError, match=r"toy has none \(card: policy\): train one with `wm train"):
        plan(problem_of(quadratic([0, 0]), PointMass(), context()))


# --- in the loop


def loop(model, planner, proposals="policy", target=(1.0, -1.0), seed=0):
    return RecedingHorizon(
        RecedingHorizon.Config(proposals=proposals),
        planner,
        model,
        [WeightedCost("only", quadratic(target))],
        seed,
    )


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_takes_the_policy_among_its_proposals(name):
    """The policy happens to be the optimum, which no sampled candidate is."""
    planner = PLANNERS.build({"type": name, "horizon": 3, "samples": 16, **SEARCHES[name]}, "test")
    target, goal = (0.625, -0.375), np.array([[500.0, -300.0]], np.float32)

    class Optimal(Homing):
        def act(self, latent, goal_latent=None):
            assert goal_latent["z"] is goal
            return np.array([target], np.float32)

    latent = {"z": np.zeros((1, 2), np.float32)}
    given = Context(goal_latent={"z": goal})
    alone = loop(Optimal(), planner, "elites", target).tick(latent, given, 0).plan
    guided = loop(Optimal(), planner, "policy", target).tick(latent, given, 0).plan
    assert guided.cost == 0 < alone.cost
    assert guided.evaluations == alone.evaluations + 1
    np.testing.assert_array_equal(guided.actions, [target] * 3)


def test_the_policy_starts_where_the_committed_actions_lead():
    model = Homing(gain=1.0)
    planner = PLANNERS.build({"type": "policy", "horizon": 2}, "test")
    costs = [WeightedCost("only", quadratic([0, 0]))]
    mpc = RecedingHorizon(RecedingHorizon.Config(latency_steps=2), planner, model, costs, seed=0)
    first = mpc.tick({"z": np.zeros((1, 2), np.float32)}, context((0.5, 0.25)), 0)
    np.testing.assert_array_equal(first.actions, [[0, 0], [0, 0], [0.5, 0.25], [0, 0]])
    second = mpc.tick({"z": np.zeros((1, 2), np.float32)}, context((0.5, 0.25)), 1)
    np.testing.assert_array_equal(second.actions, [[0, 0], [0.5, 0.25], [0, 0], [0, 0]])


def test_a_proposal_that_is_not_finite_is_left_out():
    planner = PLANNERS.build({"type": "icem", "horizon": 3, "samples": 16}, "test")
    latent = {"z": np.zeros((1, 2), np.float32)}
    broken = loop(Homing(gain=np.nan), planner).tick(latent, context(), 0)
    alone = loop(Homing(gain=np.nan), planner, "elites").tick(latent, context(), 0)
    np.testing.assert_array_equal(broken.actions, alone.actions)


def test_after_the_deadline_the_policy_is_not_asked():
    model = Homing()
    planner = PLANNERS.build({"type": "icem", "horizon": 3, "samples": 16}, "test")
    loop(model, planner).tick({"z": np.zeros((1, 2), np.float32)}, context(), 0, Deadline(ManualClock(), 0))
    assert model.acted == 0


@pytest.mark.parametrize(
    ("planner", "proposals", "reason"),
    [
        ("icem", "policy", "proposals: policy needs a policy, and toy has none"),
        ("policy", "elites", "planner: policy needs a policy, and toy has none"),
    ],
)
def test_a_loop_over_a_model_without_a_policy_is_refused(planner, proposals, reason):
    built = PLANNERS.build({"type": planner, "horizon": 3}, "test")
    with pytest.raises(ConfigError, match=reason):
        loop(PointMass(), built, proposals)


def test_both_kinds_of_actions_fit_in_the_loop():
    planner = PolicyPlanner(PolicyPlanner.Config(horizon=3))
    loop(Homing(), planner)
    loop(Chooser(), planner, target=(1,))
