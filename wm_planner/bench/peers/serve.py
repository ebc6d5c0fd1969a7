"""Runs the planners of a peer in the peer's own Python: asked on stdin, answers on stdout.

    python serve.py stable_worldmodel.py

Each line is a JSON object: `{"plan": name, "count": n}` is answered with the CPU seconds of n plans,
`{"costs": plans}` with what the peer's cost says of plans (N, H, A), `{"call": name, ...}` with what that
function of the program says of the rest.
"""

import contextlib
import functools
import json
import os
import runpy
import sys
import time
from collections.abc import Callable
from typing import Any


def main(program: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # peers print, also from C
    with contextlib.redirect_stdout(sys.stderr):
        peer = runpy.run_path(program)
        planners = functools.cache(lambda: peer["planners"]())
        for line in sys.stdin:
            asked = json.loads(line)
            if "call" in asked:
                answer = peer[asked.pop("call")](**asked)
            else:
                answer = peer["costs"](asked["costs"]) if "costs" in asked else timed(planners(), **asked)
            print(json.dumps(answer), file=answers, flush=True)


def timed(planners: dict[str, Callable[[], Any]], plan: str, count: int) -> list[float]:
    return [seconds_of(planners[plan]) for _ in range(count)]


def seconds_of(plan: Callable[[], Any]) -> float:
    started = time.process_time()
    plan()
    return time.process_time() - started


if __name__ == "__main__":
    main(sys.argv[1])
