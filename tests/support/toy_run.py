"""A run of the toys under a supervisor, for the tests of the launcher."""

import contextlib
import dataclasses
from pathlib import Path

from toys import new_domain_name, write_toys

from wm_planner.launching.events import Event
from wm_planner.launching.file import LaunchSpec, NodeSpec, OnHang
from wm_planner.launching.supervisor import RunResult, Supervisor
from wm_planner.messaging.domain import Domain

RECORDER = Path(__file__).parents[2] / "nodes" / "recorder.py"


class Run:
    """A run of the toys: a talker that ends it, an answerer, and a recorder."""

    def __init__(self, folder: Path) -> None:
        write_toys(folder)
        self.folder = folder
        self.domain = new_domain_name()
        self.recording = folder / "run" / "all.mcap"
        self.events: list[Event] = []
        self.clock = "lockstep"
        self.nodes = {
            "talker": self._node("talker", ends_run=True),
            "answerer": self._node("answerer", respawn="on-failure"),
            "recorder": NodeSpec("recorder", RECORDER, {"path": str(self.recording)}, "never", False),
        }

    def rename(self, name: str, namespace: str, **remap: str) -> None:
        """Put a node into a namespace, and give topics other names."""
        names = {f"/{topic}": other for topic, other in remap.items()}
        self.nodes[name] = dataclasses.replace(self.nodes[name], namespace=namespace, remap=names)

    def share(self, group: str, *names: str, respawn: str = "never") -> None:
        """Put nodes into one process."""
        for name in names:
            self.nodes[name] = dataclasses.replace(self.nodes[name], group=group, respawn=respawn)

    def _node(self, name, respawn="never", ends_run=False) -> NodeSpec:
        return NodeSpec(name, self.folder / f"{name}.py", {}, respawn, ends_run)

    def on_hang(self, name: str, policy: OnHang) -> None:
        """What happens to a node that hangs."""
        self.nodes[name] = dataclasses.replace(self.nodes[name], on_hang=policy)

    def params(self, name: str, **params) -> None:
        self.nodes[name].params.update(params)

    def supervisor(self, **settings) -> Supervisor:
        return Supervisor(self.spec, self.folder / "run", self.domain, self.events.append, **settings)

    def go(self) -> RunResult:
        return self.supervisor().run()

    @property
    def spec(self) -> LaunchSpec:
        return LaunchSpec("toy", self.clock, tuple(self.nodes.values()))

    def kinds(self, node: str) -> list[str]:
        return [event.kind for event in self.events if event.node == node]

    def log(self, node: str) -> str:
        path = self.folder / "run" / "logs" / f"{node}.log"
        return path.read_text() if path.exists() else ""

    def change_answerer(self, old: str, new: str, respawn: str = "on-failure") -> None:
        """Replace a piece of its program."""
        program = self.folder / "answerer.py"
        text = program.read_text()
        assert old in text
        program.write_text(text.replace(old, new))
        self.nodes["answerer"] = self._node("answerer", respawn)

    def break_answerer(self, respawn: str) -> None:
        """Let it fail when it gets the goal."""
        self.change_answerer("self.goal = goal.id", "raise ZeroDivisionError('no')", respawn)

    def deafen_answerer(self) -> None:
        """Let it ignore SIGTERM."""
        self.change_answerer(
            "self.goal = 0", "self.goal = 0; import signal; signal.signal(15, signal.SIG_IGN)"
        )

    @property
    def is_clean(self) -> bool:
        """No directory, no process."""
        return not Domain.named(self.domain).path.exists() and not processes_of(self.domain)


def processes_of(domain: str) -> list[int]:
    """The processes that have the domain's name on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f'"domain":"{domain}"' in (entry / "cmdline").read_text():
                found.append(int(entry.name))
    return found
