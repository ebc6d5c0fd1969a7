"""What a file imports, read from its statements: nothing is imported to find out."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

SUPPORT = Path(__file__).parent
NEEDS_TORCH = (
    *("torch", "transformers", "accelerate", "safetensors"),
    *("wm_planner.networks", "wm_planner.training"),
)


def imports(path: Path, anywhere: bool = True) -> Iterator[str]:
    """The modules that a file imports: anywhere in it, or at its top level only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "wm_planner":
                yield from (f"wm_planner.{alias.name}" for alias in node.names)
            else:
                yield node.module


@functools.cache
def needs_torch(path: Path) -> bool:
    """Whether a test module, or a module of tests/support that it imports, needs torch to be imported."""
    names = list(imports(path, anywhere=False))
    helpers = (SUPPORT / f"{name}.py" for name in names)
    return any(name.startswith(NEEDS_TORCH) for name in names) or any(
        needs_torch(helper) for helper in helpers if helper.is_file()
    )
