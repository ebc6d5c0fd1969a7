"""Whether the nodes for arms can run a bundle, as far as its card says."""

from wm_planner.bridges.messages import JOINT_STATES, POSE_STATE
from wm_planner.contracts.card import Card

STATES = (POSE_STATE, *JOINT_STATES)
"""The states that the simulator of an arm publishes."""

ACTION = (("dx", "dy", "dz"), ("m", "m", "m"))
"""Names and units of the actions that the controller `ee_delta` executes."""


def unsupported_parts(card: Card) -> list[str]:
    """One line per state that no node provides and per action that none executes; empty if launchable."""
    lines = [
        f"perception: an arm does not publish the state {state.name} ({state.size} values in {state.unit}), "
        f"only {', '.join(STATES)}"
        for state in card.observation.state
        if state.name not in STATES
    ]
    action = card.action
    if (action.names, action.units) != ACTION:
        pairs = ", ".join(f"{name} in {unit}" for name, unit in zip(action.names, action.units, strict=True))
        lines.append(
            f"controller: none executes actions of {len(action.names)} components ({pairs}); ee_delta takes "
            f"{', '.join(ACTION[0])} in m"
        )
    return lines
