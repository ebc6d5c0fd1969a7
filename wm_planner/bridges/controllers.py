"""Controllers on the bus: what the actions of a plan mean on a robot, and how it is brought to rest."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wm_planner.control.kept_grip import Grip
from wm_planner.messaging import messages as m
from wm_planner.plugins import Registry

CONTROLLERS = Registry("controller", {"passthrough": "wm_planner.bridges.passthrough:Passthrough"})


@runtime_checkable
class Paced(Protocol):
    """A controller that in realtime commands set-points at a fixed rate."""

    def pace(self, rate_hz: float) -> None:
        """From now on `command` and `stop` only say where the set-points lead."""
        ...

    def set_point(self, stamp_ns: int) -> m.Message | None:
        """The next command, `1 / rate_hz` after the last; None while there is no state to begin from."""
        ...


@runtime_checkable
class Gripping(Protocol):
    """A controller with a gripper, whose target a controller that is started again takes over."""

    @property
    def grip(self) -> Grip | None:
        """The target; None before the first."""
        ...

    def take_over(self, grip: Grip) -> None:
        """Go on from a target of the controller before."""
        ...


class Controller(Protocol):
    """From the steps of a plan and the measured state to commands.

    Attributes:
        state_topic: the measured state that commands are computed from, one per tick.
        command_topic: the commands.
        reports_action: whether `executed` is told on /action; a controller without it does not report.
    """

    @property
    def state_topic(self) -> str: ...
    @property
    def command_topic(self) -> str: ...
    @property
    def reports_action(self) -> bool: ...

    def reset(self) -> None:
        """A new episode begins."""
        ...

    def fault(self, state: m.Message) -> str:
        """Why no command may be computed from a measured state; empty if one may."""
        ...

    def observe(self, state: m.Message) -> None:
        """Take in a measured state without `fault`, each once."""
        ...

    def command(self, plan: m.Message, step: int) -> m.Message:
        """Carry out one step of a plan from the state observed last; `step` counts from the plan's stamp."""
        ...

    def stop(self, period_s: float) -> m.Message:
        """Hold or brake for one period, from the state observed last."""
        ...

    def blind_stop(self, stamp_ns: int) -> m.Message | None:
        """The command for a tick whose measured state has a `fault`; None before the first command."""
        ...

    @property
    def executed(self) -> NDArray[np.float32] | None:
        """The action (A,) of the last command, after limits, in the names and units of the plan; None if it
        is not known. Only with `reports_action`.
        """
        ...

    @property
    def figures(self) -> dict[str, str]:
        """For /diagnostics, such as how many commands were clipped to the limits."""
        ...
