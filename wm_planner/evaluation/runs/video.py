"""A short video of a run: start, goal and current image side by side, one row per camera."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wm_planner.clock import nanoseconds, seconds
from wm_planner.errors import RecordingError, ShapeError
from wm_planner.evaluation.film import Frame, write_film
from wm_planner.evaluation.runs.length_unit import unit_of
from wm_planner.evaluation.runs.run_statistics import MAP
from wm_planner.messaging.images import image_array
from wm_planner.messaging.messages import Message
from wm_planner.recording.player import Player, Recorded

VIDEO_FILE = "episodes.mp4"
PANEL = 256  # pixels, side of one camera's image
BAR = 32  # pixels, height of the caption
FPS = 10  # twice the control rate of the scenes
MAX_FRAMES = 600  # one minute
PERIOD_S = 0.2  # between frames of a recording without episodes, whose cameras may be faster


def write_video(recording: Path, out: Path, episodes: int = 5) -> Path:
    """Render the first episodes of a recording as a video in the folder `out`.

    The goal is shown if any goal has images. A recording without /episode, as from a real robot, is rendered
    from its first goal on.

    Raises:
        RecordingError: if there is nothing to render, with the reason, the recording cannot be read, or the
            video cannot be written.
    """
    renderer = _Renderer(Player(recording), episodes)
    frames = itertools.islice(renderer.frames(), MAX_FRAMES)
    first = next(frames, None)
    if first is None:
        raise RecordingError(renderer.why_empty())
    path = out / VIDEO_FILE
    write_film(path, itertools.chain([first], frames), FPS)
    return path


class _Renderer:
    """Renders the frames of a recording."""

    def __init__(self, player: Player, episodes: int) -> None:
        self._player = player
        self._episodes = episodes
        self._unit = unit_of(MAP in player.topics)
        self._cameras = [topic for topic in player.topics if topic.endswith("/image_raw")]
        self._goal_cameras = self._first_goal_cameras()
        self._problem = ""
        self._goal: Message | None = None
        self._goal_images: dict[str, Frame] = {}
        self._start: dict[str, Frame] = {}
        self._now: dict[str, Frame] = {}
        self._episode: Message | None = None
        self._has_distance = False  # false for a goal without a position
        self._first_ns: int | None = None
        self._last_ns: int | None = None

    def frames(self) -> Iterator[Frame]:
        """All frames; the first is complete once images of the goal and of all cameras have arrived."""
        wanted = {"/goal", "/episode", *self._rows} & set(self._player.topics)
        for recorded in self._player.messages(wanted):
            if recorded.topic == "/goal":
                self._add_goal(recorded.message)
            elif recorded.topic == "/episode":
                self._add_episode(recorded.message)
                if self._is_over:
                    return
            elif self._add_image(recorded) and self._is_due(recorded.stamp_ns):
                yield self._frame(recorded.stamp_ns)

    def why_empty(self) -> str:
        """Why there are no frames."""
        if not self._cameras:
            return "no camera was recorded"
        if self._problem:
            return self._problem
        missing = sorted(set(self._rows) - set(self._cameras))
        if missing:
            return f"the goal has images of {', '.join(missing)}, which were not recorded"
        return "not every camera has an image after a goal"

    @property
    def _rows(self) -> list[str]:
        """Topics of the cameras that are shown."""
        return self._goal_cameras or self._cameras

    @property
    def _is_over(self) -> bool:
        episode = self._episode
        return episode is not None and (episode.phase == "finished" or episode.id > self._episodes)

    def _first_goal_cameras(self) -> list[str]:
        """Camera topics of the first goal that has images."""
        if "/goal" not in self._player.topics:
            return []
        goals = (recorded.message for recorded in self._player.messages({"/goal"}))
        return next(([_topic(name) for name in goal.cameras] for goal in goals if goal.cameras), [])

    def _add_goal(self, goal: Message) -> None:
        images = zip(goal.cameras, goal.pictures, strict=True)
        pixels_by_topic = {_topic(name): self._pixels(image) for name, image in images}
        self._goal, self._start, self._now = goal, {}, {}
        self._goal_images = {topic: pixels for topic, pixels in pixels_by_topic.items() if pixels is not None}

    def _add_episode(self, episode: Message) -> None:
        self._episode = episode
        self._has_distance = episode.distance > 0 or (self._has_distance and episode.phase != "started")

    def _add_image(self, recorded: Recorded) -> bool:
        """Add a camera's image; returns whether it completes a frame."""
        pixels = self._pixels(recorded.message)
        if pixels is None:
            return False
        self._now[recorded.topic] = pixels
        self._start.setdefault(recorded.topic, pixels)
        rows = set(self._rows)
        is_goal_known = rows <= set(self._goal_images) if self._goal_cameras else True
        return is_goal_known and rows <= set(self._now) and recorded.topic == list(self._now)[-1]

    def _pixels(self, image: Message) -> Frame | None:
        """RGB pixels of an image; None if it cannot be read, with the reason in `_problem`."""
        try:
            return _visible(image_array(image))
        except ShapeError as error:
            self._problem = str(error)
            return None

    def _is_due(self, stamp_ns: int) -> bool:
        last = self._last_ns
        if self._episode is None and last is not None and 0 <= stamp_ns - last < nanoseconds(PERIOD_S):
            return False
        self._last_ns = stamp_ns
        return True

    def _frame(self, stamp_ns: int) -> Frame:
        columns = [(self._start, "start")]
        if self._goal_cameras:
            columns.append((self._goal_images, "goal"))
        return _compose([*columns, (self._now, self._text(stamp_ns))], self._rows)

    def _text(self, stamp_ns: int) -> str:
        if self._episode is not None:
            distance = f"  {self._unit.format(self._episode.distance)}" if self._has_distance else ""
            return f"episode {self._episode.id}  step {self._episode.step}{distance}"
        self._first_ns = stamp_ns if self._first_ns is None else self._first_ns
        goal = "" if self._goal is None else f"goal {self._goal.id}  "
        return f"{goal}{seconds(stamp_ns - self._first_ns):.1f} s"


def _topic(camera: str) -> str:
    return f"/camera/{camera}/image_raw"


def _visible(pixels: NDArray[Any]) -> Frame:
    """An RGB copy of an image; depth goes from black, near or not measured, to white, the farthest."""
    if pixels.dtype == np.float32:
        pixels = (255 * pixels / max(float(pixels.max()), 1e-9)).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels.copy()


def _compose(columns: list[tuple[dict[str, Frame], str]], rows: list[str]) -> Frame:
    """One image from columns of images by topic, with a caption above each column."""
    panels = []
    for images, caption in columns:
        panel = Image.new("RGB", (PANEL, PANEL * len(rows) + BAR), "black")
        for row, topic in enumerate(sorted(rows)):
            image = Image.fromarray(images[topic]).resize((PANEL, PANEL), Image.Resampling.NEAREST)
            panel.paste(image, (0, BAR + PANEL * row))
        ImageDraw.Draw(panel).text((10, 8), caption, fill="white", font_size=16)
        panels.append(np.asarray(panel))
    return np.concatenate(panels, axis=1)
