"""What a node tells about itself on /diagnostics."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from wm_planner.messaging.bus import Bus
from wm_planner.messaging.messages import DiagnosticArray, DiagnosticStatus, KeyValue, Message, header
from wm_planner.node.health import Input


class Unreadable:
    """What the bus could not read: counted as dropped messages of the inputs, and said once.

    Args:
        bus: of the node.
        inputs: of the node, by topic.
        log: gets one warning per topic or file.
    """

    def __init__(self, bus: Bus, inputs: Mapping[str, Input], log: logging.Logger) -> None:
        self._bus, self._inputs, self._log = bus, inputs, log
        self._counted: Counter[str] = Counter()
        self._told: set[str] = set()

    def look(self) -> tuple[str, ...]:
        """Count what has come since the last look; returns what is wrong now."""
        rejected = self._bus.rejected
        for source in rejected.reasons.keys() - self._told:
            self._log.warning("ignored %s: %s", source, rejected.reasons[source])
        self._told |= rejected.reasons.keys()
        for topic, count in (rejected.counts - self._counted).items():
            if (known := self._bus.names.in_node(topic)) in self._inputs:
                self._inputs[known].reject(count)
        self._counted = Counter(rejected.counts)
        return tuple(rejected.reasons.values())


def diagnostics(
    name: str,
    cpu_s: float,
    failure: str,
    faults: Iterable[str],
    values: Mapping[str, str],
    inputs: Mapping[str, Input],
    gaps: Mapping[str, int],
) -> Message:
    """The message of a node.

    Args:
        name: of the node.
        cpu_s: CPU time that it has used.
        failure: what the node can no longer do; makes its status an error.
        faults: what else is wrong, apart from the health of the inputs.
        values: to show with the CPU time and the counts of the inputs.
        inputs: by topic.
        gaps: number of lost messages, by topic.
    """
    faults = [failure, *faults] if failure else list(faults)
    values = {"cpu_s": f"{cpu_s:.3f}", **values}
    for topic, received in inputs.items():
        health = received.health()
        faults += [f"{topic} not {quality}" for quality, holds in health._asdict().items() if not holds]
        values[f"{topic} messages"] = str(received.count)
        values[f"{topic} dropped"] = str(received.dropped)
        values[f"{topic} rate_hz"] = f"{received.mean_rate_hz():.3g}"
        values[f"{topic} lost"] = str(gaps.get(topic, 0))
    level = DiagnosticStatus.WARN if faults else DiagnosticStatus.OK
    level = DiagnosticStatus.ERROR if failure else level
    status = DiagnosticStatus(
        level=level,
        name=name,
        message=", ".join(faults) or "ok",
        hardware_id="",
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    return DiagnosticArray(header=header(time.time_ns()), status=[status])
