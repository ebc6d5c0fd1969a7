"""Serves the planners of a peer in the peer's own Python: requests on stdin, replies on stdout.

    python serve.py stable_worldmodel.py

Each request is a JSON object on one line: `{"plan": name, "count": n}` for the CPU seconds of n plans,
`{"costs": plans}` for the peer's costs of plans (N, H, A), `{"call": name, ...}` to call a function of the
program with the other entries as arguments.
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
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # peers may print, even from C
    with contextlib.redirect_stdout(sys.stderr):
        peer = runpy.run_path(program)
        planners = functools.cache(lambda: peer["planners"]())
        for line in sys.stdin:
            request = json.loads(line)
            if "call" in request:
                reply = peer[request.pop("call")](**request)
            elif "costs" in request:
                reply = peer["costs"](request["costs"])
            else:
                reply = timed(planners(), **request)
            print(json.dumps(reply), file=replies, flush=True)


def timed(planners: dict[str, Callable[[], Any]], plan: str, count: int) -> list[float]:
    return [seconds_of(planners[plan]) for _ in range(count)]


def seconds_of(plan: Callable[[], Any]) -> float:
    started = time.process_time()
    plan()
    return time.process_time() - started


if __name__ == "__main__":
    main(sys.argv[1])
