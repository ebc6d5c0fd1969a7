"""Films of recordings: of a simulator's episodes, and of a robot that publishes none."""

import numpy as np
import pytest
from toys import picture

from wm_planner.bridges.messages import goal_message
from wm_planner.clock import WallClock, nanoseconds
from wm_planner.contracts.observation import Observation
from wm_planner.errors import RecordingError
from wm_planner.evaluation.runs import video
from wm_planner.evaluation.runs.video import BAR, PANEL, write_video
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.recorder import Recorder

SIDE = 8


class Recording:
    """A recording in the making."""

    def __init__(self, folder, films):
        self.folder = folder
        self.films = films
        self.recorder = Recorder(folder / "x.mcap", WallClock())
        self.count = 0

    def write(self, topic, message):
        self.count += 1
        envelope = Envelope(self.count, 0, 0, 1, 0)
        self.recorder.write(Delivery(topic, codec.type_of(message), envelope, codec.encode(message)))

    def goal(self, *cameras, goal_id=1):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        self.write("/goal", goal_message(goal_id, Observation(dict.fromkeys(cameras, pixels)), 0))

    def pictures(self, time_s, *cameras, encoding="rgb8"):
        for camera in cameras:
            message = picture(nanoseconds(time_s), SIDE, camera)
            message.encoding = encoding
            self.write(f"/camera/{camera}/image_raw", message)

    def episode(self, phase, step):
        message = m.Episode(m.header(0), 1, 0, phase, step, 0.5, False, "", np.zeros(3))
        self.write("/episode", message)

    def film(self):
        """The shape (frames, height, width) of the film."""
        self.recorder.close()
        assert write_video(self.folder / "x.mcap", self.folder) == self.folder / "episodes.mp4"
        return np.stack(self.films).shape[:3]


@pytest.fixture
def recording(tmp_path, monkeypatch):
    films = []

    class Film:
        """What imageio writes to, without a file."""

        append_data = staticmethod(films.append)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(video.imageio, "get_writer", lambda path, **settings: Film())
    return Recording(tmp_path, films)


def test_an_episode_is_filmed_beside_start_and_goal_with_a_row_per_camera(recording):
    recording.goal("front", "side")
    for step in range(4):
        recording.episode("running", step)
        recording.pictures(0.05 * step, "front", "side")
    assert recording.film() == (4, BAR + 2 * PANEL, 3 * PANEL)


def test_a_robot_without_episodes_is_filmed_from_its_goal_on_five_times_a_second(recording):
    recording.pictures(0.0, "front", "wrist")
    recording.goal("front")
    for tick in range(1, 31):
        recording.pictures(tick / 30, "front", "wrist")
    assert recording.film() == (5, BAR + PANEL, 3 * PANEL)


def test_a_goal_without_pictures_leaves_its_column_out(recording):
    recording.goal()
    for tick in range(3):
        recording.pictures(tick, "front")
    assert recording.film() == (3, BAR + PANEL, 2 * PANEL)


def test_a_recording_without_a_goal_is_filmed_too(recording):
    for tick in range(3):
        recording.pictures(tick, "front")
    assert recording.film() == (3, BAR + PANEL, 2 * PANEL)


def test_a_recording_that_shows_nothing_says_why(recording):
    recording.goal("front")
    with pytest.raises(RecordingError, match="no camera was recorded"):
        recording.film()


def test_a_goal_of_another_camera_is_named(recording):
    recording.goal("front")
    recording.pictures(0.0, "side")
    with pytest.raises(RecordingError, match="the goal shows /camera/front/image_raw, of which no picture"):
        recording.film()


def test_a_depth_camera_is_named(recording):
    recording.goal("front")
    recording.pictures(0.0, "front", encoding="16UC1")
    with pytest.raises(RecordingError, match="image of 'front' is '16UC1', wanted 'rgb8'"):
        recording.film()
