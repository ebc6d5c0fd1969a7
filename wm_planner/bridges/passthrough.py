"""The controller for robots and environments whose command is the action itself."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from wm_planner import config, share
from wm_planner.bridges.messages import actions_of
from wm_planner.bridges.statements import action_statements
from wm_planner.errors import ConfigError, InputError
from wm_planner.messaging import messages as m
from wm_planner.node.facts import Facts
from wm_planner.world_models.onnx.card_file import read_card


class Passthrough:
    """Sends each action as it is planned, within the bounds of a card; see `bridges.controllers.Controller`.

    Actions go out on /command, as one point of a trajectory whose joints are named like the components.
    """

    command_topic = "/command"
    reports_action = True

    class Config(config.Config, frozen=True, kw_only=True):
        """Which actions are sent.

        Attributes:
            world_model: path of the bundle whose card names and bounds the actions.
            idle: the action where no plan is to be carried out; empty for the one nearest to zero, or for
                set points (`absolute` on the card) the last one. Give it if choice 0 is not to do nothing.
            state_topic: any topic with one message per tick, whose stamps the commands get.
        """

        world_model: str
        idle: tuple[float, ...] = ()
        state_topic: str = "/clock"

    @classmethod
    def check(cls, config: Config) -> None:
        """Refuse a bundle that does not exist, and an idle action that is not one of its actions.

        Raises:
            ConfigError: naming the components.
            BundleError, PluginError: if the card cannot be read.
        """
        cls(config)

    @classmethod
    def facts(cls, config: Config) -> Facts:
        return Facts(agrees=action_statements(read_card(share.find(config.world_model)).action))

    def __init__(self, config: Config) -> None:
        action = read_card(share.find(config.world_model)).action
        self._names = action.names
        self._low, self._high = np.array(action.low), np.array(action.high)
        idle = np.array(config.idle) if config.idle else np.clip(0.0, self._low, self._high)
        outside = idle.shape != self._low.shape or bool(np.any((idle < self._low) | (idle > self._high)))
        if outside:
            raise ConfigError(
                f"controller: params.control.idle is {idle.tolist()}, wanted {len(self._names)} values "
                f"({', '.join(self._names)}) from {self._low.tolist()} to {self._high.tolist()}"
            )
        self._idle = idle
        self._repeats = action.absolute and not config.idle
        self.executed: NDArray[np.float32] | None = None
        self._clipped = 0
        self._stamp_ns = 0
        self.state_topic = config.state_topic

    def reset(self) -> None:
        self.executed = None

    def fault(self, state: m.Message) -> str:
        return ""

    def observe(self, state: m.Message) -> None:
        self._stamp_ns = m.stamp_ns(state)

    def command(self, plan: m.Message, step: int) -> m.Message:
        """One action of a plan, within its bounds.

        Raises:
            InputError: if the plan is of other actions.
        """
        if tuple(plan.action_names) != self._names:
            raise InputError(
                f"/plan holds {', '.join(plan.action_names)}, the controller sends {', '.join(self._names)}: "
                "give planner and controller the same world_model"
            )
        action = actions_of(plan)[step].astype(np.float64)
        admissible = np.clip(np.where(np.isfinite(action), action, self._idle), self._low, self._high)
        self._clipped += bool(np.any(admissible != action))
        return self._message(admissible, plan.dt_s)

    def stop(self, period_s: float) -> m.Message:
        """The idle action, or the set point that was sent last."""
        last = self.executed if self._repeats else None
        return self._message(self._idle if last is None else last.astype(np.float64), period_s)

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """Never needed, because no measured state has a fault."""
        return dataclasses.replace(self.stop(0.0), header=m.header(stamp_ns))

    @property
    def figures(self) -> dict[str, str]:
        return {"clipped": str(self._clipped)}

    def _message(self, action: NDArray[np.float64], period_s: float) -> m.Message:
        self.executed = action.astype(np.float32)
        return m.joint_trajectory(self._names, action[None], period_s, self._stamp_ns)
