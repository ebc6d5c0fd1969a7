"""Whether the gripper position that a robot tells is what models expect: 0 open, 1 closed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_planner.bridges.messages import WHOLE_POSE
from wm_planner.contracts.card import Card
from wm_planner.contracts.observation import Observation
from wm_planner.errors import InputError

CHANGE = "dgripper"
"""The action whose effect is watched."""

TOLD = 0.25
"""Smallest change of the gripper that counts as told, a share of its stroke."""

MOVED = 0.005
"""Smallest change of its position that counts as a motion, also if it is told in m."""

WRONG = 3
"""Motions in a row against what was told, after which the position is refused; one may be late."""


class GripperWatch:
    """Finds an opening in m, or a share that counts from closed to open: it moves against the action.

    Args:
        card: of the model; without a pose of 7 numbers or a change of the gripper, nothing is watched.
    """

    def __init__(self, card: Card) -> None:
        poses = [each.size for each in card.observation.state if each.name == WHOLE_POSE]
        is_watched = poses == [7] and CHANGE in card.action.names
        self._column = card.action.names.index(CHANGE) if is_watched else None
        self.reset()

    def reset(self) -> None:
        """Forget what was seen, e.g. at the start of an episode."""
        self._before: float | None = None
        self._wrong = 0

    def look(self, observation: Observation, last_action: NDArray[Any] | None) -> None:
        """Take in an observation, and the action (A,) that was carried out before it.

        Raises:
            InputError: if the position has moved against the action again and again.
        """
        if self._column is None:
            return
        before, now = self._before, float(observation.state[WHOLE_POSE][6])
        self._before = now
        if before is None or last_action is None:
            return
        told, moved = float(last_action[self._column]), now - before
        if abs(told) >= TOLD and abs(moved) >= MOVED:
            self._wrong = self._wrong + 1 if np.sign(told) != np.sign(moved) else 0
        if self._wrong >= WRONG:
            raise InputError(
                f"{WHOLE_POSE}[6] moved against {CHANGE} {self._wrong} times in a row, and is {now:g} now; "
                "wanted the gripper position from 0 open to 1 closed: is it an opening, in m or as a share? "
                "send 1 - opening / largest opening"
            )
