"""A process of one node, or of a group of nodes, with its own process group and log file."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from wm_planner.config import to_builtins
from wm_planner.launching import shared_process
from wm_planner.node.arguments import Arguments
from wm_planner.node.heartbeat import Heartbeat, shared_memory
from wm_planner.node.stop_signal import SHOW_THREADS

_ERROR = re.compile(r"error: |Fatal Python error: |[\w.]+(Error|Exception)\b")
_TAIL_BYTES = 16384
_SHOW_S = 0.1
_MEANINGS = {signal.SIGALRM: "a callback did not return when the node was told to stop"}


class NodeProcess:
    """A running node program, or several in one process.

    Args:
        nodes: path of the Python file and arguments of each.
        log: file to which its output is appended.

    Attributes:
        heartbeat: of the loop that its nodes share.
    """

    def __init__(self, nodes: Sequence[tuple[Path, Arguments]], log: Path) -> None:
        self.log = log
        descriptor = shared_memory()
        self.heartbeat = Heartbeat(descriptor)
        given = [to_builtins(msgspec.structs.replace(each, heartbeat=descriptor)) for _, each in nodes]
        if len(nodes) == 1:
            program = [str(nodes[0][0]), msgspec.json.encode(given[0]).decode()]
        else:
            paths = [str(path) for path, _ in nodes]
            group = [{"program": path, "arguments": each} for path, each in zip(paths, given, strict=True)]
            program = ["-m", shared_process.__name__, msgspec.json.encode(group).decode()]
        command = [sys.executable, "-P", "-u", *program]
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=(descriptor,),
            )
        os.close(descriptor)
        self.pid = self._process.pid

    def exit_code(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to stop; a suspended process is resumed, because it could not stop otherwise."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def send_kill(self) -> None:
        """Kill it and every process it started; `exit_code` tells when it has ended."""
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """Kill it and every process it started, and return once it has ended."""
        self.send_kill()
        self._process.wait()

    def note(self, line: str) -> None:
        """Add a line about it to its log."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{stamp} supervisor: {line}\n")

    def show_threads(self) -> None:
        """Let it write into its log where its threads are; it has 0.1 s for that."""
        size, deadline_s = self.log.stat().st_size, time.monotonic() + _SHOW_S
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, SHOW_THREADS)
        while self.log.stat().st_size == size and time.monotonic() < deadline_s:
            time.sleep(0.005)

    def error_line(self) -> str:
        """The last line of this process's log that names an error or ends a traceback; empty without one."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        errors = [line.removeprefix("error: ") for line in lines if _ERROR.match(line)]
        return errors[-1] if errors else ""

    def failure(self, code: int) -> str:
        """Why it ended with `code`: the exit code or signal, and the error that it logged, if any."""
        error = self.error_line()
        return f"{describe_exit(code)}: {error}" if error else describe_exit(code)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def describe_exit(code: int) -> str:
    """An exit code or signal in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"signal {-code}"
    meaning = _MEANINGS.get(number)
    return f"signal {number.name} ({meaning})" if meaning else f"signal {number.name}"
