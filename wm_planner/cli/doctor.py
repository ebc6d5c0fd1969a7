"""`wm doctor`: what this machine has and lacks."""

import sys

from rich.markup import escape

from wm_planner.terminal import console


def doctor() -> None:
    """Show what this machine has and lacks."""
    from wm_planner.cli import examination

    findings = list(examination.examine())
    for finding in findings:
        mark = "[green]ok[/]  " if finding.is_well else "[red]bad[/] "
        console.print(f"{mark}{finding.what:30s} {escape(finding.found)}", soft_wrap=True)
    if not all(finding.is_well for finding in findings):
        sys.exit(2)
