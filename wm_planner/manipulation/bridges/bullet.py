"""The controller of PyBullet's Panda."""

from wm_planner import config
from wm_planner.bridges.statements import ACTION, components
from wm_planner.manipulation.bridges.arm_control import ArmControl
from wm_planner.manipulation.bridges.launchable import ACTION as ARM_ACTION
from wm_planner.manipulation.simulation.bullet_panda import PandaKinematics
from wm_planner.node.facts import Facts


class BulletControl(ArmControl):
    """Executes displacements of the Panda's tool point; see `bridges.controllers.Controller`."""

    class Config(config.Config, frozen=True, kw_only=True):
        """Nothing can be set."""

    @classmethod
    def facts(cls, config: Config) -> Facts:
        return Facts(agrees={ACTION: components(*ARM_ACTION)})

    def __init__(self, config: Config) -> None:
        super().__init__(PandaKinematics().control())
