"""What a planner minimises: a world model, a latent, costs and their context, bound for one tick."""

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
from wm_planner.contracts.world_model import Differentiable, WorldModel
from wm_planner.errors import ConfigError, ShapeError
from wm_planner.planners.action_space import ActionSpace
from wm_planner.planners.checks import (
    arrays,
    check_context,
    check_costs,
    checked_action,
)
from wm_planner.planners.constraints import violations


@dataclass(frozen=True, slots=True)
class Scores:
    """What candidates cost.

    Attributes:
        total: weighted sum of the terms without a limit, (N,); infinite where any term is not finite.
        terms: name to (N,), unweighted.
        excess: by how much each limited term is above its limit, (N, C); below 0 the limit is kept.
    """

    total: NDArray[np.float64]
    terms: Mapping[str, NDArray[np.float64]]
    excess: NDArray[np.float64]

    @property
    def violation(self) -> NDArray[np.float64]:
        """Sum of what is above the limits, (N,)."""
        return violations(self.excess)


class Problem:
    """A world model, a latent, costs and their context, bound for one tick.

    Args:
        model: what imagines the candidates.
        latent: where they start, arrays (1, ...).
        costs: what they are judged by.
        context: what the costs may read beside the rollout.

    Raises:
        ConfigError: if a cost requires what the model's card or the context does not offer.
        ShapeError: if the last action is none of the model's, or holds numbers that are not finite.
    """

    def __init__(
        self, model: WorldModel, latent: Latent, costs: Sequence[WeightedCost], context: Context
    ) -> None:
        check_costs(model, costs)
        check_context(context, costs)
        self.model = model
        self.latent = arrays(latent)
        self.costs = tuple(costs)
        self.space = ActionSpace.of(model.card.action)
        self.context = dataclasses.replace(
            context,
            goal=arrays(context.goal),
            goal_latent=None if context.goal_latent is None else arrays(context.goal_latent),
            last_action=checked_action(context.last_action, self.space),
            action_scale=self.space.half_range,
        )

    def evaluate(self, actions: Array) -> Scores:
        """Scores of `actions` (N, H, A), computed in chunks of the card's `max_candidates`."""
        return evaluate_many([self], [actions])[0]

    def gradient(self, actions: Array) -> tuple[Scores, NDArray[np.float32]]:
        """Scores of `actions` (N, H, A), and the gradient of the totals, (N, H, A).

        Terms with a limit are part of it where they are above the limit, by the limit's penalty.

        Raises:
            ConfigError: if the model has no gradients.
        """
        if not isinstance(self.model, Differentiable):
            raise ConfigError(
                f"{self.model.card.name} has no gradients: plan with a model that torch runs "
                "(wm_planner.training.torch_model:TorchWorldModel), or choose a planner that samples"
            )
        rollout, gradient = self.model.gradient(self.latent, actions, self._objective)
        return self.score(rollout, actions), gradient

    def present(self) -> dict[str, float]:
        """The terms, unweighted, of staying where the latent is, save those that need a model's outputs.

        What is 0 at the goal is a measure of how near it is, whatever the planner hopes for.
        """
        candidates = [spec for spec in self.model.card.latents if spec.role == "candidate"]
        here = {spec.name: np.asarray(self.latent[spec.name])[:, None] for spec in candidates}  # (1, 1, ...)
        states = {spec.name: here[spec.name] for spec in candidates if spec.unit is not None}
        stay = self.space.hold(1)[None]
        return {
            cost.name: float(cost.cost(Rollout(here, states), stay, self.context)[0])
            for cost in self.costs
            if not any(need.startswith("output:") for need in cost.cost.requires)
        }

    def terms(self, rollout: Rollout, actions: Array) -> dict[str, Array]:
        """The terms (N,) by name, unweighted, of imagined `actions` (N, H, A)."""
        given = {cost.name: cost.cost(rollout, actions, self.context) for cost in self.costs}
        xp = namespace(actions)
        for name, term in given.items() if type(actions) is np.ndarray else ():
            shape = getattr(term, "shape", None)
            if shape != (len(actions),):
                raise ShapeError(
                    f"cost '{name}' gave {_words(term, shape)}, wanted one number a candidate, (N,) = "
                    f"({len(actions)},)"
                )
        return {name: xp.astype(_brought(term, xp), xp.float64) for name, term in given.items()}

    def score(self, rollout: Rollout, actions: Array) -> Scores:
        """The scores of `actions` (N, H, A) that were imagined in one call."""
        return self._scores(self.terms(rollout, actions))

    def _objective(self, rollout: Rollout, actions: Array) -> Array:
        """The total (N,) in the arrays' own namespace."""
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
    """The scores of every problem's candidates (N, H, A), imagined side by side where one model serves all.

    A model with shared arrays takes one problem a call.
    """
    model = problems[0].model
    if len(problems) == 1 and len(candidates[0]) <= model.card.max_candidates:
        return [problems[0].score(*_imagined(model, problems[0].latent, candidates[0]))]
    foldable = all(problem.model is model for problem in problems)
    foldable &= all(spec.role != "shared" for spec in model.card.latents)
    if len(problems) > 1 and not foldable:
        return [problem.evaluate(some) for problem, some in zip(problems, candidates, strict=True)]
    parts: list[list[dict[str, Array]]] = [[] for _ in problems]
    for call in _calls([len(some) for some in candidates], model.card.max_candidates):
        actions = [candidates[index][part] for index, part in call]
        latents = [problems[index].latent for index, _ in call]
        rollout, _ = _imagined(model, _fold(latents, [len(a) for a in actions]), _joined(actions))
        done = 0
        for (index, _), own in zip(call, actions, strict=True):
            parts[index].append(problems[index].terms(rollout.part(done, done + len(own)), own))
            done += len(own)
    return [problem._scores(_end_to_end(own)) for problem, own in zip(problems, parts, strict=True)]


