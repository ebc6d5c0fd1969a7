"""Peers in environments of their own, so that none of their pins reach ours."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wm_planner.allocator import ENVIRONMENT
from wm_planner.errors import ConfigError

PROGRAMS = Path(__file__).parent / "peers"
CONSTRAINTS = PROGRAMS / "constraints.txt"
CACHE = Path.home() / ".cache" / "wm_planner" / "peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another planning library.

    Attributes:
        package: its name on the package index.
        version: what is compared.
        program: of `peers/`, run by its own Python.
    """

    package: str
    version: str
    program: str


def python_at(peer: Peer, cache: Path = CACHE) -> Path:
    """Where the Python of the peer's environment is, once it was made."""
    return cache / f"{peer.package}-{peer.version}" / "bin" / "python"


def python_of(peer: Peer, cache: Path = CACHE) -> Path:
    """The Python of the peer's environment, which is made in `cache` unless it is there.

    Raises:
        ConfigError: if it cannot be installed; nothing is left behind.
    """
    python = python_at(peer, cache)
    folder = python.parent.parent
    done = folder / "installed"
    if done.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    requirement = f"{peer.package}=={peer.version}"
    install = ["-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS), requirement]
    result = subprocess.run([python, *install], capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(folder)
        lines = result.stderr.strip().splitlines()
        raise ConfigError(
            f"{requirement} cannot be installed for {sys.executable}: "
            f"{lines[-1] if lines else 'pip said nothing'}"
        )
    done.touch()
    return python


class PeerProcess:
    """A peer at work: `serve.py` in its environment, asked line by line.

    Args:
        peer: what runs.
        python: the Python of its environment.
        path: a folder that its packages are looked up in first, and that it runs in.
    """

    def __init__(self, peer: Peer, python: Path, path: Path | None = None) -> None:
        self._peer = peer
        first = {"PYTHONPATH": str(path)} if path is not None else {}
        program = PROGRAMS / peer.program
        self._process = subprocess.Popen(
            [python, "-P", PROGRAMS / "serve.py", program],  # -P: its packages, not its neighbours
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **ENVIRONMENT, **first},  # as this process
            cwd=path,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    def plan_seconds(self, planner: str, count: int) -> list[float]:
        """CPU seconds of so many plans."""
        seconds: list[float] = self._ask({"plan": planner, "count": count})
        return seconds

    def costs(self, plans: Sequence[Any]) -> list[float]:
        """What its cost says of plans, each (H, A) as lists."""
        said: list[float] = self._ask({"costs": plans})
        return said

    def call(self, function: str, **asked: Any) -> Any:
        """What a function of the peer's program says."""
        return self._ask({"call": function, **asked})

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin and self._process.stdout
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise ConfigError(
                f"{self._peer.package} {self._peer.version} ended without an answer: run "
                f"`{' '.join(map(str, self._process.args))}` to see why"  # type: ignore[arg-type]
            )
        return json.loads(answer)
