"""Inputs of the graphs of a bundle: observations, latents and actions, checked against the card."""

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
    """The inputs of `encode.onnx`, arrays (1, ...); missing states are taken as zeros.

    Raises:
        ShapeError: for a missing camera, or an image or state whose shape disagrees with the card.
    """
    if not isinstance(observation, Observation):
        raise ShapeError(
            f"got {type(observation).__name__}, wanted an Observation: "
            "wm.Observation(images={camera: image}, state={...})"
        )
    feed: Arrays = {f"image.{name}": _image(card, observation, name) for name in card.observation.cameras}
    if card.observation.state:
        feed["state"] = _state(card, observation)
    return feed


def latent_feed(card: Card, latent: Latent, batch: int | None = None) -> Arrays:
    """The arrays of a latent that the card lists, (N, ...).

    Args:
        card: of the model.
        latent: missing caches are filled with zeros.
        batch: N that all arrays must have; None for any.

    Raises:
        ShapeError: if another array is missing, or a shape disagrees with the card.
    """
    if not isinstance(latent, Mapping):
        raise ShapeError(
            f"a latent is {type(latent).__name__}, wanted a mapping of names to arrays "
            f"({', '.join(spec.name for spec in card.latents)}): pass what `encode` returned"
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
                "does the encoder belong to another model? (perception: params.world_model)"
            )
    return {spec.name: np.asarray(latent[spec.name], spec.dtype) for spec in card.latents}


def initial_latent(card: Card, latent: Latent, count: int) -> Arrays:
    """The arrays of the latent from which `count` candidates start, as they are.

    Args:
        card: of the model.
        latent: arrays (1, ...) for all candidates, or (count, ...) for one per candidate.
        count: N, number of candidates.

    Raises:
        ShapeError: if an array is missing, or a shape disagrees with the card.
    """
    sizes = {len(latent[spec.name]) for spec in card.latents if spec.role != "shared" and spec.name in latent}
    return latent_feed(card, latent, batch=1 if sizes != {count} else None)


def repeated_latent(card: Card, latent: Latent, count: int) -> Arrays:
    """The arrays of `initial_latent`, repeated to one per candidate, (count, ...), except for shared ones."""
    arrays = initial_latent(card, latent, count)
    for spec in card.latents:
        if spec.role != "shared" and len(arrays[spec.name]) != count:
            arrays[spec.name] = np.repeat(arrays[spec.name], count, axis=0)  # (N, ...)
    return arrays


def checked_actions(card: Card, actions: Array, axes: str) -> NDArray[np.float32]:
    """`actions` as float32.

    Args:
        card: of the model; its action has A components.
        actions: (N, A) or (N, H, A), in the card's units.
        axes: letters of the axes before the last, "N" or "NH".

    Raises:
        ShapeError: for other shapes, or a longer horizon than the model's memory.
    """
    names = card.action.names
    checked = np.asarray(actions, np.float32)
    if checked.ndim != len(axes) + 1 or checked.shape[-1] != len(names):
        raise ShapeError(
            f"actions have shape {checked.shape}, the card of {card.name} says "
            f"({', '.join(axes)}, {len(names)}): {', '.join(names)}"
        )
    horizon, limit = checked.shape[-2], card.max_horizon
    if axes == "NH" and limit and horizon > limit:
        raise ShapeError(
            f"actions have shape {checked.shape}, {horizon} steps, but {card.name} remembers {limit} "
            "(card: max_horizon): lower the planner's horizon"
        )
    return checked


def _image(card: Card, observation: Observation, camera: str) -> NDArray[np.uint8]:
    wanted = card.observation
    if camera not in observation.images:
        raise ShapeError(
            f"no image of camera '{camera}' (got {', '.join(sorted(observation.images)) or 'none'}), "
            f"the card of {card.name} says cameras {', '.join(wanted.cameras)}: pass all of them "
            "(perception: params.cameras)"
        )
    image = np.asarray(observation.images[camera])
    shape = (wanted.height, wanted.width, 3)
    if image.shape != shape or image.dtype != np.uint8:
        raise ShapeError(
            f"the image of camera '{camera}' is {image.dtype} {image.shape}, the card of {card.name} says "
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
                f"({quantity.size},) in {quantity.unit}: does the model belong to another robot?"
            )
        parts.append(value)
    return np.concatenate(parts)[None]
