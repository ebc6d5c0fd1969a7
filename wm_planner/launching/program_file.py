"""The Python file of a node program, and the class in it."""

import ast
from pathlib import Path
from types import ModuleType

from wm_planner import plugins
from wm_planner.errors import PluginError, missing_package
from wm_planner.node.node import Node
from wm_planner.node.program import run


def node_class(program: Path) -> type[Node]:
    """The one `Node` class that a program defines.

    Raises:
        PluginError: if it cannot be imported, does not define exactly one, or never runs it.
    """
    try:
        module = plugins.load_file(program)
    except ModuleNotFoundError as error:
        raise PluginError(f"{program}: {missing_package(error)}") from None
    except ImportError as error:
        raise PluginError(f"{program}: cannot be imported ({error})") from None
    except SystemExit:
        raise PluginError(
            f'{program}: exits when it is imported; call run(...) below `if __name__ == "__main__":`'
        ) from None
    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Node) and item.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise PluginError(f"{program}: defines {len(classes)} classes derived from Node, wanted one")
    if not _calls_run(program, module):
        raise PluginError(
            f"{program}: never runs its node, so its process would end at once; call "
            f'wm_planner.node.run({classes[0].__name__}) below `if __name__ == "__main__":` at its end'
        )
    return classes[0]


def _calls_run(program: Path, module: ModuleType) -> bool:
    """Whether a program calls `wm_planner.node.run`, by whatever name it imports it."""
    calls = [each.func for each in ast.walk(ast.parse(program.read_bytes())) if isinstance(each, ast.Call)]
    names = {each.id for each in calls if isinstance(each, ast.Name)}
    methods = {each.attr for each in calls if isinstance(each, ast.Attribute)}
    return run.__name__ in methods or any(vars(module).get(name) is run for name in names)
