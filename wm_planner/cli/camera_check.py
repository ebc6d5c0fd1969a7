"""`wm camera-check`: whether camera, axes and gripper are as a model expects."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from wm_planner.cli.running import DomainName, Json, print_json
from wm_planner.terminal import Bar, console, table

if TYPE_CHECKING:
    from wm_planner.collection.topic_map import TopicMap
    from wm_planner.contracts.card import Card
    from wm_planner.evaluation.camera_check.verdict import Verdict
    from wm_planner.evaluation.model_quality.pairs import Pair

NOT_AS_EXPECTED = 1
"""Exit code if something is wrong, or not sure."""

SHOWN = 6
"""Hypotheses in the table."""


def camera_check(
    model: Annotated[str, typer.Argument(help="bundle")],
    data: Annotated[
        Path | None,
        typer.Option(help="data set or recording; by default pictures are taken from running nodes"),
    ] = None,
    topics: Annotated[
        Path | None,
        typer.Option(help="YAML file: what to read of a recording of other software, see wm convert"),
    ] = None,
    pairs: Annotated[int, typer.Option(min=2, help="pairs of consecutive pictures to check")] = 100,
    seconds: Annotated[float, typer.Option(min=1.0, help="longest time to take pictures")] = 120.0,
    domain: DomainName = None,
    json: Json = False,
) -> None:
    """Say whether camera, axes and gripper are as a model expects, from pictures, poses and executed actions.

    Under the right hypothesis, the model predicts the next picture best.
    Exit code 0 if everything is as expected, 1 if something is wrong or not sure, 2 if it cannot be checked.
    """
    from wm_planner.collection.topic_map import TopicMap
    from wm_planner.evaluation.camera_check.energies import energies, tool_action_of
    from wm_planner.evaluation.camera_check.hypotheses import hypotheses
    from wm_planner.evaluation.camera_check.verdict import verdict
    from wm_planner.world_models.onnx.model import OnnxWorldModel

    loaded = OnnxWorldModel.load(model)
    kind = tool_action_of(loaded.card)
    chosen = TopicMap.read(topics) if topics else TopicMap.of_card(loaded.card)
    with TemporaryDirectory() as folder:
        source = data or _taken(Path(folder), chosen, pairs, seconds, domain)
        found = _pairs(source, Path(folder), loaded.card, chosen, pairs)
    with Bar("pairs") as bar:
        result = verdict(energies(loaded, found, hypotheses(kind), bar.update))
    if json:
        print_json(_plain(result))
    else:
        _print(loaded.card.name, result)
    if not result.as_expected:
        sys.exit(NOT_AS_EXPECTED)


def _taken(folder: Path, topics: "TopicMap", pairs: int, seconds: float, domain: str | None) -> Path:
    """A recording of running nodes."""
    from wm_planner.messaging.running import domain_named, published
    from wm_planner.recording.live import record

    found, path = domain_named(domain), folder / "live.mcap"
    for topic in topics.topics:
        published(found, topic)
    console.print(f"taking pictures of {pairs} actions from domain '{found.path.name}': let the robot move")
    record(found, topics.topics, path, seconds, lambda counts: counts.get(topics.action.topic, 0) > pairs)
    return path


def _pairs(source: Path, folder: Path, card: "Card", topics: "TopicMap", count: int) -> "list[Pair]":
    """Pairs of consecutive pictures in a data set or a recording."""
    from wm_planner.collection.convert import convert
    from wm_planner.data.forms import open_dataset
    from wm_planner.evaluation.camera_check.selection import telling_pairs
    from wm_planner.recording.bag import is_recording

    if is_recording(source):
        convert(source, folder / "pairs", "folder", topics, warn=lambda text: None)
        source = folder / "pairs"
    return telling_pairs(open_dataset(source), card, count)


def _print(name: str, result: "Verdict") -> None:
    rows = table(
        f"{name}: {result.pairs} pairs of pictures; error of the prediction over that of no change "
        f"({result.unrelated:.3f} with unrelated actions), share of resamples in which it is the least",
        *("hypothesis", "error", "share"),
    )
    for each in result.explanations[:SHOWN]:
        rows.add_row(
            each.hypothesis.fault or "as the model expects", f"{each.ratio:.3f}", f"{each.confidence:.0%}"
        )
    console.print(rows)
    console.print(str(result), soft_wrap=True, markup=False)


def _plain(result: "Verdict") -> dict[str, object]:
    return {
        "as_expected": result.as_expected,
        "is_sure": result.is_sure,
        "verdict": str(result),
        "pairs": result.pairs,
        "unrelated": result.unrelated,
        "hypotheses": [
            {"fault": each.hypothesis.fault, "error": each.ratio, "share": each.confidence}
            for each in result.explanations
        ],
    }
