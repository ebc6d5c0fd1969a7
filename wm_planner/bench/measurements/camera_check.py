"""How often `wm camera-check` names a fault that was put into recorded pictures, poses and actions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner.contracts.world_model import WorldModel
from wm_planner.control.tool_action import ToolAction
from wm_planner.evaluation.camera_check.energies import energies, tool_action_of
from wm_planner.evaluation.camera_check.hypotheses import EXPECTED, MIRRORS, YAWS, Hypothesis, hypotheses
from wm_planner.evaluation.camera_check.picture_changes import BGR, MIRRORED, UPSIDE_DOWN
from wm_planner.evaluation.camera_check.verdict import verdict
from wm_planner.evaluation.model_quality.pairs import Pair


class FaultRow(NamedTuple):
    """How often one fault was named.

    Attributes:
        fault: in words.
        named: cases in which it was named.
        wrong: cases in which something else was named; in the others, nothing was sure.
        cases: number of cases.
        error: median of the error of the best hypothesis, over that of predicting no change.
    """

    fault: str
    named: int
    wrong: int
    cases: int
    error: float


def faults(kind: ToolAction) -> list[Hypothesis]:
    """What is put in: nothing, turned or mirrored axes, a swapped gripper, both, or changed pictures."""
    axes = [YAWS[30], YAWS[90], YAWS[180], *MIRRORS]
    moved = [Hypothesis(each) for each in axes]
    if kind.has_gripper:
        moved += [Hypothesis(swaps_gripper=True), Hypothesis(YAWS[90], swaps_gripper=True)]
    return [EXPECTED, *moved, *(Hypothesis(picture=change) for change in (MIRRORED, UPSIDE_DOWN, BGR))]


def fault_rows(
    model: WorldModel,
    pairs: Sequence[Pair],
    cases: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[FaultRow]:
    """How often each fault is named, in `cases` disjoint parts of `pairs`.

    Raises:
        ConfigError: for a model that cannot be checked, see `energies`.
    """
    kind = tool_action_of(model.card)
    tried, put_in = hypotheses(kind), faults(kind)
    for number, fault in enumerate(put_in):
        verdicts = []
        for case in range(cases):
            faulty = [with_fault(pair, fault, kind) for pair in pairs[case::cases]]
            verdicts.append(verdict(energies(model, faulty, tried)))
            progress(number * cases + case + 1, len(put_in) * cases)
        named = sum(each.is_sure and each.best.hypothesis == fault for each in verdicts)
        sure = sum(each.is_sure for each in verdicts)
        error = float(np.median([each.best.ratio for each in verdicts]))
        yield FaultRow(fault.fault or "nothing", named, sure - named, cases, error)


def with_fault(pair: Pair, fault: Hypothesis, kind: ToolAction) -> Pair:
    """What would have been measured in place of `pair` with this fault.

    A swapped gripper and the changes of pictures that are put in are their own inverses.
    """
    measured = Hypothesis(fault.axes.inverse, fault.swaps_gripper)

    def shown(images: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: np.ascontiguousarray(fault.picture.undo(image)) for name, image in images.items()}

    return pair._replace(
        before=replace(
            pair.before, images=shown(pair.before.images), state=measured.state(pair.before.state)
        ),
        after=replace(pair.after, images=shown(pair.after.images)),
        action=measured.action(pair.action, kind).astype(np.float32),
    )
