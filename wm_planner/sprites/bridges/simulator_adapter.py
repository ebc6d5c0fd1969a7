"""A yard on the bus."""

from wm_planner.bridges.signals import SignalAdapter


class SpriteAdapter(SignalAdapter):
    """Publishes picture, position and velocity, and obeys actions on /command."""
