"""Builds the documentation site into build/docs; any warning is an error, also one about a docstring."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, end="")
    return done.returncode or int("griffe:" in done.stdout)  # what --strict does not count


if __name__ == "__main__":
    sys.exit(main())
