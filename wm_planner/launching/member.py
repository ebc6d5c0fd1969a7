"""A node of a run, with its process and phase."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wm_planner.launching.file import NodeSpec
from wm_planner.launching.process import NodeProcess
from wm_planner.launching.respawn import Respawns

Phase: TypeAlias = Literal["waiting", "starting", "inactive", "activating", "active", "gone"]


@dataclass
class Member:
    """A node and its phase.

    Attributes:
        due_s: of the next phase: when to start it, or by when it must be active; since the run began.
        only_reads: whether it publishes nothing but /diagnostics.
    """

    spec: NodeSpec
    process: NodeProcess | None = None
    phase: Phase = "waiting"
    starts: int = 0
    due_s: float = 0.0
    has_been_active: bool = False
    only_reads: bool = False
    respawns: Respawns = field(default_factory=Respawns)

    @property
    def is_beginning(self) -> bool:
        """Whether its process runs and is not active yet."""
        return self.phase in ("starting", "inactive", "activating")
