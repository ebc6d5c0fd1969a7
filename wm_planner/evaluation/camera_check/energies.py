"""How well a model predicts the next picture under each hypothesis on how its inputs are wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import Card
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel
from wm_planner.control.tool_action import TAKEN, ToolAction
from wm_planner.errors import ConfigError
from wm_planner.evaluation.camera_check.hypotheses import EXPECTED, POSE, POSITION, Hypothesis
from wm_planner.evaluation.camera_check.picture_changes import UNCHANGED, PictureChange
from wm_planner.evaluation.model_quality.pairs import Pair

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Energies:
    """Energies of n pairs under K hypotheses; an energy is the mean absolute error of the representation.

    Attributes:
        hypotheses: the K hypotheses.
        predicted: energy of the prediction, (n, K).
        still: energy of predicting no change at all, which depends on how the picture is changed, (n, K).
        unrelated: energy of predictions with actions of other pairs, everything else as measured, (n,).
    """

    hypotheses: tuple[Hypothesis, ...]
    predicted: Floats
    still: Floats
    unrelated: Floats


def tool_action_of(card: Card) -> ToolAction:
    """The kind of a card's actions.

    Raises:
        ConfigError: if they are not those of a tool, or the model sees no camera.
    """
    kind = ToolAction.of(card.action.names, card.action.units)
    if kind is None:
        raise ConfigError(
            f"{card.name} takes actions {', '.join(card.action.names)}: the axes of a camera can be checked "
            f"for actions {TAKEN}"
        )
    if not card.observation.cameras:
        raise ConfigError(f"{card.name} sees no camera: there is nothing to check")
    return kind


def energies(
    model: WorldModel,
    pairs: Sequence[Pair],
    tried: Sequence[Hypothesis],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Energies:
    """The energies of `pairs` under the hypotheses `tried`, with and without changes of the picture.

    Raises:
        ConfigError: for a model without a camera or with other actions than those of a tool.
        ShapeError: if a picture or state does not fit the model.
    """
    kind = tool_action_of(model.card)
    predicted, still = np.empty((len(pairs), len(tried))), np.empty((len(pairs), len(tried)))
    unrelated = np.empty(len(pairs))
    changes = list(dict.fromkeys(each.picture for each in tried))
    for i, pair in enumerate(pairs):
        for change in changes:
            columns = [k for k, each in enumerate(tried) if each.picture is change]
            same = [tried[k] for k in columns]
            scene = _Scene(model, pair, change)
            actions = np.stack([each.action(pair.action, kind) for each in same])
            predicted[i, columns] = scene.energy([each.state(pair.before.state) for each in same], actions)
            still[i, columns] = scene.still
            if change is UNCHANGED:
                other = pairs[(i + len(pairs) // 2) % len(pairs)].action
                unrelated[i] = scene.energy([EXPECTED.state(pair.before.state)], other[None])[0]
        progress(i + 1, len(pairs))
    return Energies(tuple(tried), predicted, still, unrelated)


class _Scene:
    """Two consecutive pictures, changed and encoded.

    Attributes:
        still: energy of predicting no change.
    """

    def __init__(self, model: WorldModel, pair: Pair, change: PictureChange) -> None:
        self._model, self._array = model, model.card.representation
        self._before = _changed(pair.before, change)
        self._latent = model.encode(self._before)
        self._after = model.encode(_changed(pair.after, change))[self._array]
        self.still = float(np.abs(self._latent[self._array] - self._after).mean())

    def energy(self, states: Sequence[Mapping[str, Floats]], actions: NDArray[np.floating]) -> Floats:
        """Energies (K,) of actions (K, A) from K states."""
        size, found = self._model.card.max_candidates, []
        for first in range(0, len(actions), size):
            chunk = slice(first, first + size)
            steps = actions[chunk, None].astype(np.float32)
            imagined = self._model.rollout(self._latents(states[chunk]), steps).latents[self._array][:, -1]
            found.append(np.abs(imagined - self._after).reshape(len(steps), -1).mean(axis=1))
        return np.concatenate(found)

    def _latents(self, states: Sequence[Mapping[str, Floats]]) -> Latent:
        """The latents (K, ...) of the scene with K states; encoded again only where they do not pass."""
        card, kept = self._model.card, dict(self._latent)
        told = [spec.name for spec in card.observation.state if spec.name in (POSITION, POSE)]
        if all(name in kept for name in told):
            latents: list[Latent] = [
                kept | {name: state[name][None].astype(np.float32) for name in told} for state in states
            ]
        else:
            latents = [self._model.encode(replace(self._before, state=state)) for state in states]
        shared = {spec.name for spec in card.latents if spec.role == "shared"}
        return {
            name: array if name in shared else np.concatenate([each[name] for each in latents])
            for name, array in kept.items()
        }


def _changed(observation: Observation, change: PictureChange) -> Observation:
    images = {name: np.ascontiguousarray(change.undo(image)) for name, image in observation.images.items()}
    return replace(observation, images=images)
