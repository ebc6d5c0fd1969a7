"""A short film of a run: start, goal and motion side by side, one row per camera."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wm_planner.clock import nanoseconds, seconds
from wm_planner.errors import RecordingError, ShapeError
from wm_planner.evaluation.runs.length_unit import unit_of
from wm_planner.evaluation.runs.run_statistics import MAP
from wm_planner.messaging.messages import Message, image_array
from wm_planner.recording.player import Player, Recorded

VIDEO_FILE = "episodes.mp4"
PANEL = 256  # pixels, side of one camera's picture in the film
BAR = 32  # pixels, height of the line of text
FPS = 10  # twice as fast as the 5 Hz at which scenes are controlled
LONGEST = 600  # frames, a minute
PERIOD_S = 0.2  # between two frames of a recording without episodes, whose cameras may be faster

Frame = NDArray[np.uint8]


def write_video(recording: Path, out: Path, episodes: int = 5) -> Path:
    """Film a recording, at most its first episodes, into the folder `out`.

    The goal is shown if any goal has pictures. A recording without /episode, as of a real robot, is filmed
    from its first goal on.

    Raises:
        RecordingError: if there is nothing to film, saying why, or the recording cannot be read.
    """
    reel = _Reel(Player(recording), episodes)
    frames = itertools.islice(reel.frames(), LONGEST)
    first = next(frames, None)
    if first is None:
        raise RecordingError(reel.why_empty())
    path = out / VIDEO_FILE
    film: Any = imageio.get_writer(path, fps=FPS, macro_block_size=16, quality=8)
    with film:
        for frame in itertools.chain([first], frames):
            film.append_data(frame)
    return path


class _Reel:
    """The frames of a recording."""

    def __init__(self, player: Player, episodes: int) -> None:
        self._player = player
        self._episodes = episodes
        self._unit = unit_of(MAP in player.topics)
        self._cameras = [topic for topic in player.topics if topic.endswith("/image_raw")]
        self._goal_cameras = self._first_goal_cameras()
        self._problem = ""
        self._goal: Message | None = None
        self._goal_pictures: dict[str, Frame] = {}
        self._start: dict[str, Frame] = {}
        self._now: dict[str, Frame] = {}
        self._episode: Message | None = None
        self._is_away = False  # a goal that is not a place has no distance
        self._began_ns: int | None = None
        self._filmed_ns: int | None = None

    def frames(self) -> Iterator[Frame]:
        """The frames, as far as pictures of all cameras and of the goal came."""
        wanted = {"/goal", "/episode", *self._rows} & set(self._player.topics)
        for recorded in self._player.messages(wanted):
            if recorded.topic == "/goal":
                self._take_goal(recorded.message)
            elif recorded.topic == "/episode":
                self._take_episode(recorded.message)
                if self._is_over:
                    return
            elif self._take_picture(recorded) and self._is_due(recorded.stamp_ns):
                yield self._frame(recorded.stamp_ns)

    def why_empty(self) -> str:
        """Why there are no frames."""
        if not self._cameras:
            return "no camera was recorded"
        if self._problem:
            return self._problem
        missing = sorted(set(self._rows) - set(self._cameras))
        if missing:
            return f"the goal shows {', '.join(missing)}, of which no picture was recorded"
        return "no picture of every camera was recorded after a goal"

    @property
    def _rows(self) -> list[str]:
        """The topics of the cameras that are shown."""
        return self._goal_cameras or self._cameras

    @property
    def _is_over(self) -> bool:
        episode = self._episode
        return episode is not None and (episode.phase == "finished" or episode.id > self._episodes)

    def _first_goal_cameras(self) -> list[str]:
        """The cameras of the first goal that has pictures."""
        if "/goal" not in self._player.topics:
            return []
        goals = (recorded.message for recorded in self._player.messages({"/goal"}))
        return next(([_topic(name) for name in goal.cameras] for goal in goals if goal.cameras), [])

    def _take_goal(self, goal: Message) -> None:
        pictures = zip(goal.cameras, goal.pictures, strict=True)
        found = {_topic(name): self._pixels(picture) for name, picture in pictures}
        self._goal, self._start, self._now = goal, {}, {}
        self._goal_pictures = {topic: pixels for topic, pixels in found.items() if pixels is not None}

    def _take_episode(self, episode: Message) -> None:
        self._episode = episode
        self._is_away = episode.distance > 0 or (self._is_away and episode.phase != "started")

    def _take_picture(self, recorded: Recorded) -> bool:
        """Take in a camera's picture; whether it completes a frame."""
        pixels = self._pixels(recorded.message)
        if pixels is None:
            return False
        self._now[recorded.topic] = pixels
        self._start.setdefault(recorded.topic, pixels)
        rows = set(self._rows)
        is_goal_known = rows <= set(self._goal_pictures) if self._goal_cameras else True
        return is_goal_known and rows <= set(self._now) and recorded.topic == list(self._now)[-1]

    def _pixels(self, picture: Message) -> Frame | None:
        """A picture's pixels; None if it is not in colour, which is noted."""
        try:
            return image_array(picture).copy()
        except ShapeError as error:
            self._problem = str(error)
            return None

    def _is_due(self, stamp_ns: int) -> bool:
        last = self._filmed_ns
        if self._episode is None and last is not None and 0 <= stamp_ns - last < nanoseconds(PERIOD_S):
            return False
        self._filmed_ns = stamp_ns
        return True

    def _frame(self, stamp_ns: int) -> Frame:
        columns = [(self._start, "start")]
        if self._goal_cameras:
            columns.append((self._goal_pictures, "goal"))
        return _joined([*columns, (self._now, self._text(stamp_ns))], self._rows)

    def _text(self, stamp_ns: int) -> str:
        if self._episode is not None:
            distance = f"  {self._unit.words(self._episode.distance)}" if self._is_away else ""
            return f"episode {self._episode.id}  step {self._episode.step}{distance}"
        self._began_ns = stamp_ns if self._began_ns is None else self._began_ns
        goal = "" if self._goal is None else f"goal {self._goal.id}  "
        return f"{goal}{seconds(stamp_ns - self._began_ns):.1f} s"


def _topic(camera: str) -> str:
    return f"/camera/{camera}/image_raw"


def _joined(columns: list[tuple[dict[str, Frame], str]], rows: list[str]) -> Frame:
    """Columns of pictures by topic, with a line of text above each, as one picture."""
    panels = []
    for pictures, text in columns:
        panel = Image.new("RGB", (PANEL, PANEL * len(rows) + BAR), "black")
        for row, topic in enumerate(sorted(rows)):
            picture = Image.fromarray(pictures[topic]).resize((PANEL, PANEL), Image.Resampling.NEAREST)
            panel.paste(picture, (0, BAR + PANEL * row))
        ImageDraw.Draw(panel).text((10, 8), text, fill="white", font_size=16)
        panels.append(np.asarray(panel))
    return np.concatenate(panels, axis=1)
