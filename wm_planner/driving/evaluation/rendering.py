"""Simulated drives of one problem seen from above, side by side: a picture of how they ended, or a film."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wm_planner.driving.birdseye.raster import BirdsEyeRenderer
from wm_planner.driving.birdseye.scenario_camera import ScenarioCamera
from wm_planner.driving.evaluation.closed_loop import DriveResult
from wm_planner.driving.evaluation.drive_scores import DriveScores

Frame = NDArray[np.uint8]

PANEL = 256  # pixels, side of a picture
BAR = 40  # pixels, height of two lines of text
HEAD = 48  # pixels, height of the title and of what the colours mean
PATH, PLAN, GOAL = (60, 210, 90), (250, 120, 200), (245, 230, 80)
LEGEND = {"way driven": PATH, "plan": PLAN, "goal": GOAL}
BAD, GOOD = (255, 110, 110), (150, 240, 150)
AGENTS = {"replay": "others replayed", "idm": "others react"}
_VIEW_M = (80.0, 240.0)  # sides of the shown square, at least and at most


class DrivePanels:
    """A drive with its scores, as pictures."""

    def __init__(self, driven: DriveResult, scores: DriveScores) -> None:
        self.driven, self.scores = driven, scores
        history = driven.history
        way = np.hypot(*np.diff(history.poses[:, :2], axis=0).T).sum()
        side = float(np.clip(1.4 * way, *_VIEW_M))
        pixel_m = side / PANEL
        config = BirdsEyeRenderer.Config(
            size_px=PANEL, metres_per_px=pixel_m, ahead_m=-0.2 * side, line_m=1.5 * pixel_m
        )
        outlines = [o for goal in driven.drive.problem.goals for o in history.scenario.goal_outlines(goal)]
        self._goal = [(np.concatenate([outline, outline[:1]]), GOAL) for outline in outlines]
        self._camera = ScenarioCamera(config, history.scenario, history.vehicle.size)

    @property
    def steps(self) -> int:
        """Moments of the drive."""
        return len(self.driven.history.ego)

    def panel(self, moment: int) -> Frame:
        """One moment, with the way so far and the plan, (PANEL + BAR, PANEL, 3); the last one stays."""
        history, moment = self.driven.history, min(moment, self.steps - 1)
        lines = [*self._goal, (history.poses[: moment + 1, :2], PATH)] if moment else [*self._goal]
        if moment < len(self.driven.plans):
            lines.append((self.driven.plans[moment][:, :2], PLAN))
        picture = self._camera.render(
            history.poses[moment],
            history.agents[:, moment],
            history.first_step + moment,
            self.driven.drive.line.points,
            lines,
        )
        panel = Image.new("RGB", (PANEL, PANEL + BAR), "black")
        panel.paste(Image.fromarray(picture), (0, BAR))
        pen = ImageDraw.Draw(panel)
        time_s = moment * history.scenario.dt
        head = f"{self.scores.planner}, {AGENTS.get(self.scores.agents, self.scores.agents)}"
        pen.text((6, 3), head, fill="white", font_size=14)
        verdict, colour = outcome_text(self.scores), GOOD if self.scores.reached else BAD
        pen.text((6, 21), f"{time_s:.1f} s   {verdict}", fill=colour, font_size=14)
        return np.asarray(panel)


def outcome_text(scores: DriveScores) -> str:
    """In a few words how a drive went."""
    if scores.error:
        return "raised"
    words = (
        "collided" if scores.collided else "",
        "left the road" if scores.off_road else "",
        "goal" if scores.reached else "no goal",
    )
    return f"{', '.join(filter(None, words))}  {100 * scores.nuplan['score']:.0f}"


def write_image(seen: Sequence[DrivePanels], columns: int, path: Path) -> None:
    """Write how the drives ended, so many a row."""
    grid = _grid([each.panel(each.steps - 1) for each in seen], columns)
    Image.fromarray(_headed(grid, path.stem)).save(path)


def write_film(seen: Sequence[DrivePanels], columns: int, path: Path, fps: float) -> None:
    """Write the drives as a film, all from their start."""
    writer: Any = imageio.get_writer(path, fps=fps, macro_block_size=8, quality=7)
    with writer:
        for moment in range(max(each.steps for each in seen)):
            grid = _grid([each.panel(moment) for each in seen], columns)
            writer.append_data(_headed(grid, path.stem))


def _headed(grid: Frame, title: str) -> Frame:
    """The same below a title and the meaning of the colours."""
    head = Image.new("RGB", (grid.shape[1], HEAD), "black")
    pen = ImageDraw.Draw(head)
    pen.text((6, 4), title, fill="white", font_size=14)
    at = 6.0
    for words, colour in LEGEND.items():
        pen.text((at, 25), words, fill=colour, font_size=14)
        at += pen.textlength(words, font_size=14) + 16
    return np.concatenate([np.asarray(head), grid])


def _grid(panels: Sequence[Frame], columns: int) -> Frame:
    missing = -len(panels) % columns
    full = [*panels, *[np.zeros_like(panels[0])] * missing]
    rows = [np.concatenate(full[at : at + columns], axis=1) for at in range(0, len(full), columns)]
    return np.concatenate(rows, axis=0)
