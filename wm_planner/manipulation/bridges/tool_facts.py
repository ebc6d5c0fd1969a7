"""Which actions the controller of an arm can carry out."""

from wm_planner.bridges.statements import ACTION, COMMAND, POSITIONS, components
from wm_planner.control.tool_action import TAKEN, ToolAction
from wm_planner.node.facts import Facts


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
