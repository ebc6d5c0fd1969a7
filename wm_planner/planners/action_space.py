"""The set of admissible actions: a box with rate limits, or n discrete choices."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.arrays import match, namespace
from wm_planner.contracts.card import ActionSpec

Actions: TypeAlias = NDArray[np.float32]
"""Plans (..., H, A) or one action (A,), card's units; a discrete action is one integer-valued component."""


@dataclass(frozen=True, slots=True)
class ActionSpace:
    """The admissible actions of a model, in physical units.

    Attributes:
        low, high: bounds of the box, (A,).
        rate: largest change between two consecutive steps, (A,); None for no limit.
        choices: n for a discrete action in 0 .. n - 1; 0 for a continuous action.
        absolute: whether an action is a set point, which is held by repeating it.
    """

    low: Actions
    high: Actions
    rate: Actions | None = None
    choices: int = 0
    absolute: bool = False

    @classmethod
    def of(cls, spec: ActionSpec) -> "ActionSpace":
        """The action space that a card declares."""
        rate = None if spec.rate is None else np.asarray(spec.rate, np.float32)
        low, high = np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32)
        return cls(low, high, rate, spec.choices, spec.absolute)

    @property
    def size(self) -> int:
        """A, the number of action components."""
        return len(self.low)

    @property
    def half_range(self) -> Actions:
        """Half the width of the box, (A,)."""
        return (self.high - self.low) / np.float32(2)

    def clip(self, actions: Actions) -> Actions:
        """`actions` (..., A) clipped to the box, and rounded to integers if they are discrete."""
        xp = namespace(actions)
        low, high = match(self.low, actions), match(self.high, actions)
        clipped: Actions = xp.minimum(xp.maximum(actions, low), high)
        return xp.round(clipped) if self.choices else clipped

    def admit(self, plans: Actions, last_action: Actions | None) -> Actions:
        """Plans (..., H, A) clipped to the box, then step by step to the rate limits.

        Args:
            plans: clipped in place where there are rate limits.
            last_action: executed before the first action, (A,); None leaves the first action's rate free.
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

    def hold(self, steps: int, last_action: Actions | None = None) -> Actions:
        """The plan of doing nothing, clipped to the box, (steps, A): zeros, or a set point that is held.

        Args:
            steps: of the plan.
            last_action: executed last, (A,), which absolute actions repeat; None if it is not known.
        """
        plan = np.zeros((steps, self.size), np.float32)
        if self.absolute and isinstance(last_action, np.ndarray):
            plan[:] = last_action
        return self.clip(plan)
