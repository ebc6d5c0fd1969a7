"""Launch files: from YAML to a checked description of a run, before any process starts."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from wm_planner import share
from wm_planner.config import Config, convert, read_yaml, to_builtins
from wm_planner.errors import (
    ConfigError,
    PluginError,
    WmError,
    describe,
    did_you_mean,
    missing_package,
    placed,
)
from wm_planner.launching.arguments import arguments, substituted, with_overrides
from wm_planner.launching.declared_topics import check_names, declared, facts_by_namespace
from wm_planner.launching.groups import Grouped, check_groups
from wm_planner.launching.program_file import node_class
from wm_planner.messaging.declarations import Declaration
from wm_planner.node.facts import Facts, check_fit
from wm_planner.node.node import Mode, Node
from wm_planner.node.scheduling import Scheduling

Respawn: TypeAlias = Literal["never", "on-failure", "always"]
OnHang: TypeAlias = Literal["restart", "hold", "stop"]


class _Entry(Scheduling, frozen=True, kw_only=True):
    exec: str
    name: str = ""
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    namespace: str = ""
    remap: dict[str, str] = msgspec.field(default_factory=dict)
    respawn: Respawn = "never"
    on_hang: OnHang | None = None
    on_exit: Literal["shutdown"] | None = None
    group: str = ""


class _Document(Config, frozen=True, kw_only=True):
    nodes: list[_Entry]
    clock: Mode = "realtime"
    topics: list[Declaration] = msgspec.field(default_factory=list)
    args: dict[str, Any] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class NodeSpec:
    """A node of a run.

    Attributes:
        name: unique in the run.
        program: path of the Python file.
        params: checked against the program's `Params`.
        respawn: when it is restarted.
        ends_run: whether its normal exit ends the run.
        namespace: put before the names of its topics.
        remap: name of a topic in the program to its name on the bus.
        scheduling: of its process.
        on_hang: whether it is killed and started again when it hangs, the run waits for it, or ends.
        group: name of the process that it shares with others; empty for one of its own.
    """

    name: str
    program: Path
    params: dict[str, Any]
    respawn: Respawn
    ends_run: bool
    namespace: str = ""
    remap: Mapping[str, str] = field(default_factory=dict)
    scheduling: Scheduling = field(default_factory=Scheduling)
    on_hang: OnHang = "hold"
    group: str = ""

    @property
    def process_name(self) -> str:
        """The name of its process, and of the log."""
        return self.group or self.name


@dataclass(frozen=True)
class LaunchSpec:
    """A run, with all arguments substituted.

    Attributes:
        topics: that its nodes know in addition to the shipped ones.
    """

    name: str
    clock: Mode
    nodes: tuple[NodeSpec, ...]
    topics: tuple[Declaration, ...] = ()


def find(name: str) -> Path:
    """The launch file with a bare name (`panda_reach`) or a path.

    Raises:
        PluginError: if no such file exists; names the closest one.
    """
    is_path = name.endswith((".yaml", ".yml"))
    try:
        path = share.find(name if is_path else f"launch/{name}.yaml")
        if path.is_file():
            return path
    except PluginError:
        if is_path:
            raise
    if Path(name).is_dir():
        raise PluginError(
            f"{name} is a folder, wanted a launch file: x.yaml, or a name of `wm launch --list`"
        )
    known = (Path(entry).stem for entry in share.listing("launch", ".yaml"))
    raise PluginError(f"unknown launch file '{name}', {did_you_mean(name, known)}")


def load(path: Path, name: str, overrides: Iterable[str] = ()) -> LaunchSpec:
    """Read a launch file.

    Args:
        path: the file.
        name: the run's name, `$(name)` in the file.
        overrides: "argument=value", the value read as the type of the argument's default.

    Raises:
        ConfigError: if an argument, key, node or parameter does not exist or does not fit; names its place
            and the closest known name.
        PluginError: if a program or plug-in cannot be imported, or raises while it checks its parameters.
    """
    document = _document(path, name, overrides)
    topics = declared(document.topics, str(path))
    checked = [_node(entry, f"{path}: nodes[{index}]") for index, entry in enumerate(document.nodes)]
    stated = [
        (each.spec.namespace, bool(each.spec.remap), (each.place.removeprefix(f"{path}: "), each.facts()))
        for each in checked
    ]
    for together in facts_by_namespace(stated):
        check_fit(together, str(path))  # before a node says what it lacks for a bundle that does not fit
    for each in checked:
        each.check()
    nodes = tuple(each.spec for each in checked)
    names = [node.name for node in nodes]
    for node in nodes:
        if names.count(node.name) > 1:
            raise ConfigError(
                f"{path}: nodes: two nodes are named '{node.name}'; give one of them another 'name'"
            )
    grouped = [Grouped(each.spec.name, each.spec.group, each.node, each.policies) for each in checked]
    check_groups(grouped, document.clock, str(path))
    return LaunchSpec(name, document.clock, nodes, topics)


def planning(file: str, overrides: Iterable[str] = ()) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The planner and the costs of a launch file, as written there; its nodes are not checked.

    Raises:
        ConfigError: if none of its nodes plans, or an argument or key does not exist or does not fit.
    """
    path = find(file)
    for node in _document(path, path.stem, overrides).nodes:
        if {"planner", "costs"} <= node.params.keys():
            return node.params["planner"], node.params["costs"]
    raise ConfigError(f"{path}: no node has a planner and costs; give a launch file that plans")


