"""Bird's-eye images and videos of the drives of one problem, side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from wm_planner.driving.birdseye.raster import BirdsEyeRenderer
from wm_planner.driving.birdseye.scenario_camera import ScenarioCamera
from wm_planner.driving.evaluation.closed_loop import DriveResult
from wm_planner.driving.evaluation.drive_scores import DriveScores
from wm_planner.evaluation import film
from wm_planner.evaluation.film import Frame

PANEL = 256  # pixels, side of an image
BAR = 40  # pixels, height of two lines of text
HEADER = 48  # pixels, height of title and legend
PATH, PLAN, GOAL = (60, 210, 90), (250, 120, 200), (245, 230, 80)
LEGEND = {"driven path": PATH, "plan": PLAN, "goal": GOAL}
BAD, GOOD = (255, 110, 110), (150, 240, 150)
AGENTS = {"replay": "replayed agents", "idm": "reactive agents"}
_VIEW_M = (80.0, 240.0)  # minimum and maximum side of the visible square


class DrivePanels:
    """Renders the steps of a drive, with its scores."""

    def __init__(self, result: DriveResult, scores: DriveScores) -> None:
        self.result, self.scores = result, scores
        history = result.history
        length = np.hypot(*np.diff(history.poses[:, :2], axis=0).T).sum()
        side = float(np.clip(1.4 * length, *_VIEW_M))
        pixel_m = side / PANEL
        config = BirdsEyeRenderer.Config(
            size_px=PANEL, metres_per_px=pixel_m, ahead_m=-0.2 * side, line_m=1.5 * pixel_m
        )
        outlines = [o for goal in result.drive.problem.goals for o in history.scenario.goal_outlines(goal)]
        self._goal = [(np.concatenate([outline, outline[:1]]), GOAL) for outline in outlines]
        self._camera = ScenarioCamera(config, history.scenario, history.vehicle.size)

    @property
    def steps(self) -> int:
        """Number of steps of the drive, counting the start."""
        return len(self.result.history.ego)

    def panel(self, step: int) -> Frame:
        """The image of a step with path and plan, (PANEL + BAR, PANEL, 3); after the last step it stays."""
        history, step = self.result.history, min(step, self.steps - 1)
        lines = [*self._goal, (history.poses[: step + 1, :2], PATH)] if step else [*self._goal]
        if step < len(self.result.plans):
            lines.append((self.result.plans[step][:, :2], PLAN))
        picture = self._camera.render(
            history.poses[step],
            history.agents[:, step],
            history.first_step + step,
            self.result.drive.line.points,
            lines,
        )
        panel = Image.new("RGB", (PANEL, PANEL + BAR), "black")
        panel.paste(Image.fromarray(picture), (0, BAR))
        pen = ImageDraw.Draw(panel)
        time_s = step * history.scenario.dt
        label = f"{self.scores.planner}, {AGENTS.get(self.scores.agents, self.scores.agents)}"
        pen.text((6, 3), label, fill="white", font_size=14)
        outcome, colour = outcome_text(self.scores), GOOD if self.scores.reached else BAD
        pen.text((6, 21), f"{time_s:.1f} s   {outcome}", fill=colour, font_size=14)
        return np.asarray(panel)


def outcome_text(scores: DriveScores) -> str:
    """The outcome of a drive in a few words."""
    if scores.error:
        return "error"
    words = (
        "collided" if scores.collided else "",
        "left the road" if scores.off_road else "",
        "goal" if scores.reached else "no goal",
    )
    return f"{', '.join(filter(None, words))}  {100 * scores.nuplan['score']:.0f}"


def write_image(drives: Sequence[DrivePanels], columns: int, path: Path) -> None:
    """Write an image of the last step of each drive, with a number of columns."""
    grid = _grid([each.panel(each.steps - 1) for each in drives], columns)
    Image.fromarray(_headed(grid, path.stem)).save(path)


def write_film(drives: Sequence[DrivePanels], columns: int, path: Path, fps: float) -> None:
    """Write a video of all drives, in a number of columns.

    Raises:
        RecordingError: if it cannot be written.
    """
    steps = range(max(each.steps for each in drives))
    grids = (_grid([each.panel(step) for each in drives], columns) for step in steps)
    film.write_film(path, (_headed(grid, path.stem) for grid in grids), fps, block=8, quality=7)


def _headed(grid: Frame, title: str) -> Frame:
    """Add a title and the legend above."""
    header = Image.new("RGB", (grid.shape[1], HEADER), "black")
    pen = ImageDraw.Draw(header)
    pen.text((6, 4), title, fill="white", font_size=14)
    x = 6.0
    for label, colour in LEGEND.items():
        pen.text((x, 25), label, fill=colour, font_size=14)
        x += pen.textlength(label, font_size=14) + 16
    return np.concatenate([np.asarray(header), grid])


def _grid(panels: Sequence[Frame], columns: int) -> Frame:
    padding = -len(panels) % columns
    full = [*panels, *[np.zeros_like(panels[0])] * padding]
    rows = [np.concatenate(full[at : at + columns], axis=1) for at in range(0, len(full), columns)]
    return np.concatenate(rows, axis=0)
