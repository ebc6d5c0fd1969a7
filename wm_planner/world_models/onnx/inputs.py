"""What goes into the graphs of a bundle: observations, latents and actions, checked against the card."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent
from wm_planner.errors import ShapeError

Arrays = dict[str, NDArray[Any]]


def observation_feed(card: Card, observation: Observation) -> Arrays:
    """The inputs of `encode.onnx`, arrays (1, ...); a state that is missing counts as zeros.

    Raises:
        ShapeError: for a camera that is missing, or a picture or state of another shape than the card says.
    """
    if not isinstance(observation, Observation):
        raise ShapeError(
            f"got {type(observation).__name__}, wanted an Observation: "
            "wm.Observation(images={camera: picture}, state={...})"
        )
    feed: Arrays = {f"image.{name}": _picture(card, observation, name) for name in card.observation.cameras}
    if card.observation.state:
        feed["state"] = _state(card, observation)
    return feed


def latent_feed(card: Card, latent: Latent, batch: int | None = None) -> Arrays:
    """The arrays of a latent that the card lists, (N, ...); N is `batch` where that is given.

    A cache that is missing is empty: zeros.

    Raises:
        ShapeError: if another array is missing, or one is of another shape than the card says.
    """
    if not isinstance(latent, Mapping):
        raise ShapeError(
            f"a latent is {type(latent).__name__}, wanted a mapping of names to arrays "
            f"({', '.join(spec.name for spec in card.latents)}): give what `encode` returned"
        )
    caches = [spec for spec in card.latents if spec.role == "cache" and spec.name not in latent]
    if caches and latent:
        size = batch or len(next(iter(latent.values())))
        empty = {spec.name: np.zeros((size, *spec.shape), spec.dtype) for spec in caches}
        latent = {**latent, **empty}
    for spec in card.latents:
        shape = tuple(latent[spec.name].shape) if spec.name in latent else None
        if shape is None or shape[1:] != spec.shape or batch not in (None, shape[0]):
            got = "is missing" if shape is None else f"has shape {shape}"
            wanted = ", ".join(map(str, (batch or "N", *spec.shape)))
            raise ShapeError(
                f"latent {spec.name} {got}, the card of {card.name} says ({wanted}): "
                "is the encoder of another model? (perception: params.world_model)"
            )
    return {spec.name: np.asarray(latent[spec.name], spec.dtype) for spec in card.latents}


def start(card: Card, latent: Latent, count: int) -> Arrays:
    """The arrays of a latent that `count` candidates start from.

    Args:
        latent: arrays (1, ...), or (count, ...) where every candidate starts from its own.

    Raises:
        ShapeError: if an array is missing or of another shape.
    """
    sizes = {len(latent[spec.name]) for spec in card.latents if spec.role != "shared" and spec.name in latent}
    return latent_feed(card, latent, batch=1 if sizes != {count} else None)


def repeated(card: Card, latent: Latent, count: int) -> Arrays:
    """The arrays of `start`, one a candidate; shared ones stay as they are."""
    arrays = start(card, latent, count)
    for spec in card.latents:
        if spec.role != "shared" and len(arrays[spec.name]) != count:
            arrays[spec.name] = np.repeat(arrays[spec.name], count, axis=0)  # (N, ...)
    return arrays


def checked_actions(card: Card, actions: Array, axes: str) -> NDArray[np.float32]:
    """`actions` as float32.

    Args:
        card: says how many components an action has.
        actions: (N, A) or (N, H, A), in the card's units.
        axes: the letters of all axes but the last, "N" or "NH".

    Raises:
        ShapeError: for other shapes.
    """
    names = card.action.names
    checked = np.asarray(actions, np.float32)
    if checked.ndim != len(axes) + 1 or checked.shape[-1] != len(names):
        raise ShapeError(
            f"actions have shape {checked.shape}, the card of {card.name} says "
            f"({', '.join(axes)}, {len(names)}): {', '.join(names)}"
        )
    horizon, most = checked.shape[-2], card.max_horizon
    if axes == "NH" and most and horizon > most:
        raise ShapeError(
            f"actions have shape {checked.shape}, {horizon} steps, {card.name} remembers {most} "
            "(card: max_horizon): lower the planner's horizon"
        )
    return checked


def _picture(card: Card, observation: Observation, camera: str) -> NDArray[np.uint8]:
    wanted = card.observation
    if camera not in observation.images:
        raise ShapeError(
            f"no picture of camera '{camera}' (got {', '.join(sorted(observation.images)) or 'none'}), "
            f"the card of {card.name} says cameras {', '.join(wanted.cameras)}: give them all "
            "(perception: params.cameras)"
        )
    image = np.asarray(observation.images[camera])
    shape = (wanted.height, wanted.width, 3)
    if image.shape != shape or image.dtype != np.uint8:
        raise ShapeError(
            f"the picture of camera '{camera}' is {image.dtype} {image.shape}, the card of {card.name} says "
            f"uint8 {shape}: render or scale it to that size"
        )
    return image[None]


def _state(card: Card, observation: Observation) -> NDArray[np.float32]:
    parts = []
    for quantity in card.observation.state:
        value = np.asarray(observation.state.get(quantity.name, np.zeros(quantity.size)), np.float32)
        if value.shape != (quantity.size,):
            raise ShapeError(
                f"state {quantity.name} has shape {value.shape}, the card of {card.name} says "
                f"({quantity.size},) in {quantity.unit}: is it another robot's model?"
            )
        parts.append(value)
    return np.concatenate(parts)[None]
