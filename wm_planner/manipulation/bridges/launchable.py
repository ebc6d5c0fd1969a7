"""Whether the nodes for arms can run a bundle, as far as its card says."""

from wm_planner.bridges.messages import POSE_STATE
from wm_planner.contracts.card import Card

ACTION = (("dx", "dy", "dz"), ("m", "m", "m"))
"""Names and units of the actions that the controller `ee_delta` executes."""


def unsupported_parts(card: Card) -> list[str]:
    """One line per state that no node provides and per action that none executes; empty if launchable."""
    lines = [
        f"perception: no topic carries the state {state.name} ({state.size} values in {state.unit}), "
        f"only {POSE_STATE} is published"
        for state in card.observation.state
        if state.name != POSE_STATE
    ]
    action = card.action
    if (action.names, action.units) != ACTION:
        pairs = ", ".join(f"{name} in {unit}" for name, unit in zip(action.names, action.units, strict=True))
        lines.append(
            f"controller: none executes actions of {len(action.names)} components ({pairs}); ee_delta takes "
            f"{', '.join(ACTION[0])} in m"
        )
    return lines
