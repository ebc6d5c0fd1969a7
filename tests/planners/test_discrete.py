from dataclasses import replace

import msgspec
import numpy as np
import pytest
from point_mass import CostOf, PointMass, action_spec, problem, reach

from wm_planner.bench.problems.decision_process import DISCOUNT, DecisionProcess
from wm_planner.clock import Deadline, ManualClock
from wm_planner.contracts.card import ActionSpec, LatentSpec, PolicySpec
from wm_planner.contracts.context import Context
from wm_planner.costs import build_costs
from wm_planner.errors import ConfigError
from wm_planner.planners import PLANNERS
from wm_planner.planners.categorical_cem import CategoricalCEM, choose, refit_choices
from wm_planner.planners.cem import CEM
from wm_planner.planners.knots import Knots
from wm_planner.planners.mcts import MCTS, considered_visits
from wm_planner.planners.problem import Problem
from wm_planner.planners.random_shooting import RandomShooting
from wm_planner.planners.tree import Tree

CHOICES = ActionSpec(names=("choice",), units=("",), low=(0.0,), high=(4.0,), choices=5)


def rng(seed=0):
    return np.random.default_rng(seed)


def mcts(**config):
    return MCTS(MCTS.Config(**{"horizon": 3, **config}))


def optimal_fraction(count, value=None, costs=("reward", "value"), **config):
    """The fraction of random decision processes in which the first choice is optimal."""
    found = 0
    for seed in range(count):
        process = DecisionProcess(seed, value=value)
        plan = mcts(**config).plan(process.problem(costs=costs), rng=rng(seed))
        found += int(plan.actions[0, 0]) == int(np.argmax(process.q()[0]))
    return found / count


# --- Monte Carlo tree search


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_mcts_with_exact_values_always_finds_the_optimal_choice(root):
    assert optimal_fraction(40, simulations=50, root=root) == 1


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_mcts_without_values_mostly_finds_the_optimal_choice(root):
    assert optimal_fraction(40, costs=("reward",), simulations=400, root=root) >= 0.75


def test_mcts_tolerates_noise_in_the_values():
    assert optimal_fraction(40, lambda v, r: v + 0.3 * r.standard_normal(len(v)), simulations=100) >= 0.85


def test_a_small_tree_is_solved_exactly():
    """Three choices, two steps, then no reward: the best of nine paths is found, with its return."""
    process = DecisionProcess(0, states=5, choices=3)
    process.next[:] = [[1, 2, 3], [4, 4, 4], [4, 4, 4], [4, 4, 4], [4, 4, 4]]
    process.reward[:] = [[0.5, 0, 0], [0, 0, 0], [0, 0, 2.0], [0, 1.0, 0], [0, 0, 0]]
    plan = mcts(horizon=2, simulations=300).plan(process.problem(costs=("reward",)), rng=rng())
    assert plan.actions[:, 0].tolist() == [1, 2]
    assert plan.cost == pytest.approx(-2.0 * DISCOUNT)


def test_several_trees_at_once_equal_the_trees_one_by_one():
    process = DecisionProcess(3)
    planner = mcts(simulations=40, root="gumbel")
    problems = [process.problem(state) for state in range(4)]
    alone = [planner.plan(each, rng=rng(seed)) for seed, each in enumerate(problems)]
    process.steps = 0
    together = planner.plan_many(problems, [rng(seed) for seed in range(4)])
    assert process.steps == 40 + planner.horizon  # the last rollout steps too
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours.actions, theirs.actions)
        assert (ours.cost, ours.iterations, ours.evaluations) == (
            theirs.cost,
            theirs.iterations,
            theirs.evaluations,
        )


class Guided(DecisionProcess):
    """A decision process whose policy prefers choice 2 at state 0, and choice 1 elsewhere."""

    def __init__(self, seed, goal=False):
        super().__init__(seed)
        self.card = msgspec.structs.replace(self.card, policy=PolicySpec(goal=goal))
        self.asked = []

    def act(self, latent, goal_latent=None):
        state = latent["state"][:, 0]
        self.asked.append((len(state), goal_latent))
        return 50.0 * np.eye(4)[np.where(state == 0, 2, 1)]


