"""A pendulum with a motor of gear 4: a tiny scene of torques."""

from pathlib import Path

MJCF = """
<mujoco model="swing">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.005"/>
  <worldbody>
    <camera name="front" pos="0 -2 0" xyaxes="1 0 0 0 0 1"/>
    <body>
      <joint name="hinge" axis="0 1 0" damping="0.05"/>
      <geom type="capsule" fromto="0 0 0 0 0 -0.5" size="0.03" mass="1"/>
      <site name="tip" pos="0 0 -0.5"/>
    </body>
  </worldbody>
  <actuator><motor name="hinge" joint="hinge" gear="4" ctrlrange="-1.5 1.5"/></actuator>
</mujoco>"""
SCENE = '''"""A pendulum with a motor."""
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from wm_planner.contracts.card import ActionSpec
from wm_planner.contracts.task import Placement, Task
from wm_planner.control.actuators import ActuatorTargets

@dataclass(frozen=True)
class Swing:
    name = "swing"
    model_file = Path(__file__).with_suffix(".xml")
    cameras, image_size, control_dt_s = ("front",), (8, 8), 0.05
    point, points, success_radius = "tip", ("tip",), 0.03
    action = ActionSpec(names=("hinge",), units=("N m",), low=(-6.0,), high=(6.0,))
    def control(self, model):
        return ActuatorTargets.of(model)
    def sample(self, rng):
        goal = Placement(joints={"hinge": np.array([-1.0])})
        return Task(Placement(joints={"hinge": np.array([0.0])}), goal, np.array([0.42, 0.0, -0.27]))
    def explore(self, rng):
        return Placement(joints={"hinge": np.array([0.3])})

SCENE = Swing()
'''


def write_swing(folder: Path) -> str:
    """Write the scene into a folder; the path of its Python file."""
    (folder / "swing.xml").write_text(MJCF)
    (folder / "swing.py").write_text(SCENE)
    return str(folder / "swing.py")
