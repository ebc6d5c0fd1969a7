"""The documentation: the site builds without a warning, and what its pages show is true."""

import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path

import pytest
import typer.main
import yaml
from code_blocks import ROOT, Block, blocks, checkout, commands, environment, pages

from wm_planner.cli.main import app
from wm_planner.messaging.topics import TOPICS

DOCS = ROOT / "docs"
SITE = ROOT / "build" / "docs"
ENGINE = ROOT / "wm_planner"
PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages()]

OTHER_PROGRAMS = frozenset(
    {".", "accelerate", "cd", "git", "grep", "mkdir", "node", "npm", "ros2", "tensorboard", "torchrun"}
)
"""Programs that are not ours, whose arguments are not checked."""


@pytest.fixture(scope="module")
def site(skip_loudly):
    """The built site, and what the build printed."""
    if find_spec("zensical") is None:
        skip_loudly("no zensical: the documentation site is not built; pip install -e '.[docs]'")
    command = [sys.executable, DOCS / "build.py"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_site_builds_without_a_warning(site):
    assert site.returncode == 0, site.stdout + site.stderr


def test_the_site_loads_nothing_from_the_network(site):
    remote = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=.(?:https?:)?//[^>]+")
    found = {match for page in SITE.rglob("*.html") for match in remote.findall(page.read_text())}
    assert site.returncode == 0 and not found


def test_every_room_of_the_engine_has_a_page_of_the_reference():
    reference = "\n".join(page.read_text() for page in (DOCS / "reference").rglob("*.md"))
    named = re.findall(r"^::: (\S+)$", reference, re.M)
    rooms = [*ENGINE.iterdir(), *(ENGINE / "driving").iterdir()]
    modules = {
        ".".join(room.relative_to(ROOT).with_suffix("").parts)
        for room in rooms
        if not room.name.startswith("_") and (room.suffix == ".py" or any(room.glob("*.py")))
    }
    assert set(named) == modules - NOT_IN_THE_REFERENCE


NOT_IN_THE_REFERENCE = {
    "wm_planner.allocator",
    "wm_planner.checksum",
    "wm_planner.conversion_errors",
    "wm_planner.cli",  # described by its own --help, and in reference/commands.md
    "wm_planner.driving",
    "wm_planner.driving.registry",
    "wm_planner.terminal",
}


def test_every_command_is_in_the_reference():
    listed = re.findall(r"^\| `wm ([\w -]+)` \|", (DOCS / "reference" / "commands.md").read_text(), re.M)
    assert sorted(listed) == sorted(all_commands(typer.main.get_command(app), ""))


def all_commands(group, prefix):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name


def test_every_topic_is_on_its_page():
    listed = re.findall(
        r"^\| `(/[\w/<>]+)`(?: \(latched\))? \| (\S+) \|", (DOCS / "messages.md").read_text(), re.M
    )
    assert listed == [(topic.pattern, topic.type.replace("/msg/", "/")) for topic in TOPICS]


def test_every_page_is_in_the_navigation():
    nav = str(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])
    listed = set(re.findall(r"'([\w/]+\.md)'", nav))
    assert listed == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    own = {block.title for block in blocks(page)}
    named = re.findall(r"`((?:wm_planner|sim|nodes|models|launch|tests|docs|examples)/[\w./]+)`", text)
    missing = [
        name
        for name in named
        if not (ROOT / name).exists() and name not in own and Path(name).stem != "x"  # x stands for any name
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_exists(page):
    for block in blocks(page):
        if block.language == "sh":
            for words in commands(block):
                check_command(words, block)


def check_command(words: list[str], block: Block) -> None:
    """Fail unless a command line names a command, options and arguments that exist."""
    program, *arguments = words
    if "=" in program:  # a variable in front of the program
        return check_command(arguments, block)
    if program == "wm":
        check_wm(arguments, block)
    elif program == "make":
        targets = re.findall(r"^([\w%/-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(arguments) <= set(targets), f"{block.place}: make {arguments}"
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        named = {
            extra
            for argument in arguments
            for found in re.findall(r"\[(.*?)\]", argument)
            for extra in found.split(",")
        }
        assert named <= set(extras), f"{block.place}: no extra {named - set(extras)}"
    elif program in ("python", "pytest"):
        files = [argument for argument in arguments if argument.endswith(".py")]
        titles = {other.title for other in blocks(block.page)}
        assert all((ROOT / file).is_file() or file in titles for file in files), f"{block.place}: {files}"
    else:
        assert program in OTHER_PROGRAMS, f"{block.place}: {program}"
    return None


def check_wm(arguments: list[str], block: Block) -> None:
    """Let the command line parse the arguments of `wm`, without running the command."""
    command, name = typer.main.get_command(app), "wm"
    arguments = list(takewhile(lambda argument: argument != "||", arguments))
    arguments = [argument for argument in arguments if argument not in ("--help", "--list", "--version")]
    if not arguments or arguments == ["launch"]:
        return
    while hasattr(command, "commands"):
        name, *rest = arguments
        if command.name == "eval" and name not in command.commands:
            name, rest = "run", arguments  # `wm eval runs/NAME`
        assert name in command.commands, f"{block.place}: no command {arguments}"
        command, arguments = command.commands[name], rest
    try:
        parsed = command.make_context(name, [fill(argument) for argument in arguments])
    except Exception as error:
        pytest.fail(f"{block.place}: {error}")
    if name == "launch":
        check_launch_arguments(parsed.params, block)


def fill(argument: str) -> str:
    """`runs/<name>` stands for any run."""
    return re.sub(r"<\w+>", "name", argument)


def check_launch_arguments(params: dict, block: Block) -> None:
    written = {other.title: other.text for other in blocks(block.page) if other.title.endswith(".yaml")}
    path = Path(params["file"] if params["file"].endswith(".yaml") else f"launch/{params['file']}.yaml")
    text = written.get(str(path)) or (ROOT / path).read_text()
    for override in params["overrides"] or ():
        name = override.partition("=")[0]
        assert name in yaml.safe_load(text)["args"], f"{block.place}: {path} has no argument '{name}'"


TRAINS = "docs/howto/world_model.md"
RUNNABLE = [
    pytest.param(page, id=name, marks=[pytest.mark.torch] * (name == TRAINS))
    for page in pages()
    if any(block.language == "python" for block in blocks(page))
    for name in [str(page.relative_to(ROOT))]
]


@pytest.mark.parametrize("page", RUNNABLE)
def test_a_page_runs_as_it_is_written(page, tmp_path):
    """Files are written, programs run, and so are the commands of the pages that add something."""
    folder = checkout(tmp_path)
    for block in blocks(page):
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text)
        elif block.language == "python":
            run([sys.executable, "-W", "error", "-c", block.text], folder, block)
        elif block.language == "sh" and page.parent.name == "howto":
            run(["bash", "-euo", "pipefail", "-c", block.text], folder, block)
        elif block.language == "yaml":
            assert yaml.safe_load(block.text), block.place


def run(command: list[str], folder: Path, block: Block) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.place}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
