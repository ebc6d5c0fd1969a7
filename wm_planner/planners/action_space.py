"""What actions a plan may hold: a box with limited rates, or one of n choices."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import match, namespace
from wm_planner.contracts.card import ActionSpec

Actions: TypeAlias = NDArray[np.float32]
"""Plans (..., H, A) or actions (A,), card's units; a discrete action is one column of whole numbers."""


@dataclass(frozen=True, slots=True)
class ActionSpace:
    """The actions that a card declares, in physical units.

    Attributes:
        low, high: the box, (A,).
        rate: largest change from one step to the next, (A,), or None.
        choices: n, where an action is one of 0 .. n - 1; 0 where it is continuous.
    """

    low: Actions
    high: Actions
    rate: Actions | None = None
    choices: int = 0

    @classmethod
    def of(cls, spec: ActionSpec) -> "ActionSpace":
        """The actions that a card declares."""
        rate = None if spec.rate is None else np.asarray(spec.rate, np.float32)
        return cls(np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32), rate, spec.choices)

    @property
    def size(self) -> int:
        """A, the number of action components."""
        return len(self.low)

    @property
    def half_range(self) -> Actions:
        """Half the width of the box, (A,)."""
        return (self.high - self.low) / np.float32(2)

    def clip(self, actions: Actions) -> Actions:
        """`actions` (..., A) moved into the box, and to whole numbers where they are choices."""
        xp = namespace(actions)
        low, high = match(self.low, actions), match(self.high, actions)
        clipped: Actions = xp.minimum(xp.maximum(actions, low), high)
        return xp.round(clipped) if self.choices else clipped

    def admit(self, plans: Actions, last_action: Actions | None) -> Actions:
        """Plans (..., H, A) moved into the box, and every action within reach of the one before.

        Args:
            last_action: executed before the first, (A,); None leaves the first free.
        """
        plans = self.clip(plans)
        if self.rate is None:
            return plans
        before = None if last_action is None else self.clip(np.asarray(last_action, np.float32))
        for step in range(plans.shape[-2]):
            if before is not None:
                plans[..., step, :] = np.clip(plans[..., step, :], before - self.rate, before + self.rate)
            before = plans[..., step, :]
        return plans

    def hold(self, steps: int) -> Actions:
        """The plan of doing nothing, zeros moved into the box, (steps, A)."""
        return self.clip(np.zeros((steps, self.size), np.float32))
