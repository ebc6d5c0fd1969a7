"""The program of a process that several nodes share: `python -m wm_planner.launching.shared_process JSON`."""

import sys
from pathlib import Path

import msgspec

from wm_planner.config import Config
from wm_planner.launching.program_file import node_class
from wm_planner.node.arguments import Arguments
from wm_planner.node.program import Nodes, run_nodes


class Sharing(Config, frozen=True, kw_only=True):
    """A node of the process.

    Attributes:
        program: path of its Python file.
        arguments: of its program, as if it were alone.
    """

    program: str
    arguments: Arguments


def nodes_of(argument: str) -> Nodes:
    """The classes and arguments of the nodes in a JSON list.

    Raises:
        msgspec.ValidationError: if a key or value does not fit.
        PluginError: if a program cannot be imported.
    """
    sharing = msgspec.json.decode(argument, type=list[Sharing])
    return [(node_class(Path(each.program)), each.arguments) for each in sharing]


if __name__ == "__main__":
    run_nodes(lambda: nodes_of(sys.argv[1]), "%(asctime)s %(levelname)s %(name)s: %(message)s")
