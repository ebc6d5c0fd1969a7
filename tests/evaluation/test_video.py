"""Videos of recordings: of a simulator's episodes, and of a robot that publishes no episodes."""

import math

import numpy as np
import pytest
from toys import picture

from wm_planner.bridges.messages import goal_message
from wm_planner.clock import WallClock, nanoseconds
from wm_planner.contracts.observation import Observation
from wm_planner.errors import RecordingError
from wm_planner.evaluation.runs import video
from wm_planner.evaluation.runs.video import BAR, PANEL, _visible, write_video
from wm_planner.messaging import codec
from wm_planner.messaging import messages as m
from wm_planner.messaging.wire import Delivery, Envelope
from wm_planner.recording.recorder import Recorder

SIDE = 8


class Recording:
    """A recording that is being written, and the frames of its video."""

    def __init__(self, folder, frames):
        self.folder = folder
        self.frames = frames
        self.recorder = Recorder(folder / "x.mcap", WallClock())
        self.count = 0

    def write(self, topic, message):
        self.count += 1
        envelope = Envelope(self.count, 0, 0, 1, 0)
        self.recorder.write(Delivery(topic, codec.type_of(message), envelope, codec.encode(message)))

    def goal(self, *cameras, goal_id=1):
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        self.write("/goal", goal_message(goal_id, Observation(dict.fromkeys(cameras, pixels)), 0))

    def images(self, time_s, *cameras, encoding="rgb8"):
        for camera in cameras:
            message = picture(nanoseconds(time_s), SIDE, camera)
            message.encoding = encoding
            self.write(f"/camera/{camera}/image_raw", message)

    def episode(self, phase, step):
        message = m.Episode(m.header(0), 1, 0, phase, step, 0.5, False, "", np.zeros(3), math.nan)
        self.write("/episode", message)

    def video_shape(self):
        """Write the video, and return its shape (frames, height, width)."""
        self.recorder.close()
        assert write_video(self.folder / "x.mcap", self.folder) == self.folder / "episodes.mp4"
        return np.stack(self.frames).shape[:3]


@pytest.fixture
def recording(tmp_path, monkeypatch):
    frames = []
    monkeypatch.setattr(video, "write_film", lambda path, shown, fps: frames.extend(shown))
    return Recording(tmp_path, frames)


def test_video_of_an_episode_shows_start_and_goal_with_one_row_per_camera(recording):
    recording.goal("front", "side")
    for step in range(4):
        recording.episode("running", step)
        recording.images(0.05 * step, "front", "side")
    assert recording.video_shape() == (4, BAR + 2 * PANEL, 3 * PANEL)


def test_video_without_episodes_starts_at_the_goal_with_five_frames_per_second(recording):
    recording.images(0.0, "front", "wrist")
    recording.goal("front")
    for tick in range(1, 31):
        recording.images(tick / 30, "front", "wrist")
    assert recording.video_shape() == (5, BAR + PANEL, 3 * PANEL)


def test_goal_without_images_has_no_column(recording):
    recording.goal()
    for tick in range(3):
        recording.images(tick, "front")
    assert recording.video_shape() == (3, BAR + PANEL, 2 * PANEL)


def test_recording_without_a_goal_has_a_video(recording):
    for tick in range(3):
        recording.images(tick, "front")
    assert recording.video_shape() == (3, BAR + PANEL, 2 * PANEL)


def test_recording_without_cameras_is_an_error(recording):
    recording.goal("front")
    with pytest.raises(RecordingError, match="no camera was recorded"):
        recording.video_shape()


def test_goal_camera_that_was_not_recorded_is_an_error(recording):
    recording.goal("front")
    recording.images(0.0, "side")
    with pytest.raises(
        RecordingError, match="the goal has images of /camera/front/image_raw, which were not recorded"
    ):
        recording.video_shape()


def test_an_encoding_that_nobody_reads_is_an_error(recording):
    recording.goal("front")
    recording.images(0.0, "front", encoding="yuv422")
    with pytest.raises(RecordingError, match="image of 'front' is 'yuv422', wanted one of rgb8, bgr8"):
        recording.video_shape()


@pytest.mark.parametrize(
    ("pixels", "shown"),
    [
        (np.full((2, 2, 1), 7, np.uint8), 7),
        (np.array([[[2.0], [4.0]], [[0.0], [4.0]]], np.float32), [[127, 255], [0, 255]]),
    ],
)
def test_grey_and_depth_are_shown_in_grey(pixels, shown):
    assert (_visible(pixels) == np.broadcast_to(np.array(shown)[..., None], (2, 2, 3))).all()
