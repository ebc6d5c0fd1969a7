"""The picking task with the FR3 arm and block of judo, for comparison with that toolkit.

It contains and runs no code of judo. Its MJCF is read from judo's wheel, and the meshes, which judo would
download, from another wheel:

    pip install --no-deps --target peers judo-rai==0.1.0 franky-sim==1.0.4
    from=peers/franky_sim/assets/meshes to=peers/judo/models/meshes/fr3
    mkdir -p $to; for f in $(ls $from); do n=${f/_vis/}; cp $from/$f $to/${n/_coll/}; done
    PYTHONPATH=peers wm bench physics sim/peers/fr3_pick.yaml
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from wm_planner.control.ee_delta import EndEffectorDelta
from wm_planner.control.kinematics import SerialChain
from wm_planner.errors import SimulationError
from wm_planner.manipulation.simulation.pick import Pick
from wm_planner.world_models.physics.plant import Model

HOME = (0.0, -0.7854, 0.0, -2.3562, 0.0, 1.5708, 0.7854)  # rad, judo's
VELOCITY_LIMITS = (2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26)  # rad/s, Franka's for the FR3
WORKSPACE = ((0.34, -0.30, 0.015), (0.70, 0.30, 0.42))  # m, that of the built-in arm


@dataclass(frozen=True)
class FR3Pick(Pick):
    """Adds the workspace, home posture and velocity limits, which judo's MJCF does not define."""

    def arm(self, model: Model) -> EndEffectorDelta:
        chain = SerialChain.of(model, self.tool)
        low, high = np.array(WORKSPACE)
        down = chain.forward(np.array(HOME))[1]
        return EndEffectorDelta(chain, np.array(HOME), down, np.array(VELOCITY_LIMITS), low, high)


def _mjcf() -> Path:
    judo = find_spec("judo")
    if judo is None or not judo.submodule_search_locations:
        raise SimulationError(f"judo's wheel is not on the path; {__file__} explains how to install it")
    return Path(judo.submodule_search_locations[0]) / "models" / "xml" / "fr3_pick.xml"


SCENE = FR3Pick(
    model_file=_mjcf(),
    low=(0.42, -0.16, 0.12),
    high=(0.64, 0.16, 0.25),
    cameras=(),
    tool="grasp_site",
    point="object",
    block="object_joint",
    fingers=("finger_joint1",),
    followers=("finger_joint2",),
)
