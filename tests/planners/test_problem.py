import numpy as np
import pytest
from point_mass import CostOf, PointMass, problem, reach

from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.costs.latent import LatentGoal
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.planners.problem import Problem


def test_candidates_are_evaluated_in_chunks_of_max_candidates():
    whole, chunked = PointMass(), PointMass(max_candidates=7)
    candidates = np.random.default_rng(0).standard_normal((20, 3, 2), dtype=np.float32)
    scores = [reach([1, 1], model).evaluate(candidates) for model in (whole, chunked)]
    assert [len(batch) for batch in chunked.seen] == [7, 7, 6]
    np.testing.assert_array_equal(scores[0].total, scores[1].total)


def test_the_total_is_the_weighted_sum_of_the_terms():
    two = [
        WeightedCost("a", CostOf(lambda a: a[:, 0, 0]), weight=2.0),
        WeightedCost("b", CostOf(lambda a: a[:, 0, 1]), weight=0.5),
    ]
    scores = Problem(PointMass(), {"z": np.zeros((1, 2))}, two, Context()).evaluate(
        np.asarray([[[1.0, 4.0]]], np.float32)
    )
    assert scores.total.tolist() == [4.0]
    assert {name: term.tolist() for name, term in scores.terms.items()} == {"a": [1.0], "b": [4.0]}


def test_a_cost_that_requires_an_unknown_latent_is_refused_when_the_problem_is_built():
    costs = [WeightedCost("goal", LatentGoal(LatentGoal.Config(array="tokens")))]
    latent, context = {"z": np.zeros((1, 2))}, Context(goal_latent={"z": np.zeros((1, 2))})
    with pytest.raises(ConfigError, match="requires 'latent:tokens', which toy does not offer"):
        Problem(PointMass(), latent, costs, context)
    with pytest.raises(ConfigError, match="wanted at least one cost"):
        Problem(PointMass(), latent, [], context)


def test_a_missing_goal_is_refused_before_planning():
    costs = [WeightedCost("goal", LatentGoal(LatentGoal.Config()))]
    with pytest.raises(
        ConfigError, match="requires 'context:goal_latent', and the context of this tick holds nothing"
    ):
        Problem(PointMass(), {"z": np.zeros((1, 2))}, costs, Context())


def test_a_cost_that_requires_an_unknown_context_field_is_refused():
    cost = CostOf(lambda actions: actions[:, 0, 0])
    cost.requires = frozenset({"context:gaol"})
    with pytest.raises(ConfigError, match=r"requires 'context:gaol'.*did you mean 'context:goal'"):
        Problem(PointMass(), {"z": np.zeros((1, 2))}, [WeightedCost("own", cost)], Context())


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 2)])
def test_a_last_action_of_the_wrong_shape_is_refused(shape):
    costs = [WeightedCost("a", CostOf(lambda a: a[:, 0, 0]))]
    with pytest.raises(ShapeError, match=r"last_action has shape .*, wanted \(2,\)"):
        Problem(PointMass(), {"z": np.zeros((1, 2))}, costs, Context(last_action=np.zeros(shape)))


def n_minus_one(actions):
    return np.zeros(len(actions) - 1)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (n_minus_one, r"shape \(3,\)"),
        (lambda actions: np.zeros(1), r"shape \(1,\)"),
        (lambda actions: actions[..., 0], r"shape \(4, 3\)"),
        (lambda actions: actions[:, 0, :1], r"shape \(4, 1\)"),
        (lambda actions: np.sum(actions), r"shape \(\)"),
        (lambda actions: 0.5, r"0\.5"),
        (lambda actions: None, "None"),
    ],
)
def test_a_cost_that_does_not_return_one_value_per_candidate_is_named(function, got):
    with pytest.raises(ShapeError, match=rf"cost 'only' returned {got}, wanted one value per .*\(4,\)"):
        problem(CostOf(function)).evaluate(np.zeros((4, 3, 2), np.float32))


@pytest.mark.parametrize(("more", "steps"), [(0, 1), (0, -1), (1, 0), (-1, 0)])
def test_a_model_that_returns_the_wrong_steps_or_candidates_is_named(more, steps):
    class Other(PointMass):
        def rollout(self, latent, actions, noise=None):
            shape = (len(actions) + more, actions.shape[1] + steps, 2)
            return super().rollout(latent, np.zeros(shape, np.float32))

    for count in (4, 600):  # in one call, and in two
        with pytest.raises(ShapeError, match=r"toy returned 'z' of shape \(.*, 2\) for .*, wanted the same"):
            reach([1, 1], Other()).evaluate(np.zeros((count, 3, 2), np.float32))


def test_neither_a_model_nor_a_cost_can_change_a_plan():
    def greedy(actions):
        actions += 1
        return actions[:, 0, 0]

    class Greedy(PointMass):
        def rollout(self, latent, actions, noise=None):
            greedy(actions)

    actions = np.zeros((4, 3, 2), np.float32)
    for wrong in (problem(CostOf(greedy)), reach([1, 1], Greedy())):
        with pytest.raises(ValueError, match="read-only"):
            wrong.evaluate(actions)
    actions += 1  # the caller's own array stays writable


def test_lists_are_converted_to_arrays():
    context = Context(goal_latent={"z": [[1.0, 1.0]]}, last_action=[0.0, 0.0])
    costs = [WeightedCost("goal", LatentGoal(LatentGoal.Config()))]
    given = Problem(PointMass(), {"z": [[0.0, 0.0]]}, costs, context)
    candidates = np.zeros((1, 3, 2), np.float32)
    assert given.evaluate(candidates).total == reach([1, 1]).evaluate(candidates).total
    for wrong in ([["a", "b"]], [[1j, 0]], [[None, None]], [[1.0], [2.0, 3.0]]):
        with pytest.raises(ShapeError, match=r"^z (is not an array|holds .*, wanted real numbers)"):
            Problem(PointMass(), {"z": wrong}, costs, context)


def test_a_last_action_that_is_not_finite_is_refused():
    costs = [WeightedCost("a", CostOf(lambda a: a[:, 0, 0]))]
    with pytest.raises(ShapeError, match="last_action has non-finite values; pass None"):
        Problem(PointMass(), {"z": np.zeros((1, 2))}, costs, Context(last_action=np.array([0, np.nan])))


@pytest.mark.parametrize("requires", [None, "latent:z"])
def test_a_cost_without_valid_requires_is_refused(requires):
    cost = CostOf(lambda actions: actions[:, 0, 0])
    cost.requires = requires
    with pytest.raises(ConfigError, match=r"`requires` of cost 'only' is .*, wanted a frozenset"):
        problem(cost)
    with pytest.raises(ConfigError, match=r"got \{'type': 'reward'\} as a cost, wanted a WeightedCost"):
        Problem(PointMass(), {"z": np.zeros((1, 2))}, [{"type": "reward"}], Context())
