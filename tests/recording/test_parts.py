"""Recordings of several files: the recorder has stopped and started again."""

import shutil

import numpy as np
import pytest
from toys import joint_state, picture

from wm_planner.bridges.messages import goal_message
from wm_planner.cli.main import wm
from wm_planner.clock import WallClock
from wm_planner.contracts.observation import Observation
from wm_planner.driving.evaluation.selection import _files
from wm_planner.evaluation.runs import video
from wm_planner.evaluation.runs.offline import replayed_figures
from wm_planner.launching.run import RECORDING
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.bag import Bag
from wm_planner.recording.contents import contents_of
from wm_planner.recording.parts import continues, parts_of, unused
from wm_planner.recording.player import Player
from wm_planner.recording.recorder import Recorder

JOINTS = "/joint_states"
IMAGE = "/camera/front/image_raw"


def episode(number, phase, step):
    distance = 0.4 if phase == "running" else 0.02
    return m.Episode(m.header(step), number, 0, phase, step, distance, True, "", np.zeros(3), np.nan)


class Run:
    """A recorder that is killed after each file but the last."""

    def __init__(self, folder):
        self.path, self.sequences = folder / RECORDING, {}

    def record(self, *messages, last=False):
        """One more file, of (topic, message), or (topic, message, sequence) if it was sent before."""
        recorder = Recorder(unused(self.path), WallClock())
        for topic, message, *again in messages:
            self.sequences[topic] = self.sequences.get(topic, 0) + 1 - len(again)
            envelope = Envelope(again[0] if again else self.sequences[topic], 0, 0, 1, 0)
            recorder.write(Delivery(topic, codec.type_of(message), envelope, codec.encode(message)))
        if last:
            recorder.close({"mode": "lockstep"})
        else:  # as a killed process leaves it: whole chunks and no end
            recorder._writer.flush()
            recorder._output.close()
        return recorder.path


@pytest.fixture
def run(tmp_path):
    """Two episodes in three files, of which the later ones begin with latched messages that were recorded."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    goal = goal_message(1, Observation({"front": pixels}), 0)
    made = Run(tmp_path)
    began, ended = episode(1, "running", 0), episode(1, "ended", 3)
    made.record(("/goal", goal), ("/episode", began), (IMAGE, picture(1, 8)), (JOINTS, joint_state(1)))
    made.record(("/goal", goal, 1), ("/episode", began, 1), (IMAGE, picture(2, 8)), ("/episode", ended))
    second = [("/episode", episode(2, "running", 3)), ("/episode", episode(2, "ended", 5))]
    repeated = [("/goal", goal, 1), ("/episode", ended, 2)]
    made.record(*repeated, (IMAGE, picture(3, 8)), *second, (JOINTS, joint_state(5)), last=True)
    return made.path


def test_files_are_numbered_in_the_order_of_the_recorders_starts(run):
    names = [path.name for path in parts_of(run)]
    assert names == ["episodes.mcap", "episodes_2.mcap", "episodes_3.mcap"]
    assert unused(run).name == "episodes_4.mcap"
    assert [continues(path) for path in parts_of(run)] == [False, True, True]
    assert not continues(run.with_name("lap_2.mcap")), "there is no lap.mcap that it could continue"


def test_a_recording_of_several_files_is_read_as_one(run):
    player = Player(run)
    assert player.counts == {"/goal": 1, "/episode": 4, IMAGE: 3, JOINTS: 2}
    assert player.publishers == dict.fromkeys(player.counts, 1)
    assert sum(player.gaps.values()) == 0
    episodes = [recorded.message for recorded in player.messages(["/episode"])]
    assert [(message.id, message.phase) for message in episodes] == [
        (1, "running"),
        (1, "ended"),
        (2, "running"),
        (2, "ended"),
    ]
    assert [recorded.stamp_ns for recorded in player.messages([IMAGE])] == [1, 2, 3]
    assert player.metadata["mode"] == "lockstep"
    assert not player.is_complete, "two of its files were cut off"


def test_what_the_recorder_missed_between_two_files_is_counted(tmp_path):
    made = Run(tmp_path)
    made.record((JOINTS, joint_state(1)))
    made.sequences[JOINTS] += 4
    made.record((JOINTS, joint_state(6)), last=True)
    assert Player(made.path).gaps == {JOINTS: 4}


def test_a_file_that_a_full_disk_left_empty_is_passed_over(tmp_path):
    made = Run(tmp_path)
    made.record((JOINTS, joint_state(1)))
    unused(made.path).touch()
    made.record((JOINTS, joint_state(2)), last=True)
    assert [recorded.stamp_ns for recorded in Player(made.path).messages()] == [1, 2]


def test_a_bag_reads_all_files_too(run):
    bag, player = Bag(run), Player(run)
    assert (bag.counts, bag.topics) == (
        player.counts,
        {topic: player.types[topic] for topic in player.topics},
    )
    assert [message.stamp_ns for message in bag.messages([IMAGE])] == [1, 2, 3]


def test_info_names_the_files(run, capsys):
    assert len(contents_of(run).files) == 3
    wm(["bag", "info", str(run)], standalone_mode=False)
    assert "in 3 files" in capsys.readouterr().out.replace("\n", " ")


def test_figures_and_the_film_are_of_all_files(run, tmp_path, monkeypatch):
    figures = replayed_figures(run)
    assert [each.success for each in figures.episodes] == [True, True]
    only = tmp_path / "only" / RECORDING
    only.parent.mkdir()
    shutil.copy(run, only)
    films = []
    monkeypatch.setattr(video, "write_film", lambda path, frames, fps: films.append(len([*frames])))
    for recording in (run, only):
        video.write_video(recording, tmp_path)
    assert films[0] > films[1] > 0


def test_a_later_file_is_no_recording_of_its_own_in_a_folder(run):
    assert _files([run.parent]) == [run]
