"""The command line: `wm`."""

import os
import re
import sys
from typing import Annotated, Any

import typer

from wm_planner.allocator import keep_freed_memory
from wm_planner.cli import bag, bench, evaluate, node, param, topic
from wm_planner.cli.camera_check import camera_check
from wm_planner.cli.collect import collect
from wm_planner.cli.convert import convert
from wm_planner.cli.demo import demo
from wm_planner.cli.doctor import doctor
from wm_planner.cli.energy import energy
from wm_planner.cli.export import export
from wm_planner.cli.export_planner import export_planner
from wm_planner.cli.import_checkpoint import import_checkpoint
from wm_planner.cli.keys import keys
from wm_planner.cli.launch import LaunchCommand, launch
from wm_planner.cli.practise import practise
from wm_planner.cli.scenarios import scenarios
from wm_planner.cli.train import train
from wm_planner.errors import WmError, missing_package
from wm_planner.terminal import INTERRUPTED

ABOUT = "Plan with learned world models on robots and cars."

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=ABOUT)
app.add_typer(bench.app, name="bench")
app.add_typer(evaluate.app, name="eval")
app.add_typer(bag.app, name="bag")
app.add_typer(topic.app, name="topic")
app.add_typer(node.app, name="node")
app.add_typer(param.app, name="param")
app.command(cls=LaunchCommand)(launch)
for command in (demo, energy, collect, scenarios, convert, train, practise, export, doctor, keys):
    app.command()(command)
app.command("export-planner")(export_planner)
app.command("import")(import_checkpoint)
app.command("camera-check")(camera_check)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib import metadata

        print(f"wm {metadata.version('wm-planner')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options without a command."""


def _without_flag_types(command: Any) -> Any:
    """`command` and its subcommands with help that shows no `<bool>` next to flags, which take no value."""
    context = typer.Context(command)
    for option in command.get_params(context):
        if getattr(option, "is_flag", False):
            vars(option)["display_type_rich"] = lambda ctx: None
    for subcommand in getattr(command, "commands", {}).values():
        _without_flag_types(subcommand)
    return command


wm = _without_flag_types(typer.main.get_command(app))


def _usage_problem(error: Any) -> str:
    """One line on a wrong command line; empty if `wm` without arguments has printed its help."""
    text = " ".join(error.format_message().split()).removesuffix(".") + _as_option(error)
    command = error.ctx.command_path if error.ctx else "wm"
    return text and f"{text} (see `{command} --help`)"


def _as_option(error: Any) -> str:
    """The hint for `name=value` where the command has an option `--name`; empty for other errors."""
    found = re.search(r"unexpected extra argument\(s\) \((\w+)=(\S+)", error.format_message())
    options = [option for each in error.ctx.command.params for option in each.opts] if found else []
    return f", wanted --{found[1]} {found[2].rstrip(')')}" if found and f"--{found[1]}" in options else ""


_UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # Typer does not export it


def main() -> None:
    """Run `wm`; an error that the user can fix ends in one line and exit code 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on shared cores cost more than they gain
    keep_freed_memory()
    try:
        sys.exit(wm(prog_name="wm", standalone_mode=False))
    except _UsageError as error:
        problem = _usage_problem(error)
    except WmError as error:
        problem = str(error)
    except ModuleNotFoundError as error:
        problem = missing_package(error)
    except OSError as error:  # a full disk, a folder without write permission
        problem = f"{error.filename or 'the output'}: {error.strerror or error}"
    except MemoryError as error:
        problem = f"not enough memory ({error}): ask for fewer samples, steps or workers"
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    sys.exit(2)
