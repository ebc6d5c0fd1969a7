"""Virtual environments and processes of peer libraries, isolated from our own dependencies."""

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
    """Another planning library to compare with.

    Attributes:
        package: name on the package index.
        version: version to compare with.
        program: file in `peers/`, which runs in the peer's environment.
        others: further packages that the program needs.
    """

    package: str
    version: str
    program: str
    others: tuple[str, ...] = ()


def python_at(peer: Peer, cache: Path = CACHE) -> Path:
    """Path of the Python of the peer's environment, whether or not it exists."""
    return cache / f"{peer.package}-{peer.version}" / "bin" / "python"


def python_of(peer: Peer, cache: Path = CACHE) -> Path:
    """The Python of the peer's environment, which is created in `cache` if necessary.

    Raises:
        ConfigError: if the peer cannot be installed; the environment is removed then.
    """
    python = python_at(peer, cache)
    folder = python.parent.parent
    installed = folder / "installed"
    if installed.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    requirement = f"{peer.package}=={peer.version}"
    install = ["-m", "pip", "install", "--quiet", "--constraint", str(CONSTRAINTS), requirement, *peer.others]
    result = subprocess.run([python, *install], capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(folder)
        lines = result.stderr.strip().splitlines()
        raise ConfigError(
            f"{requirement} cannot be installed for {sys.executable}: "
            f"{lines[-1] if lines else 'pip printed no error'}"
        )
    installed.touch()
    return python


class PeerProcess:
    """A process of `peers/serve.py` in the peer's environment, with one request per line.

    Args:
        peer: the peer.
        python: the Python of its environment.
        path: working directory, which comes first on its module path.
    """

    def __init__(self, peer: Peer, python: Path, path: Path | None = None) -> None:
        self._peer = peer
        first = {"PYTHONPATH": str(path)} if path is not None else {}
        program = PROGRAMS / peer.program
        self._process = subprocess.Popen(
            [python, "-P", PROGRAMS / "serve.py", program],  # -P: import its packages, not its sibling files
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **ENVIRONMENT, **first},  # the same allocator as this process
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
        """CPU time of each of `count` plans, in s."""
        seconds: list[float] = self._request({"plan": planner, "count": count})
        return seconds

    def costs(self, plans: Sequence[Any]) -> list[float]:
        """Costs of plans by the peer's cost, each plan (H, A) as lists."""
        costs: list[float] = self._request({"costs": plans})
        return costs

    def call(self, function: str, **arguments: Any) -> Any:
        """Call a function of the peer's program."""
        return self._request({"call": function, **arguments})

    def _request(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin and self._process.stdout
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            reply = self._process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        if not reply:
            raise ConfigError(
                f"{self._peer.package} {self._peer.version} ended without a reply: run "
                f"`{' '.join(map(str, self._process.args))}` to see why"  # type: ignore[arg-type]
            )
        return json.loads(reply)
