"""A short film of a run: start, goal and motion side by side, every camera a row."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wm_planner.evaluation.runs.length_unit import unit_of
from wm_planner.evaluation.runs.run_statistics import MAP
from wm_planner.messaging.messages import image_array
from wm_planner.recording.player import Player

VIDEO_FILE = "episodes.mp4"
PANEL = 256  # pixels, side of one camera's picture in the film
BAR = 32  # pixels, height of the line of text
FPS = 10  # twice as fast as the 5 Hz at which scenes are controlled
LONGEST = 600  # frames, a minute

Frame = NDArray[np.uint8]


def write_video(recording: Path, out: Path, episodes: int = 5) -> Path | None:
    """Film the first episodes of a recording into the folder `out`; None if it shows none."""
    frames = itertools.islice(_frames(Player(recording), episodes), LONGEST)
    first = next(frames, None)
    if first is None:
        return None
    path = out / VIDEO_FILE
    film: Any = imageio.get_writer(path, fps=FPS, macro_block_size=16, quality=8)
    with film:
        for frame in itertools.chain([first], frames):
            film.append_data(frame)
    return path


def _frames(player: Player, episodes: int) -> Iterator[Frame]:
    cameras = [topic for topic in player.topics if topic.endswith("/image_raw")]
    goal: dict[str, Frame] = {}
    start: dict[str, Frame] = {}
    now: dict[str, Frame] = {}
    episode: Any = None
    is_away = False  # a goal that is no place has no distance
    unit = unit_of(MAP in player.topics)
    wanted = {"/goal", "/episode", *cameras}
    for recorded in player.messages(wanted & set(player.topics)):
        message = recorded.message
        if recorded.topic == "/goal":
            goal = {
                f"/camera/{name}/image_raw": image_array(picture).copy()
                for name, picture in zip(message.cameras, message.pictures, strict=True)
            }
            start, now = {}, {}
        elif recorded.topic == "/episode":
            episode = message
            is_away = episode.distance > 0 or (is_away and episode.phase != "started")
            if episode.phase == "finished" or episode.id > episodes:
                return
        else:
            now[recorded.topic] = image_array(message).copy()
            start.setdefault(recorded.topic, now[recorded.topic])
            if set(goal) == set(now) == set(start) and recorded.topic == list(now)[-1]:
                distance = f"  {unit.words(episode.distance)}" if is_away else ""
                text = f"episode {episode.id}  step {episode.step}{distance}"
                yield _frame([(start, "start"), (goal, "goal"), (now, text)])


def _frame(columns: list[tuple[dict[str, Frame], str]]) -> Frame:
    panels = []
    for pictures, text in columns:
        rows = [
            Image.fromarray(pictures[name]).resize((PANEL, PANEL), Image.Resampling.NEAREST)
            for name in sorted(pictures)
        ]
        panel = Image.new("RGB", (PANEL, PANEL * len(rows) + BAR), "black")
        for row, picture in enumerate(rows):
            panel.paste(picture, (0, BAR + PANEL * row))
        ImageDraw.Draw(panel).text((10, 8), text, fill="white", font_size=16)
        panels.append(np.asarray(panel))
    return np.concatenate(panels, axis=1)
