"""The results of a set of scenarios, as files: a JSON line a drive, and what was left out."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.errors import ConfigError

DRIVES_FILE = "drives.jsonl"
LEFT_OUT_FILE = "left_out.json"
PICTURES = "pictures"
PICTURE, FILM = ".png", ".mp4"
_SHOWN = 3  # names of strange files, in an error


def check_folder(option: str, folder: Path) -> None:
    """Refuse what cannot become a folder, or cannot be written into; nothing is made.

    Raises:
        ConfigError: that names the option.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"{option} {folder}: {there} is a file, wanted a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {folder}: {there} may not be written")


def clear(option: str, folder: Path, kept: Path | None) -> int:
    """Remove the results of a former run from a folder.

    Args:
        kept: what may lie in it, and stays: the folder of solutions.

    Returns:
        How many files were removed.

    Raises:
        ConfigError: if the folder holds something else and no results.
    """
    former = [folder / name for name in (DRIVES_FILE, LEFT_OUT_FILE) if (folder / name).is_file()]
    former += _files(folder / PICTURES, PICTURE, FILM)
    others = _others(folder, kept)
    if others and not (folder / DRIVES_FILE).is_file():
        raise ConfigError(
            f"{option} {folder}: holds {', '.join(others[:_SHOWN])} and no {DRIVES_FILE} of a former run, "
            "wanted a new or an empty folder"
        )
    for path in former:
        path.unlink()
    return len(former)


def written(folder: Path | None, solutions: Path | None, scores: Sequence[DriveScores]) -> Iterator[str]:
    """One line for each kind of file that a run has left in its folders."""
    if folder is not None:
        for path in (folder / DRIVES_FILE, folder / LEFT_OUT_FILE):
            if path.is_file():
                yield f"{path}  {path.stat().st_size / 1e3:.0f} KB"
        for what, suffix in (("pictures", PICTURE), ("films", FILM)):
            if count := len(_files(folder / PICTURES, suffix)):
                yield f"{folder / PICTURES}  {count} {what}"
    if solved := {each.solution for each in scores if each.solution}:
        yield f"{solutions}  {len(solved)} solutions"


def _files(folder: Path, *suffixes: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in suffixes]


def _others(folder: Path, kept: Path | None) -> list[str]:
    """What lies in a folder that no run has written."""
    ours = {folder / name for name in (DRIVES_FILE, LEFT_OUT_FILE, PICTURES)}
    mine = {path.absolute() for path in (*ours, *([kept, *kept.parents] if kept else []))}
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path.name for path in there if path.absolute() not in mine]


def write_results(folder: Path, scores: Sequence[DriveScores], left_out: Mapping[str, Any]) -> list[Path]:
    """Write both files, each whole or not at all; what was left out only if something was."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in scores)
    texts = {DRIVES_FILE: lines}
    if any(left_out.values()):
        texts[LEFT_OUT_FILE] = msgspec.json.format(msgspec.json.encode(left_out), indent=2)
    for name, text in texts.items():
        temporary = folder / f"{name}.part"
        temporary.write_bytes(text)
        temporary.replace(folder / name)
    return [folder / name for name in texts]


def read_drives(path: Path) -> list[DriveScores]:
    """The drives of a file of results."""
    decode = msgspec.json.Decoder(DriveScores)
    return [decode.decode(line) for line in path.read_bytes().splitlines()]
