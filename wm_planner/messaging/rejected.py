"""What a bus finds and cannot read: frames, types and records of other programs or versions."""

from collections import Counter
from collections.abc import Mapping


class Rejected:
    """Counts of what was dropped, and the first reason, by source: a topic, or a file of the domain.

    Attributes:
        counts: number of messages that were dropped, by topic; `UNKNOWN` if that cannot be read either.
        reasons: what is wrong, by source.
    """

    UNKNOWN = "the bus"

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: dict[str, str] = {}
        self._standing: set[str] = set()

    def add(self, topic: str, reason: str) -> None:
        """Count a message that was dropped."""
        self.counts[topic] += 1
        self.reasons.setdefault(topic, reason)

    def hold(self, reasons: Mapping[str, str]) -> None:
        """Note what is wrong in the domain now; what is not named any more is right again."""
        for source in self._standing - reasons.keys():
            del self.reasons[source]
        self.reasons |= reasons
        self._standing = set(reasons)
