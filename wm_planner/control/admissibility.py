"""Which postures an arm may be in: with its tool in the workspace, and clear of itself and of boxes."""

from dataclasses import dataclass

import numpy as np

from wm_planner.control.clearance import Clearance
from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.kinematics import Floats

SLACK_M = 0.01
"""How far the tool may leave the workspace, or get farther from it, on the way to a target: joints move it
along an arc."""


@dataclass(frozen=True)
class Admissibility:
    """Which postures may be entered; an arm that is where it may not be can leave, but not go farther.

    Attributes:
        control: of the arm, whose workspace counts.
        clearance: of the arm; None if its collision geometry is not known.
        margin_m: distance that parts keep from each other and from boxes.
    """

    control: EndEffectorDelta
    clearance: Clearance | None = None
    margin_m: float = 0.01

    def admits(self, q: Floats, start: Floats) -> bool:
        """Whether posture `q` (J,) may be entered on a move that began in `start` (J,)."""
        outside = self._outside(q)
        if outside > SLACK_M and outside > SLACK_M + self._outside(start):
            return False
        if self.clearance is None:
            return True
        distance = self.clearance.distance(q)
        return distance >= self.margin_m or distance >= self.clearance.distance(start)

    def why(self, q: Floats) -> str:
        """What keeps the arm from posture `q` (J,), in words; empty if it is admissible."""
        nearest = self.clearance.nearest(q) if self.clearance else None
        if nearest and nearest.distance < self.margin_m:
            return (
                f"{' and '.join(nearest.parts)} would come within {1000 * nearest.distance:.0f} mm, "
                f"at least {1000 * self.margin_m:.0f} mm are kept"
            )
        if self._outside(q) > SLACK_M:
            return f"the tool would leave its workspace, to {self.control.position(q).round(3).tolist()}"
        return ""

    def _outside(self, q: Floats) -> float:
        """Distance of the tool from the workspace along an axis, in m; negative inside."""
        tool = self.control.position(q)
        return float(np.maximum(self.control.low - tool, tool - self.control.high).max())
