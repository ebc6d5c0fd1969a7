"""The optimisation problem of one tick: a world model, a latent, costs and their context."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import to_device
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array, namespace
from wm_planner.contracts.context import Context
from wm_planner.contracts.cost import WeightedCost
from wm_planner.contracts.rollout import Latent, Rollout
from wm_planner.contracts.world_model import Differentiable, WorldModel, scoring_of
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.planners.action_space import ActionSpace
from wm_planner.planners.checks import (
    as_arrays,
    check_context,
    check_costs,
    checked_action,
)
from wm_planner.planners.constraints import violations
from wm_planner.planners.futures import Futures


@dataclass(frozen=True, slots=True)
class Scores:
    """The costs of N candidates.

    Attributes:
        total: weighted sum of the terms without a limit, (N,); infinite where any term is not finite.
        terms: unweighted terms by name, (N,) each.
        excess: each constrained term minus its limit, (N, C); positive where it is violated.
    """

    total: NDArray[np.float64]
    terms: Mapping[str, NDArray[np.float64]]
    excess: NDArray[np.float64]

    @property
    def violation(self) -> NDArray[np.float64]:
        """Sum of the positive excesses, (N,)."""
        return violations(self.excess)


class Problem:
    """The optimisation problem of one tick.

    Args:
        model: imagines the candidates.
        latent: where they start, arrays (1, ...).
        costs: the terms to minimise, and the constraints.
        context: what the costs may read next to the rollout.
        futures: draws of the model's noise under which every candidate is imagined; None for calm noise.

    Attributes:
        space: the model's admissible actions.

    Raises:
        ConfigError: if a cost requires something that neither the model's card nor the context provides.
        ShapeError: if the last action has another shape than the model's actions, or is not finite.
    """

    def __init__(
        self,
        model: WorldModel,
        latent: Latent,
        costs: Sequence[WeightedCost],
        context: Context,
        futures: Futures | None = None,
    ) -> None:
        check_costs(model.card, costs)
        check_context(context, costs)
        self.model = model
        self.latent = as_arrays(latent)
        self.costs = tuple(costs)
        self.futures = futures
        self.space = ActionSpace.of(model.card.action)
        self.context = dataclasses.replace(
            context,
            goal=as_arrays(context.goal),
            goal_latent=None if context.goal_latent is None else as_arrays(context.goal_latent),
            last_action=checked_action(context.last_action, self.space),
            action_scale=self.space.half_range,
        )

    def evaluate(self, actions: Array) -> Scores:
        """Scores of the candidates `actions` (N, H, A), in chunks of the card's `max_candidates`."""
        return evaluate_many([self], [actions])[0]

    def gradient(self, actions: Array) -> tuple[Scores, NDArray[np.float32]]:
        """Scores of `actions` (N, H, A), and the gradient of the totals, (N, H, A).

        The gradient includes the penalties of constrained terms that exceed their limits.

        Raises:
            ConfigError: if the model has no gradients, or several futures are to be imagined.
        """
        if self.futures is not None:
            raise ConfigError(
                f"gradients are of one rollout with calm noise, and {self.futures.count} futures are to be "
                "imagined: set futures to 1, or choose a sampling planner"
            )
        if not isinstance(self.model, Differentiable):
            raise ConfigError(
                f"{self.model.card.name} has no gradients: use a torch model "
                "(wm_planner.training.torch_model:TorchWorldModel), or choose a sampling planner"
            )
        rollout, gradient = self.model.gradient(self.latent, actions, self._objective)
        return self.score(rollout, actions), gradient

    def present(self) -> dict[str, float]:
        """Unweighted terms of the current latent, as if it persisted; without terms that need model outputs.

        A term that is 0 at the goal thus measures the distance to the goal independently of any plan.
        """
        candidates = [spec for spec in self.model.card.latents if spec.role == "candidate"]
        here = {spec.name: np.asarray(self.latent[spec.name])[:, None] for spec in candidates}  # (1, 1, ...)
        states = {spec.name: here[spec.name] for spec in candidates if spec.unit is not None}
        stay = self.space.hold(1, self.context.last_action)[None]
        return {
            cost.name: float(cost.cost(Rollout(here, states), stay, self.context)[0])
            for cost in self.costs
            if not any(need.startswith("output:") for need in cost.cost.requires)
        }

    def terms(self, rollout: Rollout, actions: Array) -> dict[str, Array]:
        """Unweighted terms by name, (N,) each, of `actions` (N, H, A) and their rollout."""
        given = {cost.name: cost.cost(rollout, actions, self.context) for cost in self.costs}
        xp = namespace(actions)
        for name, term in given.items() if type(actions) is np.ndarray else ():
            shape = getattr(term, "shape", None)
            if shape != (len(actions),):
                raise ShapeError(
                    f"cost '{name}' returned {_describe(term, shape)}, wanted one value per candidate, "
                    f"(N,) = ({len(actions)},)"
                )
        return {name: xp.astype(_to_namespace(term, xp), xp.float64) for name, term in given.items()}

    def score(self, rollout: Rollout, actions: Array) -> Scores:
        """The scores of `actions` (N, H, A) and their rollout."""
        return self._scores(self.terms(rollout, actions))

    def _objective(self, rollout: Rollout, actions: Array) -> Array:
        """The differentiable total with penalties, (N,), in the namespace of the arrays."""
        total = 0 * actions[:, 0, 0]
        for cost in self.costs:
            value = cost.cost(rollout, actions, self.context)
            if cost.limit is None:
                total = total + cost.weight * value
            else:
                excess = value - cost.limit.at_most
                total = total + cost.limit.penalty * excess * (excess > 0)
        return total

    def _scores(self, terms: Mapping[str, Array]) -> Scores:
        xp = namespace(terms[self.costs[0].name])
        total = xp.zeros_like(terms[self.costs[0].name])
        excess = []
        with np.errstate(invalid="ignore", over="ignore"):
            for cost in self.costs:
                term = terms[cost.name]
                if cost.limit is None:
                    total = total + cost.weight * term
                else:
                    finite = xp.isfinite(term)
                    excess.append(xp.where(finite, term - cost.limit.at_most, xp.inf))
                    total = xp.where(finite, total, xp.inf)
        total = xp.where(xp.isfinite(total), total, xp.inf)
        return Scores(total, terms, xp.stack(excess, axis=1) if excess else total[:, None][:, :0])


