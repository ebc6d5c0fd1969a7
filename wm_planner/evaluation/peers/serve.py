"""Runs the planners of a peer in the peer's own Python: asked on stdin, answers on stdout.

    python serve.py stable_worldmodel.py

Each line is a JSON object: `{"plan": name, "count": n}` is answered with the CPU seconds of n plans,
`{"costs": plans}` with what the peer's cost says of plans (N, H, A).
"""

import contextlib
import json
import runpy
import sys
import time
from collections.abc import Callable
from typing import Any


def main(program: str) -> None:
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # peers print
        peer = runpy.run_path(program)
        planners = peer["planners"]()
        for line in sys.stdin:
            print(json.dumps(answered(json.loads(line), planners, peer)), file=answers, flush=True)


def answered(
    asked: dict[str, Any], planners: dict[str, Callable[[], Any]], peer: dict[str, Any]
) -> list[float]:
    if "costs" in asked:
        costs: list[float] = peer["costs"](asked["costs"])
        return costs
    return [seconds_of(planners[asked["plan"]]) for _ in range(asked["count"])]


def seconds_of(plan: Callable[[], Any]) -> float:
    started = time.process_time()
    plan()
    return time.process_time() - started


if __name__ == "__main__":
    main(sys.argv[1])
