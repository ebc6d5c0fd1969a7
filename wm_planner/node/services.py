"""Services of a node, which tools call while it runs: `wm node call NODE NAME`."""

from collections.abc import Callable

from wm_planner.errors import NodeError, did_you_mean


class Services(dict[str, Callable[[], None]]):
    """What a node does when it is asked to, by name."""

    def call(self, name: str, node: str) -> None:
        """Carry out a service of `node`.

        Raises:
            NodeError: if the node does not have it.
        """
        if name not in self:
            raise NodeError(f"{node}: no service '{name}', {did_you_mean(name, self)}")
        self[name]()
