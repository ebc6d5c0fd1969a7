"""Changes of a node's parameters while it runs."""

from typing import TYPE_CHECKING, Any

from wm_planner.config import Config, convert, to_builtins
from wm_planner.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from wm_planner.node.node import Node


def changed(node: "Node", name: str, value: Any) -> Config:
    """The parameters of a node with one of them changed.

    Raises:
        ConfigError: if the node has no such parameter, it cannot change while the node runs, or the value
            does not fit.
    """
    values = to_builtins(node.params)
    if name not in values:
        raise ConfigError(f"{node.name}: no parameter '{name}', {did_you_mean(name, values)}")
    if name not in node.changeable:
        others = ", ".join(node.changeable) or "none"
        raise ConfigError(
            f"{node.name}: {name} cannot change while the node runs (those that can: {others}); "
            "set it in the launch file"
        )
    return convert(values | {name: value}, node.Params, f"{node.name}: ")
