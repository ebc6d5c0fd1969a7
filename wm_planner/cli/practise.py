"""`wm practise`: collect with a model, train it, and repeat."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from wm_planner.terminal import Bar, console, resumable

if TYPE_CHECKING:  # torch takes seconds to import
    from wm_planner.collection import practice
    from wm_planner.training import loop


def practise(
    model_file: Annotated[str, typer.Argument(help="model file, e.g. models/tdmpc2.py")],
    simulator: Annotated[str, typer.Argument(help="NAME,key=value, e.g. gym,id=Pendulum-v1")],
    out: Annotated[Path, typer.Option(help="folder of the run and its data; an existing run is resumed")],
    recipe: Annotated[str, typer.Option(help="name in the model file's RECIPES")],
    rounds: Annotated[int, typer.Option(min=1, help="rounds after the first one")] = 16,
    episodes: Annotated[int, typer.Option(min=1, help="collected per round")] = 1,
    first_episodes: Annotated[int, typer.Option(min=0, help="random episodes of the first round")] = 4,
    steps: Annotated[int, typer.Option(min=1, help="transitions per episode")] = 200,
    noise: Annotated[
        float, typer.Option(min=0, help="of the exploration, over half the range of an action")
    ] = 0.3,
    planner: Annotated[str, typer.Option(help="NAME,key=value")] = "policy,horizon=1",
    cost: Annotated[
        list[str] | None,
        typer.Option(help="NAME,key=value; repeatable; by default the model's reward and value"),
    ] = None,
    proposals: Annotated[str, typer.Option(help="elites or policy: what a search starts from")] = "elites",
    data: Annotated[list[str] | None, typer.Option(help="data set for the first round; repeatable")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="field=value of the recipe")] = None,
) -> None:
    """Train a world model on what it experiences itself: collect, train, collect with the trained model."""
    from wm_planner.collection import practice
    from wm_planner.collection.practice_config import PracticeConfig
    from wm_planner.config import convert

    values = {
        "model_file": model_file,
        "simulator": simulator,
        "recipe": recipe,
        "changes": changes or (),
        "rounds": rounds,
        "episodes": episodes,
        "first_episodes": first_episodes,
        "steps": steps,
        "noise": noise,
        "planner": planner,
        "costs": cost or (),
        "proposals": proposals,
        "data": data or (),
    }
    config = convert(values, PracticeConfig, "wm practise")

    with resumable(), Bar("iteration") as bar:
        report = Report(bar, rounds)
        practice.practise(
            config, out, practice.Listeners(report.on_round, report.on_progress, bar.update, report.warn)
        )


class Report:
    """What the terminal shows of a practice."""

    def __init__(self, bar: Bar, rounds: int) -> None:
        self.bar, self.rounds = bar, rounds

    def on_progress(self, progress: "loop.Progress") -> None:
        self.bar.describe(progress.terms_text, str(progress))

    def on_round(self, each: "practice.Round") -> None:
        held_back = f", {each.held_back} actions held back by limits" if each.held_back else ""
        progress = each.progress
        console.print(
            f"round {each.number}/{self.rounds}: return {each.mean_return:.1f}{held_back}, then iteration "
            f"{progress.iteration}/{progress.iterations}, CPU {progress.cpu_seconds:.0f} s of training",
            soft_wrap=True,
        )
        if progress.reached_cpu_limit:
            console.print("stopped at its CPU limit; resume with a higher --set cpu_seconds")

    def warn(self, text: str) -> None:
        console.print(f"[yellow]warning:[/yellow] {escape(text)}", soft_wrap=True)