def _calls(counts: Sequence[int], most: int) -> Iterator[list[tuple[int, slice]]]:
    """The parts of each problem's candidates that go into one model call of at most `most`."""
    call: list[tuple[int, slice]] = []
    room = most
    for index, count in enumerate(counts):
        start = 0
        while start < count:
            stop = min(count, start + room)
            call.append((index, slice(start, stop)))
            room -= stop - start
            start = stop
            if room == 0:
                yield call
                call, room = [], most
    if call:
        yield call


def _fold(latents: Sequence[Latent], counts: Sequence[int]) -> Latent:
    """One latent (1, ...) as it is; several, each repeated for its candidates, (N, ...)."""
    if len(latents) == 1:
        return latents[0]
    return {
        name: np.concatenate([np.repeat(z[name], n, axis=0) for z, n in zip(latents, counts, strict=True)])
        for name in latents[0]
    }


def _imagined(model: WorldModel, latent: Latent, actions: Array) -> tuple[Rollout, Array]:
    """What `actions` (N, H, A) lead to, and the actions, both as the contract has them.

    Raises:
        ShapeError: naming what the model gave too many or too few of.
    """
    if isinstance(actions, np.ndarray):
        actions = actions.view()
        actions.flags.writeable = False  # what a model or a cost writes would become the plan
    rollout = model.rollout(latent, actions)
    for kind in (rollout.latents, rollout.states, rollout.outputs):
        for name, array in kind.items():
            if array.shape[:2] != actions.shape[:2]:
                raise ShapeError(
                    f"{model.card.name} imagined '{name}' of shape {tuple(array.shape)}, wanted N candidates "
                    f"and H steps of actions {tuple(actions.shape)} first, (N, H, ...) = {actions.shape[:2]}"
                )
    return rollout, actions


def _words(term: Array, shape: tuple[int, ...] | None) -> str:
    return f"{term!r}" if shape is None else f"shape {tuple(shape)}"


def _brought(term: Array, xp: Any) -> Array:
    """A term (N,) in the namespace of the actions, from the device of a model that keeps its arrays there."""
    return term if namespace(term) is xp else xp.asarray(to_device(term, "cpu"))


def _end_to_end(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The terms of candidates that were imagined in several calls."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _joined(actions: Sequence[Array]) -> Array:
    return actions[0] if len(actions) == 1 else np.concatenate(actions)
