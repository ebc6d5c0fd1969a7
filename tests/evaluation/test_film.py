"""Films that are written whole, or not at all."""

import resource

import numpy as np
import pytest
from imageio_ffmpeg import count_frames_and_secs

from wm_planner.errors import RecordingError
from wm_planner.evaluation.film import write_film


def noise(count, size=64):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (size, size, 3), np.uint8) for _ in range(count)]


def test_a_film_has_all_frames(tmp_path):
    write_film(tmp_path / "x.mp4", noise(5), fps=10)
    assert count_frames_and_secs(tmp_path / "x.mp4") == (5, 0.5)
    assert [file.name for file in tmp_path.iterdir()] == ["x.mp4"]


@pytest.mark.parametrize("size", [4_000, 40_000])
def test_a_film_that_does_not_fit_on_the_disk_leaves_no_file_and_no_noise(tmp_path, capfd, size):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(
            RecordingError, match=r"x\.mp4: the film cannot be written whole: is the disk full"
        ):
            write_film(tmp_path / "x.mp4", noise(40), fps=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
