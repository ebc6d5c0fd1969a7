"""`wm doctor`: what this machine has and lacks."""

import sys

from rich.markup import escape

from wm_planner.terminal import console

COLOURS = {"ok": "green", "bad": "red", "--": "dim"}


def doctor() -> None:
    """Show what this machine has and lacks."""
    from wm_planner.cli import examination

    is_well = True
    for finding in examination.examine():
        mark = f"[{COLOURS[finding.mark]}]{finding.mark:3s}[/]"
        console.print(f"{mark} {finding.what:36s} {escape(finding.found)}", soft_wrap=True)
        is_well &= finding.mark != "bad"
    if not is_well:
        sys.exit(2)
