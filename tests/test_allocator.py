"""Freed memory is kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wm_planner.allocator import ENVIRONMENT

PROGRAM = """
import resource, sys
import numpy as np
from wm_planner.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
before = None
for _ in range(200):
    arrays = [np.zeros(100_000, np.float32) + 1 for _ in range(10)]
    del arrays
    before = before or resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> int:
    """New pages that 200 rounds of 4 MB cost."""
    known = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        env={**known, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
        capture_output=True,
        check=True,
        text=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library's")
def test_arrays_reuse_freed_memory_without_new_pages():
    given_back = faults("given back")
    assert given_back > 10_000
    assert faults("kept") < given_back / 20
    assert faults("given back", **ENVIRONMENT) < given_back / 20
