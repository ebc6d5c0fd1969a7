"""`wm bag`: recordings shown, played, and checked against a node."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wm_planner.cli.running import Json, print_json, print_rows
from wm_planner.terminal import console

if TYPE_CHECKING:
    from wm_planner.evaluation.replay.check import Check

app = typer.Typer(no_args_is_help=True, help="Show a recording, play it, or check a node against it.")

DIFFERENT = 1
"""Exit code of a check that found a difference."""


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="an MCAP file, or a recording of rosbag2")],
    json: Json = False,
) -> None:
    """Show the topics of a recording, the numbers of their messages, and what is missing."""
    from wm_planner.recording.contents import contents_of

    found = contents_of(path)
    if json:
        return print_json(found)
    rows = [
        (row.topic, row.type.replace("/msg/", "/"), str(row.messages), str(row.lost), str(row.publishers))
        for row in found.topics
    ]
    state = "" if found.is_complete else ", cut off"
    files = f" in {len(found.files)} files" if len(found.files) > 1 else ""
    title = f"{found.path}: {found.duration_s:.1f} s{files}{state}"
    print_rows(title, ("topic", "type", "messages", "lost", "publishers"), rows)
    notes = [f"{key}: {text}" for key, text in found.metadata.items()]
    notes += [f"attached: {name}" for name in found.attachments]
    return console.out("\n".join(f"  {note}" for note in notes), highlight=False)


@app.command()
def play(
    path: Annotated[Path, typer.Argument(help="an MCAP file")],
    topic: Annotated[list[str] | None, typer.Option(help="play only this topic; repeatable")] = None,
    rate: Annotated[float, typer.Option(min=0.0, help="of the recorded pace; 0 as fast as it is read")] = 1.0,
    domain: Annotated[
        str, typer.Option(help="where nodes listen; theirs is `default` without wm launch")
    ] = "default",
) -> None:
    """Publish a recording again; waits until a node reads one of its topics."""
    from wm_planner.messaging.bus import Bus
    from wm_planner.messaging.domain import Domain
    from wm_planner.recording.playback import Playback

    bus = Bus(Domain.named(domain), "player", lossless=True)
    try:
        playback = Playback(path, bus, topic)
        console.print(
            f"domain {domain}: waiting for a reader of {', '.join(playback.topics)}", soft_wrap=True
        )
        playback.wait_for_reader()
        count = playback.play(rate)
    finally:
        bus.close()
    console.print(f"{count} messages")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="folder of a run in lockstep, runs/NAME")],
    node: Annotated[str, typer.Argument(help="name of one of its nodes")],
    program: Annotated[
        str | None, typer.Option(help="program to check in place of the recorded node's: a name or a path")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="PATH=VALUE, a parameter of the node; repeatable")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="absolute and relative difference up to which floats are equal")
    ] = 0.0,
    json: Json = False,
) -> None:
    """Feed a recording to one node, and compare all that it publishes with what was recorded.

    Exit code 0 if everything is equal, 1 for a difference, 2 if it cannot be checked.
    """
    from wm_planner import share
    from wm_planner.config import setting
    from wm_planner.evaluation.replay.check import check as replay_check

    path = (
        None if program is None else share.find(program if program.endswith(".py") else f"nodes/{program}.py")
    )
    result = replay_check(folder, node, path, tuple(map(setting, changes or ())), tolerance)
    if json:
        print_json(result)
    else:
        _print(result)
    if result.mismatch is not None:
        sys.exit(DIFFERENT)


def _print(result: "Check") -> None:
    for topic, count in result.equal.items():
        console.out(f"{topic}: {count} messages equal", highlight=False)
    if (mismatch := result.mismatch) is not None:
        stamp = "" if mismatch.stamp_ns is None else f" at {mismatch.stamp_ns / 1e9:.9g} s"
        found = mismatch.difference
        place = f"{mismatch.topic}: message {mismatch.number}{stamp}"
        values = f"{found.field} was {found.recorded} in the recording, is {found.replayed} now"
        console.out(f"{place} differs first: {values}", highlight=False)