def evaluate_many(problems: Sequence[Problem], candidates: Sequence[Array]) -> list[Scores]:
    """The scores of each problem's candidates (N, H, A).

    Problems with the same model share its calls, unless the model has `shared` latent arrays.
    """
    model = problems[0].model
    if any(problem.futures is not None for problem in problems):
        return [_evaluate(problem, some) for problem, some in zip(problems, candidates, strict=True)]
    if len(problems) == 1 and len(candidates[0]) <= model.card.max_candidates:
        return [problems[0]._scores(_imagined_terms(problems[0], candidates[0]))]
    one_call = all(problem.model is model for problem in problems)
    one_call &= scoring_of(model) is None and all(spec.role != "shared" for spec in model.card.latents)
    if len(problems) > 1 and not one_call:
        return [problem.evaluate(some) for problem, some in zip(problems, candidates, strict=True)]
    parts: list[list[Mapping[str, Array]]] = [[] for _ in problems]
    for call in _batches([len(some) for some in candidates], model.card.max_candidates):
        if len(call) == 1:
            index, part = call[0]
            parts[index].append(_imagined_terms(problems[index], candidates[index][part]))
            continue
        actions = [candidates[index][part] for index, part in call]
        latents = [problems[index].latent for index, _ in call]
        rollout, _ = _checked_rollout(model, _fold(latents, [len(a) for a in actions]), _concat(actions))
        done = 0
        for (index, _), own in zip(call, actions, strict=True):
            parts[index].append(problems[index].terms(rollout.part(done, done + len(own)), own))
            done += len(own)
    return [problem._scores(_concat_terms(own)) for problem, own in zip(problems, parts, strict=True)]


