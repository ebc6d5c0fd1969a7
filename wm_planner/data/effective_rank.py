"""Effective rank: how many directions a set of vectors makes use of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def effective_rank(z: NDArray[np.floating[Any]]) -> float:
    """exp of the entropy of the normalised eigenvalues of the covariance of `z` (n, D).

    It is k for vectors with equal variance in k directions, at most n - 1, and 1 for equal vectors.

    Source: Roy & Vetterli 2007; differs in that it normalises variances, not standard deviations.
    """
    centred = z - z.mean(axis=0)
    wide = centred.shape[1] > len(centred)  # the smaller of the two products has the same eigenvalues
    share = np.linalg.eigvalsh(centred @ centred.T if wide else centred.T @ centred).clip(min=0)
    if not share.sum() > 0:
        return 1.0
    share = share[share > 0] / share.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
