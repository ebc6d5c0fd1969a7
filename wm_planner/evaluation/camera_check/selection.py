"""Which pairs of pictures of a data set are checked."""

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.card import Card
from wm_planner.contracts.dataset import Dataset
from wm_planner.evaluation.camera_check.energies import tool_action_of
from wm_planner.evaluation.model_quality.pairs import Pair, check_fits, pairs_at, starts_of

GRIPS = 0.1
"""Change of the gripper from which a pair tells which way it counts, a share of its stroke."""


def telling_pairs(data: Dataset, card: Card, count: int) -> list[Pair]:
    """`count` pairs spread over a data set; up to half of them with a gripper that moves, which is rare.

    Raises:
        ConfigError: for a model that cannot be checked, see `tool_action_of`.
        DatasetError: if the data do not match the card, or no episode has two frames.
    """
    kind = tool_action_of(card)
    check_fits(data, card)
    starts = starts_of(data, 2)
    grips = np.zeros(len(starts), bool)
    if kind.gripper == "change":
        actions = data.read("action", slice(None))[starts]
        grips = np.abs(actions[:, kind.arm_size].astype(np.float64)) >= GRIPS
    gripping = _spread(starts[grips], count // 2)
    others = _spread(starts[~grips], count - len(gripping))
    return list(pairs_at(data, card, np.sort(np.concatenate([gripping, others]))))


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` of the rows, evenly spread, or all if there are fewer."""
    chosen: NDArray[np.int64] = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    return chosen
