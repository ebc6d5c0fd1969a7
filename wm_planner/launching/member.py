"""The nodes of a run with their phases, and the processes that they are in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wm_planner.launching.file import NodeSpec, OnHang
from wm_planner.launching.hangs import HangWatch
from wm_planner.launching.process import NodeProcess
from wm_planner.launching.respawn import Respawns

LAST_STOPPED = 2
"""The largest `Unit.stop_order`."""

Phase: TypeAlias = Literal["waiting", "starting", "inactive", "activating", "active", "gone"]


@dataclass
class Member:
    """A node and its phase.

    Attributes:
        due_s: by when it must be inactive or active; since the run began.
        only_reads: whether it publishes nothing but /diagnostics.
    """

    spec: NodeSpec
    phase: Phase = "waiting"
    due_s: float = 0.0
    has_been_active: bool = False
    only_reads: bool = False

    @property
    def is_beginning(self) -> bool:
        """Whether its process runs and is not active yet."""
        return self.phase in ("starting", "inactive", "activating")


@dataclass
class Unit:
    """A process of the run: of one node, or of the nodes of a group.

    Attributes:
        members: its nodes.
        process: while it runs.
        due_s: when to start it, since the run began; None while it runs, and if it does not start again.
        watch: for hangs, while all its nodes are active.
        hang: why it hangs; empty if it does not.
    """

    members: tuple[Member, ...]
    process: NodeProcess | None = None
    due_s: float | None = 0.0
    starts: int = 0
    watch: HangWatch | None = None
    hang: str = ""
    respawns: Respawns = field(default_factory=Respawns)

    @property
    def name(self) -> str:
        """The name of its log: of the node, or of the group."""
        return self.members[0].spec.process_name

    @property
    def title(self) -> str:
        """What errors call it."""
        return f"group '{self.name}'" if len(self.members) > 1 else f"node '{self.name}'"

    @property
    def left(self) -> tuple[Member, ...]:
        """The nodes that have not finished."""
        return tuple(member for member in self.members if member.phase != "gone")

    @property
    def stop_order(self) -> int:
        """When the unit is stopped: those with nodes that only read come later, so that these receive all."""
        readers = [member.only_reads for member in self.left]
        return any(readers) + all(readers)

    @property
    def on_hang(self) -> OnHang:
        """What follows when it hangs."""
        return self.members[0].spec.on_hang

    @property
    def is_active(self) -> bool:
        """Whether its nodes are active, apart from those that have finished."""
        return {member.phase for member in self.left} == {"active"}

    def end(self) -> None:
        """Its process has ended."""
        self.process, self.watch, self.hang = None, None, ""
        self.enter("gone")

    def enter(self, phase: Phase) -> None:
        """Set the phase of all nodes."""
        for member in self.members:
            member.phase = phase


def units_of(members: Mapping[str, Member]) -> list[Unit]:
    """The processes of a run, in the order of their first nodes."""
    shared: dict[str, list[Member]] = {}
    for member in members.values():
        shared.setdefault(member.spec.process_name, []).append(member)
    return [Unit(tuple(together)) for together in shared.values()]
