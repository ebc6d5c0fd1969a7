"""The controller of PyBullet's Panda."""

from wm_planner import config
from wm_planner.manipulation.bridges.arm_control import ArmControl
from wm_planner.manipulation.bridges.tool_facts import tool_facts
from wm_planner.manipulation.simulation.bullet_panda import PandaKinematics
from wm_planner.node.facts import Facts

NO_GRIPPER = "PyBullet's Panda holds its fingers 2 cm open, because its scene has nothing to grasp"


class BulletControl(ArmControl):
    """Executes actions of the Panda's tool without its fingers; see `bridges.controllers.Controller`."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing can be set."""

    @classmethod
    def facts(cls, config: Config) -> Facts:
        return tool_facts(NO_GRIPPER)

    def __init__(self, config: Config) -> None:
        super().__init__(PandaKinematics().control(), no_gripper=NO_GRIPPER)
