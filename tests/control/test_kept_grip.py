"""The target of a gripper that outlives its controller."""

import pytest

from wm_planner.control.kept_grip import Grip, KeptGrip

EPISODE = (2**62 + 1, 3)  # number of a publisher, and of the episode


def test_a_grip_is_found_again_in_its_episode_only(tmp_path):
    KeptGrip(tmp_path / "grip").keep(EPISODE, Grip(0.25, is_reached=True))
    again = KeptGrip(tmp_path / "grip")
    assert again.of(EPISODE) == Grip(0.25, is_reached=True)
    assert again.of((EPISODE[0], 4)) is None
    assert again.of((7, EPISODE[1])) is None  # of another run


@pytest.mark.parametrize("content", [None, b"", b"[[1,3],[0.5,true", b"[[1,3]]", b"\xff\xfe"])
def test_a_file_that_is_missing_or_cut_off_holds_no_grip(tmp_path, content):
    if content is not None:
        (tmp_path / "grip").write_bytes(content)
    assert KeptGrip(tmp_path / "grip").of((1, 3)) is None


def test_a_grip_that_cannot_be_written_stops_nothing(tmp_path):
    kept = KeptGrip(tmp_path / "no folder" / "grip")
    kept.keep(EPISODE, Grip(1.0, is_reached=False))
    kept.forget()
    assert kept.of(EPISODE) is None


def test_a_forgotten_grip_leaves_no_file(tmp_path):
    kept = KeptGrip(tmp_path / "grip")
    kept.keep(EPISODE, Grip(1.0, is_reached=False))
    kept.forget()
    assert not list(tmp_path.iterdir())
