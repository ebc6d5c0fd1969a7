"""Validation of a data set before it is used: values that are not finite, or lie outside of their bounds."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.dataset import Array, Dataset
from wm_planner.contracts.quantity import TOLERANCE, width
from wm_planner.errors import DatasetError

ROWS = 16_384  # read at a time

SHARE = "share closed"
"""Unit of a gripper position, the last component of its quantity."""

MOVES, LARGEST_M = 0.01, 0.15
"""A gripper position that moves by more than the first number, and never reaches the second, is in m."""


def validated(data: Dataset) -> tuple[str, ...]:
    """Check the values of state, action and signals.

    Returns:
        Warnings about actions and states outside of their bounds.

    Raises:
        DatasetError: naming array, episode and frame of the first value that is not finite, or of a discrete
            action or label that does not exist.
    """
    names = ["state", "action", *(each.name for each in data.meta.signals if each.dtype.startswith("float"))]
    outside, farthest = 0, np.zeros(len(data.meta.action_names))
    bounds = _StateBounds(data)
    for start in range(0, len(data.episode), ROWS):
        rows = slice(start, min(start + ROWS, len(data.episode)))
        for name in names:
            values = data.read(name, rows).reshape(rows.stop - start, -1).astype(np.float64)
            _refuse(data, name, start, np.any(~np.isfinite(values), axis=1), "is not finite")
        bounds.look(rows)
        excess = _excess(data, rows)
        outside += int((excess > TOLERANCE).any(axis=1).sum())
        farthest = np.maximum(farthest, excess.max(axis=0))
    actions = (_warning(data, outside, farthest),) if outside else ()
    return (*actions, *bounds.warnings())


class _StateBounds:
    """The columns of the state array: how far they lie outside of the bounds of their quantities."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._names = [f"{each.name}[{i}]" for each in data.meta.state for i in range(each.size)]
        sides = [each.bounds for each in data.meta.state] or [(np.empty(0), np.empty(0))]
        self._low, self._high = (np.concatenate(side) for side in zip(*sides, strict=True))
        labels = [each.choices > 0 for each in data.meta.state for _ in range(each.size)]
        self._is_label = np.array(labels, bool)
        self._outside = np.zeros(len(self._names), int)
        self._range = np.stack([self._high, self._low])

    def look(self, rows: slice) -> None:
        """Take in frames.

        Raises:
            DatasetError: for a label that does not exist.
        """
        state = self._data.read("state", rows).astype(np.float64)
        slack = TOLERANCE * width(self._low, self._high)
        beyond = (state < self._low - slack) | (state > self._high + slack)
        labels = self._is_label & (beyond | (state != np.round(state)))
        for column in np.flatnonzero(labels.any(axis=0))[:1]:
            what = f"holds a label of {self._names[column]} that does not exist"
            _refuse(self._data, "state", rows.start, labels[:, column], what)
        self._outside += beyond.sum(axis=0)
        self._range[0] = np.minimum(self._range[0], state.min(axis=0, initial=np.inf))
        self._range[1] = np.maximum(self._range[1], state.max(axis=0, initial=-np.inf))

    def warnings(self) -> list[str]:
        """One for each component that lies outside of its bounds, or is in another unit than it says."""
        return self._grippers() + [
            f"{self._data.path}: {self._outside[i] / len(self._data.episode):.1%} of the values of "
            f"{self._names[i]} lie outside of {self._low[i]:g} to {self._high[i]:g}, they reach "
            f"{self._range[0, i]:g} to {self._range[1, i]:g}: "
            "a model that is trained on them has no such bounds"
            for i in np.flatnonzero(self._outside)
        ]

    def _grippers(self) -> list[str]:
        """One for each gripper position that is in m, by its range: a share closes beyond a few percent."""
        ends = np.cumsum([each.size for each in self._data.meta.state], dtype=int)
        last = [
            end - 1
            for each, end in zip(self._data.meta.state, ends, strict=True)
            if each.unit.endswith(SHARE)
        ]
        lowest, highest = self._range
        return [
            f"{self._data.path}: {self._names[i]} lies between {lowest[i]:g} and {highest[i]:g}, its unit is "
            f"{SHARE}: is it in m? wanted 0 open to 1 closed, e.g. 1 - opening / largest opening"
            for i in last
            if highest[i] - lowest[i] > MOVES and highest[i] < LARGEST_M
        ]


def _excess(data: Dataset, rows: slice) -> NDArray[np.float64]:
    """How far actions (n, A) lie outside of their bounds, as a fraction of the bounds' width.

    Raises:
        DatasetError: for a discrete action that does not exist.
    """
    low, high = (np.asarray(each) for each in (data.meta.action_low, data.meta.action_high))
    action = data.read("action", rows).astype(np.float64)
    beyond = np.maximum(low - action, action - high).clip(min=0)
    if choices := data.meta.action_choices:
        wrong = (beyond > 0) | (action != np.round(action))
        _refuse(data, "action", rows.start, wrong.any(axis=1), f"is not one of the {choices} choices")
    following = data.episode[rows.start + 1 : rows.stop + 1]
    last = data.episode[rows] != np.append(following, -1)[: len(action)]
    beyond[last] = 0  # no action was executed there
    return np.asarray(beyond / width(low, high))


def _refuse(data: Dataset, name: str, start: int, wrong: NDArray[np.bool_], problem: str) -> None:
    """Raise for the first of the frames from `start` on that is `wrong`."""
    if not wrong.any():
        return
    row = start + int(wrong.argmax())
    episode = data.episode[row]
    frame = row - int(np.searchsorted(data.episode, episode))
    value: Array = data.read(name, slice(row, row + 1))[0]
    raise DatasetError(
        f"{data.path}: {name} of episode {episode}, frame {frame} {problem}: {value.tolist()}; "
        "correct or remove that episode"
    )


def _warning(data: Dataset, outside: int, farthest: NDArray[np.float64]) -> str:
    meta, worst = data.meta, int(farthest.argmax())
    name, unit = meta.action_names[worst], meta.action_units[worst]
    return (
        f"{data.path}: {outside / len(data.episode):.1%} of the actions lie outside of their bounds, "
        f"{name} by up to {farthest[worst]:.0%} of the width of {meta.action_low[worst]:g} to "
        f"{meta.action_high[worst]:g} {unit}; planners propose no such actions: are the bounds right?"
    )