def _document(path: Path, name: str, overrides: Iterable[str]) -> _Document:
    """The content of a launch file, with every argument filled in."""
    raw = read_yaml(path)
    args = arguments(path, raw)
    given = with_overrides(args, overrides, path) | {"name": name}
    values = {
        key: substituted(value, given, f"{path}: args.{key}") if isinstance(value, dict) else value
        for key, value in given.items()
    }
    body = {key: substituted(value, values, f"{path}: {key}") for key, value in raw.items() if key != "args"}
    document = convert(body, _Document, f"{path}: ")
    if not document.nodes:
        raise ConfigError(f"{path}: nodes: the list is empty, wanted at least one, e.g. - exec: simulator")
    return document


class _Checked(NamedTuple):
    """A node whose parameters have the right form, and how it is checked further.

    Attributes:
        place: in the launch file, for errors.
    """

    spec: NodeSpec
    node: type[Node]
    params: Config
    place: str

    @property
    def policies(self) -> dict[str, object]:
        """The settings of its process, by their keys in the launch file."""
        return {
            "respawn": self.spec.respawn,
            "on_hang": self.spec.on_hang,
            **to_builtins(self.spec.scheduling),
        }

    def check(self) -> None:
        """Let the node refuse its parameters.

        Raises:
            WmError: if they cannot work.
        """
        with self._errors():
            self.node.check(self.params)

    def facts(self) -> Facts:
        """What the node states about the run; where it cannot, its check may say better why.

        Raises:
            WmError: if its parameters cannot work.
        """
        with self._errors():
            try:
                return self.node.facts(self.params)
            except (Exception, SystemExit):
                self.node.check(self.params)
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn whatever the plug-ins of a node raise into an error with its place.

        A node begins the place in an error with its own name, `planner: params.costs`; `place` replaces it.
        """
        try:
            yield
        except WmError as error:
            detail = str(error).removeprefix(f"{self.spec.program.stem}: ")
            joint = "." if detail.startswith("params") else ": "
            raise type(error)(f"{self.place}{joint}{detail}") from error
        except ModuleNotFoundError as error:
            raise PluginError(f"{self.place}: {missing_package(error)}") from error
        except (Exception, SystemExit) as error:  # a plug-in may raise anything
            raise PluginError(f"{self.place}: {describe(error)}") from error


def _node(entry: _Entry, where: str) -> _Checked:
    """A node of a launch file, with its parameters converted."""
    program = _program(entry, where)
    node = node_class(program)
    place = f"{where} ({entry.exec})"
    check_names(entry.namespace, entry.remap, place)
    scheduling = Scheduling(priority=entry.priority, nice=entry.nice, cores=entry.cores)
    with placed(place):
        scheduling.check()
    spec = NodeSpec(
        name=entry.name or program.stem,
        program=program,
        params=entry.params,
        respawn=entry.respawn,
        ends_run=entry.on_exit == "shutdown",
        namespace=entry.namespace,
        remap=entry.remap,
        scheduling=scheduling,
        on_hang=entry.on_hang or ("hold" if entry.respawn == "never" else "restart"),
        group=entry.group,
    )
    return _Checked(spec, node, convert(entry.params, node.Params, f"{place}.params"), place)


def _program(entry: _Entry, where: str) -> Path:
    """The program of a node.

    Raises:
        ConfigError: if it does not exist; names the closest one, or the folder that was searched.
    """
    name = entry.exec
    try:
        return share.find(name if name.endswith(".py") else f"nodes/{name}.py")
    except PluginError as error:
        if not name.endswith(".py"):
            known = (Path(each).stem for each in share.listing("nodes", ".py"))
            raise ConfigError(f"{where}.exec: no node '{name}', {did_you_mean(name, known)}") from None
        raise ConfigError(
            f"{where}.exec: node '{entry.name or Path(name).stem}': {error}; create the file or correct the "
            f"path, which is relative to the folder in which wm is started, {Path.cwd()}"
        ) from None
