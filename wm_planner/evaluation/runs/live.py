"""Live progress of a run, from the messages on the bus."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from wm_planner.errors import MessagingError
from wm_planner.evaluation.runs.length_unit import unit_of
from wm_planner.evaluation.runs.run_statistics import TOPICS, RunStatistics
from wm_planner.launching.events import Event
from wm_planner.messaging.bus import Bus
from wm_planner.messaging.domain import Domain
from wm_planner.messaging.messages import DiagnosticStatus
from wm_planner.node.health import STALE_PERIODS
from wm_planner.node.node import DIAGNOSTICS
from wm_planner.node.refusals import UNFORESEEN

NEWS = ("hung", "resumed", "died", "respawned", "killed")
"""Kinds of events that are printed."""


class Live:
    """Follows one run; used as a context manager around `Supervisor.run`.

    Args:
        domain: name of the run's domain.
        episodes: expected number of episodes; None if unknown.
        console: where to print.
        lossless: whether the run is in lockstep.

    Attributes:
        statistics: statistics of the messages so far.
    """

    def __init__(self, domain: str, episodes: int | None, console: Console, *, lossless: bool) -> None:
        self.statistics = RunStatistics(is_realtime=not lossless)
        self._warned_of_stale = False
        self._domain, self._lossless, self._console = domain, lossless, console
        self._bus: Bus | None = None
        self._printed = 0
        self._failed: set[str] = set()  # nodes whose failure has been printed
        self._progress = Progress(
            TextColumn("episodes"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting", total=episodes)

    def __enter__(self) -> "Live":
        self._progress.start()
        return self

    def step(self) -> None:
        """Process new messages; called periodically by the supervisor."""
        if self._bus is None:
            self._bus = Bus(Domain.named(self._domain), "progress", lossless=self._lossless)
            for topic in (*TOPICS, DIAGNOSTICS):
                self._bus.subscribe(topic)
            self._bus.announce("active")
        self._bus.wait(0.0)
        self._receive()

    def event(self, event: Event) -> None:
        """Print if a node hung, died or was respawned, unless the run's error says it."""
        if event.kind in NEWS and not event.is_fatal:
            self.note(f"{event.time_s:6.1f} s  {event.node} {event.kind}  {event.detail}")

    def note(self, line: str) -> None:
        """Print a line above the progress bar."""
        self._console.print(line, soft_wrap=True, markup=False)

    def _receive(self) -> None:
        while self._bus and (delivery := self._bus.receive()) is not None:
            try:
                message = delivery.message()
                self.statistics.add(delivery.topic, message)
            except (MessagingError, *UNFORESEEN):
                continue  # a run goes on without the figures of one message
            if delivery.topic == DIAGNOSTICS:
                for status in message.status:
                    if status.level == DiagnosticStatus.ERROR and status.name not in self._failed:
                        self._failed.add(status.name)
                        self.note(f"{status.name}: {status.message}")
        self._warn_of_stale_inputs()
        ended = self.statistics.ended
        for episode in ended[self._printed :]:
            unit = unit_of(self.statistics.is_drive)
            distances = f"{unit.format(episode.distances_m[0], 5)} to {unit.format(episode.end_m, 4)}  "
            self._console.print(
                f"episode {episode.episode:3d}  {distances if episode.has_distance else ''}{episode.outcome}",
                soft_wrap=True,
                markup=False,
            )
        self._printed = len(ended)
        self._progress.update(self._task, completed=len(ended), description=self._headline())

    def _warn_of_stale_inputs(self) -> None:
        """Print a warning at the first plan from stale inputs; the report counts all of them."""
        known = self.statistics
        if known.stale_inputs and not self._warned_of_stale:
            self._warned_of_stale = True
            self.note(
                f"warning: inputs are {max(known.input_age_s):.2g} s old when a plan is made, more than "
                f"{STALE_PERIODS} control periods of {known.control_dt_s:g} s: the sensors or a node "
                "are too slow for clock: realtime, or the machine is too busy"
            )

    def _headline(self) -> str:
        statistics = self.statistics
        if not statistics.plan_s:
            return "starting"
        return (
            f"success {statistics.successes}/{len(statistics.ended)}  "
            f"plan {1000 * statistics.plan_s[-1]:.1f} ms  "
            f"input age {1000 * statistics.input_age_s[-1]:.1f} ms"
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._receive()
        if self._bus is not None:
            self._bus.close()
        self._progress.stop()
