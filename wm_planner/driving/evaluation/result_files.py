"""Result files of an evaluation run: one JSON line per drive, and what was left out."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wm_planner.data.folders import atomic_file
from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.errors import ConfigError

DRIVES_FILE = "drives.jsonl"
LEFT_OUT_FILE = "left_out.json"
PICTURES = "pictures"
PICTURE, FILM = ".png", ".mp4"
_MAX_NAMES = 3  # of unknown files, in an error


def check_folder(option: str, folder: Path) -> None:
    """Check that a folder exists or can be created, and can be written to; nothing is created.

    Raises:
        ConfigError: if not; it names the option.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise ConfigError(f"{option} {folder}: {existing} is a file, wanted a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {folder}: {existing} is not writable")


def clear(option: str, folder: Path, kept: Path | None) -> int:
    """Remove the results of a previous run from a folder.

    Args:
        kept: the folder of solutions, which may be inside and is kept.

    Returns:
        Number of files removed.

    Raises:
        ConfigError: if the folder has other files and no results.
    """
    previous = [folder / name for name in (DRIVES_FILE, LEFT_OUT_FILE) if (folder / name).is_file()]
    previous += _files(folder / PICTURES, PICTURE, FILM)
    unknown = _unknown_files(folder, kept)
    if unknown and not (folder / DRIVES_FILE).is_file():
        raise ConfigError(
            f"{option} {folder}: has {', '.join(unknown[:_MAX_NAMES])} and no {DRIVES_FILE} of a previous "
            "run, wanted a new or an empty folder"
        )
    for path in previous:
        path.unlink()
    return len(previous)


def describe_outputs(
    folder: Path | None, solutions: Path | None, scores: Sequence[DriveScores]
) -> Iterator[str]:
    """One line per kind of file that a run has written."""
    if folder is not None:
        for path in (folder / DRIVES_FILE, folder / LEFT_OUT_FILE):
            if path.is_file():
                yield f"{path}  {path.stat().st_size / 1e3:.0f} KB"
        for what, suffix in (("pictures", PICTURE), ("films", FILM)):
            if count := len(_files(folder / PICTURES, suffix)):
                yield f"{folder / PICTURES}  {count} {what}"
    if written := {each.solution for each in scores if each.solution}:
        yield f"{solutions}  {len(written)} solutions"


def _files(folder: Path, *suffixes: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in suffixes]


def _unknown_files(folder: Path, kept: Path | None) -> list[str]:
    """Names of files in a folder that no run has written."""
    outputs = {folder / name for name in (DRIVES_FILE, LEFT_OUT_FILE, PICTURES)}
    known = {path.absolute() for path in (*outputs, *([kept, *kept.parents] if kept else []))}
    present = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path.name for path in present if path.absolute() not in known]


def write_results(folder: Path, scores: Sequence[DriveScores], left_out: Mapping[str, Any]) -> list[Path]:
    """Write the result files atomically; the file of what was left out only if there is something."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in scores)
    texts = {DRIVES_FILE: lines}
    if any(left_out.values()):
        texts[LEFT_OUT_FILE] = msgspec.json.format(msgspec.json.encode(left_out), indent=2)
    for name, text in texts.items():
        with atomic_file(folder / name) as temporary:
            temporary.write_bytes(text)
    return [folder / name for name in texts]


def read_drives(path: Path) -> list[DriveScores]:
    """Read the scores of a result file."""
    decode = msgspec.json.Decoder(DriveScores)
    return [decode.decode(line) for line in path.read_bytes().splitlines()]
