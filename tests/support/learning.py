"""Which test modules need torch, read from their import statements: nothing is imported to find out."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

SUPPORT = Path(__file__).parent
NEEDS_TORCH = (
    *("torch", "transformers", "accelerate", "safetensors"),
    *("wm_planner.networks", "wm_planner.training"),
)


@functools.cache
def needs_torch(path: Path) -> bool:
    """Whether a test module, or a module of tests/support that it imports, needs torch to be imported."""
    return any(
        name == heavy or name.startswith(f"{heavy}.") or _is_support_that_needs_torch(name)
        for name in _imported(path)
        for heavy in NEEDS_TORCH
    )


def _is_support_that_needs_torch(name: str) -> bool:
    helper = SUPPORT / f"{name.partition('.')[0]}.py"
    return helper.is_file() and needs_torch(helper)


def _imported(path: Path) -> Iterator[str]:
    """The dotted names that a module imports at its top level."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
