"""CPU time that calls of chosen methods take, by what they are for."""

import time
from functools import wraps
from typing import Any


class Spent:
    """Counts calls, each without those of other parts inside of it.

    Attributes:
        parts_s: CPU time of each part so far, in s.
    """

    def __init__(self) -> None:
        self.parts_s: dict[str, float] = {}
        self._replaced: list[tuple[object, str, Any]] = []

    def count(self, part: str, owner: object, method: str) -> None:
        """Count every call of a method, or of a function of a module, from now on."""
        called = getattr(owner, method)
        self.parts_s.setdefault(part, 0.0)
        self._replaced.append((owner, method, vars(owner).get(method)))

        @wraps(called)
        def counted(*arguments: Any, **named: Any) -> Any:
            started, others = time.process_time(), sum(self.parts_s.values())
            result = called(*arguments, **named)
            self.parts_s[part] += time.process_time() - started - (sum(self.parts_s.values()) - others)
            return result

        setattr(owner, method, counted)

    def restore(self) -> None:
        """Count no further calls."""
        for owner, method, own in reversed(self._replaced):
            if own is None:
                delattr(owner, method)
            else:
                setattr(owner, method, own)
        self._replaced.clear()