def test_the_policy_guides_the_root_and_every_node():
    process = Guided(1)
    process.next[:] = 5  # so that every other node is a state that prefers choice 1
    plan = mcts(simulations=12).plan(process.problem(costs=("reward",)), rng=rng())
    assert plan.actions[:, 0].tolist() == [2, 1, 1]
    assert len(process.asked) == 13  # the root, and one node per simulation


@pytest.mark.parametrize("goal", [False, True])
def test_several_trees_ask_the_policy_for_their_own_goals(goal):
    process = Guided(1, goal)
    problems = [process.problem(state, costs=("reward",)) for state in (0, 3)]
    for each, name in zip(problems, ("a", "b"), strict=True):
        each.context = replace(each.context, goal_latent={"state": name})
    alone = [mcts(simulations=20).plan(each, rng=rng()) for each in problems]
    process.asked.clear()
    together = mcts(simulations=20).plan_many(problems, [rng(), rng()])
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours.actions, theirs.actions)
    batches = [(1, {"state": "a"}), (1, {"state": "b"})] * 21 if goal else [(2, None)] * 20
    assert process.asked[0 if goal else 2 :] == batches


def test_several_trees_of_a_model_with_caches_equal_the_trees_one_by_one():
    process = DecisionProcess(3)
    cache = LatentSpec(name="calls", shape=(2,), role="cache")
    process.card = msgspec.structs.replace(process.card, latents=(*process.card.latents, cache))
    step = process.step

    def counted(latent, action, noise=None):
        stepped, outputs = step(latent, action)
        calls = latent.get("calls", np.zeros((1, 2))) + 1  # rollouts start without the cache
        return {**stepped, "calls": calls}, {**outputs, "reward": outputs["reward"] - 0.1 * calls[:, 0]}

    process.step = counted
    problems = [process.problem(state, costs=("reward",)) for state in range(3)]
    alone = [mcts(simulations=30).plan(each, rng=rng()) for each in problems]
    together = mcts(simulations=30).plan_many(problems, [rng() for _ in problems])
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours.actions, theirs.actions)


def test_a_deadline_cuts_the_tree_and_a_past_one_returns_the_warm_start():
    clock, process = ManualClock(), DecisionProcess(0)
    step = process.step

    def slow(*arguments):
        clock.set_ns(clock.now_ns() + 1_000_000)
        return step(*arguments)

    process.step = slow
    start = np.full((3, 1), 2, np.float32)
    plan = mcts(simulations=50).plan(process.problem(), rng=rng(), deadline=Deadline.after(clock, 0.0105))
    assert (plan.iterations, plan.deadline_hit) == (10, True)
    late = mcts().plan(process.problem(), rng=rng(), warm_start=start, deadline=Deadline(clock, 0))
    np.testing.assert_array_equal(late.actions, start)
    assert np.isnan(late.cost) and late.deadline_hit


def test_beyond_the_tree_the_plan_continues_with_the_warm_start():
    start = np.full((30, 1), 3, np.float32)
    plan = mcts(horizon=30, simulations=5).plan(DecisionProcess(0).problem(), rng=rng(), warm_start=start)
    assert (plan.actions[6:] == 3).all()


def test_mcts_refuses_costs_that_a_tree_cannot_sum():
    process = DecisionProcess(0)
    costs = build_costs([{"type": "reward"}, {"type": "effort"}], "costs")
    with pytest.raises(ConfigError, match="costs reward, effort, wanted `reward` and optionally `value`"):
        mcts().plan(Problem(process, {"state": np.zeros((1, 1))}, costs, Context()), rng=rng())
    costs = build_costs([{"type": "reward"}, {"type": "value", "discount": 0.5}], "costs")
    with pytest.raises(ConfigError, match="the same weight and discount"):
        mcts().plan(Problem(process, {"state": np.zeros((1, 1))}, costs, Context()), rng=rng())


