"""The results of a set of scenarios, as files: a JSON line a drive, and what was left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wm_planner.evaluation.driving.scores import DriveScores

DRIVES_FILE = "drives.jsonl"
LEFT_OUT_FILE = "left_out.json"


def write_results(folder: Path, scores: Sequence[DriveScores], left_out: Mapping[str, Any]) -> list[Path]:
    """Write both files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in scores)
    texts = {DRIVES_FILE: lines, LEFT_OUT_FILE: msgspec.json.format(msgspec.json.encode(left_out), indent=2)}
    for name, text in texts.items():
        temporary = folder / f"{name}.part"
        temporary.write_bytes(text)
        temporary.replace(folder / name)
    return [folder / name for name in texts]


def read_drives(path: Path) -> list[DriveScores]:
    """The drives of a file of results."""
    decode = msgspec.json.Decoder(DriveScores)
    return [decode.decode(line) for line in path.read_bytes().splitlines()]
