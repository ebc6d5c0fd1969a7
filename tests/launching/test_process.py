import pytest

from wm_planner.launching.process import NodeProcess, describe_exit
from wm_planner.node.arguments import Arguments


@pytest.fixture
def ended(tmp_path):
    """Run a program to its end as a node would be, into one log; its process and exit code."""

    def run(text: str) -> tuple[NodeProcess, int]:
        program = tmp_path / "program.py"
        program.write_text(text)
        process = NodeProcess([(program, Arguments(name="x"))], tmp_path / "x.log")
        code = process._process.wait(20)
        return process, code

    return run


def test_exit_codes_and_signals_are_described():
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "signal SIGKILL"
    assert describe_exit(-14).startswith("signal SIGALRM (a callback did not return")
    assert describe_exit(-200) == "signal 200"


def test_a_failure_names_the_error_that_was_logged_last(ended):
    process, code = ended("print('error: the first')\nraise ValueError('the last')")
    assert process.failure(code) == "exit code 1: ValueError: the last"


def test_errors_of_an_earlier_process_are_ignored(ended):
    ended("raise ValueError('old')")
    process, code = ended("import os\nos.kill(os.getpid(), 9)")
    assert process.failure(code) == "signal SIGKILL"


def test_a_crash_in_native_code_is_reported(ended):
    process, code = ended("import faulthandler, os\nfaulthandler.enable()\nos.kill(os.getpid(), 11)")
    assert process.failure(code) == "signal SIGSEGV: Fatal Python error: Segmentation fault"