def test_an_edge_returns_the_mean_without_values_and_the_best_with_values():
    means, bests = (Tree(2, 9, np.zeros(2), valued) for valued in (False, True))
    for tree in (means, bests):
        tree.grow([(0, 0)], reward=0.0, discount=1.0, value=4.0, logits=np.zeros(2))
        tree.grow([(0, 1)], reward=0.0, discount=1.0, value=3.5, logits=np.zeros(2))
        tree.grow([(0, 0), (1, 0)], reward=0.0, discount=1.0, value=2.0, logits=np.zeros(2))
    assert means.q(0)[0] < means.q(0)[1]  # (4 + 2) / 2 < 3.5
    assert bests.q(0)[0] > bests.q(0)[1]  # 4 > 3.5


def test_sequential_halving_uses_all_simulations_and_visits_every_choice_first():
    visits = considered_visits(8, 48)
    assert len(visits) == 48
    assert visits[:16] == [0] * 8 + [1] * 8  # all eight, twice
    assert considered_visits(1, 3) == [0, 1, 2]


def broken(choice, value):
    """A decision process in which one choice has a non-finite reward."""
    process = DecisionProcess(0, choices=3)
    process.reward[:, choice] = value
    return process


@pytest.mark.parametrize("root", ["puct", "gumbel"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_choices_with_a_non_finite_reward_are_pruned(root, value):
    process = broken(2, value)
    plan = mcts(root=root).plan(process.problem(costs=("reward",)), rng=rng())
    assert np.isfinite(plan.cost) and 2 not in plan.actions
    assert 0 < plan.not_finite < plan.iterations


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_mcts_with_only_nan_rewards_returns_the_warm_start_at_infinite_cost(root):
    process = DecisionProcess(0, choices=3)
    process.reward[:] = np.nan
    plan = mcts(root=root).plan(process.problem(), rng=rng(), warm_start=np.ones((3, 1), np.float32))
    assert (plan.cost, plan.not_finite) == (np.inf, plan.evaluations)
    assert plan.evaluations == 50 + 2
    assert (plan.actions == 1).all()


@pytest.mark.parametrize("argument", ["warm_start", "proposals"])
def test_mcts_is_never_worse_than_the_warm_start_and_the_proposals(argument):
    process = DecisionProcess(0)
    problem = process.problem(costs=("reward",))
    every = np.indices((4, 4, 4)).reshape(3, -1).T[..., None].astype(np.float32)  # (64, 3, 1)
    totals = problem.evaluate(every).total
    best = every[np.argmin(totals)]
    alone = mcts(simulations=1).plan(problem, rng=rng())
    given = {"warm_start": best} if argument == "warm_start" else {"proposals": best[None]}
    plan = mcts(simulations=1).plan(problem, rng=rng(), **given)
    assert plan.cost == totals.min() < alone.cost
    np.testing.assert_array_equal(plan.actions, best)


def test_the_tree_is_not_deeper_than_the_models_memory():
    process, depths = DecisionProcess(0), []
    process.card = msgspec.structs.replace(
        process.card, max_horizon=3, latents=(*process.card.latents, LatentSpec(name="age", shape=(1,)))
    )
    step = process.step

    def aged(latent, action, noise=None):
        stepped, outputs = step(latent, action)
        age = latent.get("age", np.zeros((1, 1))) + 1  # the last rollout has none
        depths.append(age.max())
        return {**stepped, "age": age}, outputs

    process.step = aged
    problem = process.problem(costs=("reward",))
    problem.latent["age"] = np.zeros((1, 1))
    plan = mcts(simulations=300).plan(problem, rng=rng())
    assert max(depths[:300]) == 3
    assert plan.iterations == 300 and np.isfinite(plan.cost)


def test_no_problems_give_no_plans():
    assert mcts().plan_many([], []) == []


# --- categorical CEM


def match(wanted):
    """The number of choices that differ from `wanted`."""
    wanted = np.asarray(wanted, np.float32)
    return CostOf(lambda actions: (actions[..., 0] != wanted).sum(axis=1))


def categorical(**config):
    return CategoricalCEM(CategoricalCEM.Config(**{"horizon": 6, "samples": 100, **config}))


def test_categorical_cem_finds_a_sequence_of_choices():
    wanted = [4, 0, 2, 2, 1, 3]  # one of 15,625
    plan = categorical(iterations=8).plan(problem(match(wanted), PointMass(CHOICES)), rng=rng())
    assert plan.actions[:, 0].tolist() == wanted
    assert plan.cost == 0


def test_every_candidate_ever_evaluated_is_a_valid_choice():
    model = PointMass(CHOICES)
    plan = categorical().plan(
        problem(match([1] * 6), model),
        rng=rng(),
        warm_start=np.array([[9], [1.4], [2.6], [0], [-1], [3]], np.float32),
        proposals=np.full((1, 6, 1), -3, np.float32),
    )
    for batch in [*model.seen, plan.actions[None]]:
        assert set(np.unique(batch)) <= {0, 1, 2, 3, 4}


def test_knots_repeat_choices():
    model = PointMass(CHOICES)
    planner = categorical(knots=Knots(count=2, curve="hold"))
    plan = planner.plan(problem(match([3, 3, 3, 1, 1, 1]), model), rng=rng())
    assert plan.actions[:, 0].tolist() == [3, 3, 3, 1, 1, 1]
    for batch in model.seen:
        np.testing.assert_array_equal(batch, batch[:, [0, 0, 0, 3, 3, 3]])
    with pytest.raises(ConfigError, match=r"knots.curve is cubic, wanted `hold`"):
        PLANNERS.build({"type": "categorical_cem", "knots": {"count": 2, "curve": "cubic"}}, "test")


def test_choices_are_drawn_with_their_probabilities():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
    drawn = choose(probabilities, rng().random((20_000, 2)))
    np.testing.assert_allclose(np.bincount(drawn[:, 0]) / 20_000, probabilities[0], atol=0.02)
    assert (drawn[:, 1] == 2).all()


def test_refitted_probabilities_sum_to_one_keep_a_floor_and_do_not_change_without_elites():
    old, counts = np.full((1, 4), 0.25), np.eye(4)[[[1], [1]]]
    new = refit_choices(old, counts, np.array([0.5, 0.5]), momentum=0.2, min_probability=0.1)
    assert new.sum() == pytest.approx(1) and new.min() >= 0.1 / 4
    assert new[0, 1] == pytest.approx(0.9 * (0.2 * 0.25 + 0.8) + 0.025)
    same = refit_choices(old, counts, np.zeros(2), momentum=0.2, min_probability=0.1)
    np.testing.assert_allclose(same, old)


@pytest.mark.parametrize("name", ["categorical_cem", "mcts"])
def test_the_same_seed_gives_the_same_choices(name):
    def plan(seed):
        process = DecisionProcess(5)
        return PLANNERS.build({"type": name, "horizon": 4}, "test").plan(process.problem(), rng=rng(seed))

    assert plan(1).actions.tobytes() == plan(1).actions.tobytes()
    assert plan(1).cost == plan(1).cost


# --- the two kinds of actions


def test_a_planner_for_the_other_kind_of_actions_is_refused_with_alternatives():
    with pytest.raises(ConfigError, match=r"CategoricalCEM plans discrete actions.*use icem"):
        categorical(horizon=3).plan(reach([1, 1]), rng=rng())
    with pytest.raises(ConfigError, match="MCTS plans discrete actions"):
        mcts().plan(reach([1, 1]), rng=rng())
    for planner in (CEM, RandomShooting):
        with pytest.raises(ConfigError, match="are 5 discrete choices: use categorical_cem"):
            planner(planner.Config(horizon=6)).plan(problem(match([1] * 6), PointMass(CHOICES)), rng=rng())


def test_a_discrete_action_is_one_integer_component():
    with pytest.raises(ValueError, match="choices is 3, wanted one component from 0 to 2"):
        ActionSpec(names=("a",), units=("",), low=(0.0,), high=(3.0,), choices=3)
    assert action_spec(2).choices == 0
