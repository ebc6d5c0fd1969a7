"""Whether the nodes for arms can run a bundle, as far as its card says."""

from wm_planner.bridges.messages import JOINT_STATES, POSE_STATE
from wm_planner.bridges.statements import components
from wm_planner.contracts.card import Card
from wm_planner.control.tool_action import TAKEN, ToolAction

STATES = (POSE_STATE, *JOINT_STATES)
"""The states that the simulator of an arm publishes."""

ACTION = (("dx", "dy", "dz"), ("m", "m", "m"))
"""Names and units of the actions that every arm executes."""


def refusal(kind: ToolAction | None, has_gripper: bool, robot: str = "the robot") -> str:
    """Why the controller of an arm cannot carry out an action; "" if it can.

    Args:
        kind: None for components that are not supported.
        has_gripper: whether the robot has one.
        robot: its name, for the text.
    """
    if kind is None:
        return f"an end effector takes {TAKEN}"
    if kind.has_gripper and not has_gripper:
        return f"{robot} has no gripper (slide joints with an actuator) for {kind.components[-1][0]}"
    return ""


def unsupported_parts(card: Card) -> list[str]:
    """One line per state that no node provides and per action that none executes; empty if launchable."""
    lines = [
        f"perception: an arm does not publish the state {state.name} ({state.size} values in {state.unit}), "
        f"only {', '.join(STATES)}"
        for state in card.observation.state
        if state.name not in STATES
    ]
    action = card.action
    if ToolAction.of(action.names, action.units) is None:
        lines.append(
            f"controller: none executes actions of {len(action.names)} components "
            f"({components(action.names, action.units)}); ee_delta takes {TAKEN}; joint takes its joints"
        )
    return lines
