"""Which hypothesis explains the pictures best, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wm_planner.evaluation.camera_check.energies import Energies
from wm_planner.evaluation.camera_check.hypotheses import EXPECTED, Hypothesis

RESAMPLES = 2000
SURE = 0.9
"""Share of the resamples in which a hypothesis must be the best one to be named."""

TIE = 1e-3
"""Relative difference up to which two hypotheses are equally good, e.g. if the gripper never moves."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How well a hypothesis explains the pictures.

    Attributes:
        hypothesis: what may be wrong.
        ratio: energy of the predictions over that of predicting no change; 1 explains nothing.
        confidence: share of the resamples in which it is the best one, and no other is as good.
        but_gripper: the same, if those that differ only in the gripper are as good as it.
    """

    hypothesis: Hypothesis
    ratio: float
    confidence: float
    but_gripper: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the pictures say.

    Attributes:
        explanations: of every hypothesis, the best one first.
        pairs: number of pairs of pictures.
        unrelated: ratio of predictions with the actions of other pairs.
        related: share of the resamples in which the best hypothesis is better than unrelated actions.
    """

    explanations: tuple[Explanation, ...]
    pairs: int
    unrelated: float
    related: float

    @property
    def best(self) -> Explanation:
        return self.explanations[0]

    @property
    def explains(self) -> bool:
        """Whether the actions tell anything about the pictures."""
        return self.related >= SURE

    @property
    def is_sure(self) -> bool:
        """Whether the best hypothesis can be relied on."""
        return self.explains and self.best.confidence >= SURE

    @property
    def as_expected(self) -> bool:
        """Whether nothing is wrong."""
        return self.is_sure and self.best.hypothesis == EXPECTED

    def __str__(self) -> str:
        """What to do, in one line."""
        best = self.best
        if not self.explains:
            return (
                "nothing explains the pictures: the model predicts them no better with their own actions "
                "than with others; is it trained for this robot and camera, and do the stamps fit?"
            )
        if not self.is_sure and best.but_gripper >= SURE:
            said = (
                best.hypothesis.axes.fault
                or best.hypothesis.picture.fault
                or "camera and axes are as expected"
            )
            return (
                f"{said} ({best.but_gripper:.0%} sure), but not which way the gripper counts "
                f"({best.confidence:.0%} sure): check pairs in which it opens and closes"
            )
        if not self.is_sure:
            other = self.explanations[1]
            return (
                f"not sure ({best.confidence:.0%}): {_said(best.hypothesis)}; or else "
                f"({other.confidence:.0%}): {_said(other.hypothesis)}; check more "
                "pairs, of larger motions along all axes and of the gripper"
            )
        sure = f"({best.confidence:.0%} sure)"
        if self.as_expected:
            return f"camera, axes and gripper are as the model expects {sure}"
        return f"{best.hypothesis.fault} {sure}: {best.hypothesis.cure}"


def verdict(found: Energies) -> Verdict:
    """The verdict on some energies, by a bootstrap over the pairs with a fixed seed.

    A pair without motion, in which nothing can be told apart, weighs little: energies are summed before they
    are divided.
    """
    pairs = len(found.predicted)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(pairs, np.full(pairs, 1 / pairs), RESAMPLES).astype(np.float64)  # (R, n)
    resampled = (weights @ found.predicted) / (weights @ found.still)  # (R, K)
    wins = _wins(resampled)
    groups = [(id(each.axes), id(each.picture)) for each in found.hypotheses]
    names = list(dict.fromkeys(groups))
    members = [[k for k, group in enumerate(groups) if group == name] for name in names]
    group_wins = _wins(np.stack([resampled[:, each].min(axis=1) for each in members], axis=1))
    grouped = [group_wins[names.index(group)] for group in groups]
    ratio = found.predicted.sum(axis=0) / found.still.sum(axis=0)
    own = found.hypotheses.index(EXPECTED)
    unrelated = (weights @ found.unrelated) / (weights @ found.still[:, own])
    order = np.argsort(ratio, kind="stable")
    return Verdict(
        tuple(
            Explanation(found.hypotheses[k], float(ratio[k]), float(wins[k]), float(grouped[k]))
            for k in order
        ),
        pairs,
        float(found.unrelated.sum() / found.still[:, own].sum()),
        float((resampled[:, order[0]] < unrelated).mean()),
    )


def _wins(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share (K,) of the resamples, ratios (R, K), in which each is the least without a tie."""
    least = np.partition(resampled, 1, axis=1)[:, :2].T  # (2, R)
    winners = resampled.argmin(axis=1)[least[0] * (1 + TIE) < least[1]]
    return np.bincount(winners, minlength=resampled.shape[1]) / len(resampled)


def _said(hypothesis: Hypothesis) -> str:
    return hypothesis.fault or "everything is as the model expects"