def _evaluate(problem: Problem, candidates: Array) -> Scores:
    """The scores of `candidates` (N, H, A), each imagined in all futures of the problem."""
    futures = problem.futures
    if futures is None:
        return problem.evaluate(candidates)
    noise, count = futures.noise(candidates.shape[1]), futures.count
    rows, chunk = len(candidates) * count, problem.model.card.max_candidates
    parts: list[dict[str, Array]] = []
    for start in range(0, rows, chunk):
        row = np.arange(start, min(rows, start + chunk))
        drawn = {name: array[row % count] for name, array in noise.items()}  # (rows, H, ...)
        imagined = _checked_rollout(problem.model, problem.latent, candidates[row // count], drawn)
        parts.append(problem.terms(*imagined))
    terms = {name: term.reshape(-1, count) for name, term in _concat_terms(parts).items()}  # (N, K)
    return problem._scores(futures.reduce(terms, problem.costs))


def _batches(counts: Sequence[int], max_candidates: int) -> Iterator[list[tuple[int, slice]]]:
    """Pack the candidates of each problem into model calls of at most `max_candidates`.

    Args:
        counts: number of candidates per problem.
        max_candidates: per call.

    Yields:
        For each call, the index of a problem and a slice of its candidates.
    """
    call: list[tuple[int, slice]] = []
    room = max_candidates
    for index, count in enumerate(counts):
        start = 0
        while start < count:
            stop = min(count, start + room)
            call.append((index, slice(start, stop)))
            room -= stop - start
            start = stop
            if room == 0:
                yield call
                call, room = [], max_candidates
    if call:
        yield call


def _fold(latents: Sequence[Latent], counts: Sequence[int]) -> Latent:
    """A single latent (1, ...) unchanged; several, each repeated for its candidates, (N, ...)."""
    if len(latents) == 1:
        return latents[0]
    return {
        name: np.concatenate([np.repeat(z[name], n, axis=0) for z, n in zip(latents, counts, strict=True)])
        for name in latents[0]
    }


def _imagined_terms(problem: Problem, actions: Array) -> Mapping[str, Array]:
    """The terms of `actions` (N, H, A), computed where the model imagines if it can do that."""
    if (scoring := scoring_of(problem.model)) is not None:
        terms = scoring.terms(problem.latent, _read_only(actions), problem.costs, problem.context)
        if terms is not None:
            return terms
    return problem.terms(*_checked_rollout(problem.model, problem.latent, actions))


def _read_only(actions: Array) -> Array:
    """A view that a model or a cost cannot modify the plan through."""
    if isinstance(actions, np.ndarray):
        actions = actions.view()
        actions.flags.writeable = False
    return actions


def _checked_rollout(
    model: WorldModel, latent: Latent, actions: Array, noise: Mapping[str, Array] | None = None
) -> tuple[Rollout, Array]:
    """The rollout of `actions` (N, H, A), and the actions as a read-only view.

    Raises:
        ShapeError: if an array of the rollout does not start with the axes (N, H).
    """
    actions = _read_only(actions)
    rollout = model.rollout(latent, actions, noise) if noise else model.rollout(latent, actions)
    for kind in (rollout.latents, rollout.states, rollout.outputs):
        for name, array in kind.items():
            if array.shape[:2] != actions.shape[:2]:
                raise ShapeError(
                    f"{model.card.name} returned '{name}' of shape {tuple(array.shape)} for actions of shape "
                    f"{tuple(actions.shape)}, wanted the same first axes, (N, H) = {tuple(actions.shape[:2])}"
                )
    return rollout, actions


def _describe(term: Array, shape: tuple[int, ...] | None) -> str:
    return f"{term!r}" if shape is None else f"shape {tuple(shape)}"


def _to_namespace(term: Array, xp: Any) -> Array:
    """A term (N,) in the namespace of the actions, copied from its device if need be."""
    return term if namespace(term) is xp else xp.asarray(to_device(term, "cpu"))


def _concat_terms(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The terms of candidates that were evaluated in several calls."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _concat(actions: Sequence[Array]) -> Array:
    return actions[0] if len(actions) == 1 else np.concatenate(actions)
