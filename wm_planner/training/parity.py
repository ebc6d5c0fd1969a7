"""How far the outputs of an exported graph are from those of torch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wm_planner.errors import BundleError

TIES = 0.01
"""Largest share of whole numbers that may differ: where two classes score the same, rounding decides."""

LEVELS = 1
"""Largest difference of a pixel, in levels: a value may round the other way."""


def relative_error(
    where: str, wanted: Sequence[NDArray[np.generic]], got: Sequence[NDArray[np.generic]]
) -> float:
    """Largest difference of one output over several examples, relative to its size where that is above 1.

    Pixels (uint8) and whole numbers, which are compared on their own, count as 0.

    Args:
        where: the graph and its output, for errors.
        wanted: of torch, one array per example.
        got: of ONNX Runtime.

    Raises:
        BundleError: if pixels differ by more than `LEVELS`, or too many whole numbers differ.
    """
    reference = np.concatenate([np.asarray(array, np.float64).reshape(-1) for array in wanted])
    found = np.concatenate([np.asarray(array, np.float64).reshape(-1) for array in got])
    difference = np.abs(found - reference)
    if wanted[0].dtype == np.uint8:
        if not difference.max() <= LEVELS:
            raise BundleError(
                f"{where}: pixels of ONNX Runtime differ from torch's by {difference.max():.0f} levels, at "
                f"most {LEVELS} is allowed; look for an operation that the exporter translates incorrectly"
            )
        return 0.0
    if np.isfinite(reference).all() and np.array_equal(reference, np.round(reference)):
        share = float(np.mean(np.abs(found - reference) > 0.5))
        if not share <= TIES:
            raise BundleError(
                f"{where}: {share:.1%} of the whole numbers of ONNX Runtime differ from torch's, at most "
                f"{TIES:.0%} is allowed; look for an operation that the exporter translates incorrectly"
            )
        tied = np.abs(found - reference) <= 0.5
        return float(np.max(difference[tied] / max(1.0, np.abs(reference).max()), initial=0.0))
    return float(np.max(difference) / max(1.0, np.abs(reference).max()))
