import json
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

from wm_planner.training import log


def line(iteration, loss=1.0):
    terms = {"loss": loss, "rollout": loss / 2}
    return {
        "iteration": iteration,
        "cpu_seconds": 3.0,
        "learning_rate": 1e-3,
        "gradient_norm": 0.5,
        "terms": terms,
    }


def points(folder):
    """The points of every curve in the folder's event files: [(iteration, value), ...]."""
    found = {}
    for file in sorted((folder / "tensorboard").iterdir()):
        content = file.read_bytes()
        while content:
            (size,) = struct.unpack("<Q", content[:8])
            event, content = Event.FromString(content[12 : 12 + size]), content[16 + size :]
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_every_line_adds_a_point_to_every_curve(tmp_path):
    with log.open_log(tmp_path, 0) as write:
        write(line(50, loss=2.0))
        write(line(100))
    curves = points(tmp_path)
    assert sorted(curves) == ["cpu_seconds", "gradient_norm", "learning_rate", "loss", "terms/rollout"]
    assert curves["loss"] == [(50, 2.0), (100, 1.0)]
    assert curves["terms/rollout"] == [(50, 1.0), (100, 0.5)]


def test_curves_are_readable_during_the_run(tmp_path):
    with log.open_log(tmp_path, 0) as write:
        write(line(50))
        assert points(tmp_path)["loss"] == [(50, 1.0)]
        assert json.loads((tmp_path / "log.jsonl").read_text())["iteration"] == 50


def test_a_resumed_log_has_every_iteration_once(tmp_path):
    with pytest.raises(KeyboardInterrupt), log.open_log(tmp_path, 0) as write:
        for iteration in (50, 100, 150):
            write(line(iteration))
        raise KeyboardInterrupt
    with log.open_log(tmp_path, 100) as write:
        assert points(tmp_path)["loss"] == [(50, 1.0), (100, 1.0)]
        write(line(150, loss=4.0))
    assert points(tmp_path)["loss"] == [(50, 1.0), (100, 1.0), (150, 4.0)]
    lines = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [one["iteration"] for one in lines] == [50, 100, 150]


def test_an_incomplete_last_line_is_dropped(tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps(line(50)) + "\n" + '{"iteration": 100, "cpu')
    with log.open_log(tmp_path, 100):
        pass
    assert points(tmp_path)["loss"] == [(50, 1.0)]


def test_a_log_of_an_older_version_gets_its_curves(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"iteration": 50, "cpu_seconds": 1.0, "terms": {"loss": 2.0}}\n')
    with log.open_log(tmp_path, 50):
        pass
    assert points(tmp_path) == {"cpu_seconds": [(50, 1.0)], "loss": [(50, 2.0)]}
