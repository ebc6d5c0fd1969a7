"""The main function of node programs: one node as a process, or several that share it."""

import contextlib
import faulthandler
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

from wm_planner.allocator import keep_freed_memory
from wm_planner.errors import WmError, describe, missing_package
from wm_planner.messaging.control import Activate
from wm_planner.messaging.exchange import Exchange
from wm_planner.node.arguments import Arguments, arguments_of
from wm_planner.node.heartbeat import BEAT_S, Heartbeat
from wm_planner.node.node import Node
from wm_planner.node.runner import Runner
from wm_planner.node.stop_signal import SHOW_THREADS, StopSignal

Nodes: TypeAlias = Sequence[tuple[type[Node], Arguments]]


def run(node_class: type[Node]) -> NoReturn:
    """Run a node as this process until it finishes or is stopped.

    The process exits with 0; with 2 and one line for an error that a user can fix; with 1, a traceback and
    one line for any other.
    """
    run_nodes(lambda: [(node_class, arguments_of(sys.argv[1:]))], "%(asctime)s %(levelname)s %(message)s")


def run_nodes(nodes: Callable[[], Nodes], log_format: str) -> NoReturn:
    """Run nodes as this process, as `run` does with one.

    Args:
        nodes: returns their classes and arguments.
        log_format: of the lines of their loggers, which have the names of the nodes.
    """
    faulthandler.enable()
    faulthandler.register(SHOW_THREADS)
    keep_freed_memory()
    logging.basicConfig(level=logging.INFO, format=log_format)
    program = Program()
    try:
        program.run(nodes())
    except WmError as error:
        program.fail(str(error), 2)
    except ModuleNotFoundError as error:
        traceback.print_exc()
        program.fail(missing_package(error), 2)
    except Exception as error:
        traceback.print_exc()
        program.fail(describe(error), 1)
    sys.exit(0)


class Program:
    """Runs the nodes of a process, in one thread and by turns."""

    def __init__(self) -> None:
        self._stop = StopSignal()
        self._exchange = Exchange()
        self._runners: list[Runner] = []
        self._is_shared = False
        self._turn_of = ""

    def run(self, nodes: Nodes) -> None:
        """Configure, activate, spin and clean up nodes, until all have finished or are stopped.

        Args:
            nodes: their classes and arguments; of one mode, one supervisor and one scheduling.

        Raises:
            WmError: for an error that the user can fix.
        """
        first = nodes[0][1]
        self._is_shared = len(nodes) > 1
        self._stop.listen(first.supervisor)
        if first.mode == "lockstep":
            run_on_when_others_wake()
        first.scheduling.apply()
        why = ""
        try:
            with self._stop.ends_at_once():
                self._configure(nodes)
            if not first.supervisor:
                for runner in self._runners:
                    runner.activate(Activate(readers={}))
            self._spin()
            why = "stopped by a signal"
        finally:
            Heartbeat(first.heartbeat).end()
            self._close(why)

    def stop(self) -> None:
        """End all nodes once the running callback has returned, as SIGTERM does."""
        self._stop.is_set = True

    def fail(self, error: str, code: int) -> NoReturn:
        """Exit with an error, and the name of the node that has failed where it is not the only one."""
        where = f"node '{self._turn_of}': " if self._is_shared and self._turn_of else ""
        print(f"error: {where}{error}", file=sys.stderr, flush=True)
        sys.exit(code)

    def _configure(self, nodes: Nodes) -> None:
        for number, (node_class, arguments) in enumerate(nodes):
            self._turn_of = arguments.name
            heartbeat = Heartbeat(arguments.heartbeat, number)
            self._runners.append(Runner.of(node_class, arguments, self._exchange, self._stop, heartbeat))
        for runner in self._runners:
            self._turn_of = runner.node.name
            if self._is_shared:
                runner.count_cpu()
            with runner.measured():
                runner.configure()

    def _spin(self) -> None:
        """Take turns until no node is left, or the process is asked to stop."""
        gather_s = 0.0 if self._is_shared else self._runners[0].gather_s
        while self._runners and not self._stop.is_set:
            for runner in tuple(self._runners):
                self._turn_of = runner.node.name
                with runner.measured():
                    runner.turn()
                if runner.node.finished is not None:
                    self._runners.remove(runner)
                    runner.close(runner.node.finished)
                    if self._is_shared:
                        runner.node.bus.domain.mark_finished(runner.node.name)
            if self._runners:
                self._exchange.wait(min(BEAT_S, *(runner.idle_s for runner in self._runners)))
                if gather_s:  # even a sleep of no time gives the core away
                    time.sleep(gather_s)

    def _close(self, why: str) -> None:
        """End all nodes; those that only read come last, so that they receive everything."""
        with contextlib.ExitStack() as stack:  # ends the others if one raises, in the opposite order
            for runner in sorted(self._runners, key=lambda each: not each.only_reads):
                stack.callback(self._close_one, runner, why)

    def _close_one(self, runner: Runner, why: str) -> None:
        try:
            runner.close(why)
        except Exception:
            self._turn_of = runner.node.name
            raise


def run_on_when_others_wake() -> None:
    """Let a thread that a message wakes on this core wait until the running one has nothing to do.

    Threads that are started later, such as those of ZeroMQ, inherit it. It saves switches between threads on
    a shared core (docs/decisions.md). Realtime keeps the quick reaction.
    """
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
