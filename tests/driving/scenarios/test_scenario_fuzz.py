"""Corrupted files of every format are read or refused with an error of our own; nothing else happens."""

import json
import random
import re

import pytest
from recorded_drives import argoverse_files, scenarionet_file
from scenarios import small_scenario

from wm_planner.driving.scenarios.readers import read_scenario
from wm_planner.driving.scenarios.writers.commonroad import commonroad_text, write_commonroad
from wm_planner.errors import WmError

ODD = ("", "nan", "-1", "1e400", "0x10", "99999999999999999999", "ü", "inf", "1_0", "2.5", "-0", "1e-320")

SPOTS = (r">[^<>\s]+<", r">[^<>\s]+<", r'"[^"]*"', r"<\w+", r"<(\w+)>[^<]*</\1>", r"<(\w+)( [^>]*)?>.*</\1>")
"""Patterns of values, attributes, names and whole elements."""


def survives(path) -> bool:
    """Whether a file is read and can be written again."""
    try:
        write_commonroad(read_scenario(path), path.with_suffix(".out"))
    except WmError as error:
        assert str(error) and len(str(error)) < 5_000
        return False
    return True


def corrupted_xml(text: str, rng: random.Random) -> str:
    """The text with one to three values, names or elements changed."""
    for _ in range(rng.randint(1, 3)):
        spots = list(
            re.finditer(rng.choice((r">[^<>\s]+<", r'"[^"]*"', r"<\w+", r"<(\w+)>[^<]*</\1>")), text)
        )
        if not spots:
            continue
        spot = rng.choice(spots)
        old = spot.group()
        swap = rng.choice(spots).group()
        new = rng.choice(
            (old[0] + rng.choice(ODD) + old[-1], swap, swap, old * 2 if old[0] == "<" else swap, "")
        )
        text = text[: spot.start()] + new + text[spot.end() :]
    return text


def corrupted_bytes(data: bytes, rng: random.Random) -> bytes:
    """The data with some bytes changed, removed or repeated, or truncated."""
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(data)), rng.randint(1, 12)
        middle = rng.choice((rng.randbytes(length), b"", data[at : at + length] * 2, b"\xff" * length))
        data = (data[:at] + middle + data[at + length :]) or b"\x80"
    return data if rng.random() < 0.8 else data[: rng.randrange(1, len(data) + 1)]


@pytest.mark.parametrize("seed", range(8))
def test_a_corrupted_commonroad_file_is_read_or_refused(tmp_path, seed):
    rng = random.Random(seed)
    text = commonroad_text(small_scenario()).decode()
    path = tmp_path / "a.xml"
    read = 0
    for _ in range(60):
        path.write_text(corrupted_xml(text, rng), encoding="utf-8", errors="replace")
        read += survives(path)
    for _ in range(20):
        path.write_bytes(corrupted_bytes(text.encode(), rng))
        read += survives(path)
    assert 0 < read < 80  # some corruptions are harmless, some are fatal


def test_corrupted_reference_data_is_read_or_refused(shared_data, tmp_path):
    rng = random.Random(0)
    files = sorted((shared_data("commonroad") / "io").glob("test_*.xml"))
    path = tmp_path / "a.xml"
    for source in files:
        text = source.read_text()
        for _ in range(4 if len(text) > 100_000 else 12):
            path.write_text(corrupted_xml(text, rng), encoding="utf-8")
            survives(path)


@pytest.mark.parametrize("seed", range(4))
def test_a_corrupted_pickle_is_read_or_refused(tmp_path, seed):
    rng = random.Random(seed)
    path = scenarionet_file(tmp_path)
    whole = path.read_bytes()
    assert survives(path)
    for _ in range(150):
        path.write_bytes(corrupted_bytes(whole, rng))
        survives(path)


@pytest.mark.parametrize("which", ["parquet", "json"])
def test_a_corrupted_argoverse_scenario_is_read_or_refused(tmp_path, which):
    rng = random.Random(which)
    scenario, road = argoverse_files(tmp_path)
    path = scenario if which == "parquet" else road
    whole = path.read_bytes()
    assert survives(scenario) and json.loads(road.read_bytes())
    for _ in range(100):
        path.write_bytes(corrupted_bytes(whole, rng))
        survives(scenario)
