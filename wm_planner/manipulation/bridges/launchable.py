"""Whether the nodes for arms can run a bundle, as far as its card says."""

from wm_planner.bridges.messages import JOINT_STATES, POSE_STATE
from wm_planner.bridges.statements import ACTION, COMMAND, POSITIONS, components
from wm_planner.contracts.card import Card
from wm_planner.control.tool_action import TAKEN, ToolAction
from wm_planner.node.facts import Facts

STATES = (POSE_STATE, *JOINT_STATES)
"""The states that the simulator of an arm publishes."""


def refusal(kind: ToolAction | None, no_gripper: str) -> str:
    """Why the controller of an arm cannot carry out an action; "" if it can.

    Args:
        kind: None for components that are not supported.
        no_gripper: why the robot has no gripper, e.g. "arm.xml has none"; "" if it has one.
    """
    if kind is None:
        return f"an end effector takes {TAKEN}"
    if kind.has_gripper and no_gripper:
        return f"{kind.components[-1][0]} needs a gripper, but {no_gripper}"
    return ""


def tool_facts(no_gripper: str) -> Facts:
    """Which actions of the planner the controller of an arm refuses; see `refusal`."""
    kinds = {components(*zip(*kind.components, strict=True)): kind for kind in ToolAction.all()}
    return Facts(
        {COMMAND: POSITIONS}, judges={ACTION: lambda text: refusal(kinds.get(str(text)), no_gripper)}
    )


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
