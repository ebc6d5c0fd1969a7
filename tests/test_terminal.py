import io

import pytest
from rich.console import Console

from wm_planner import terminal


@pytest.fixture
def screen(monkeypatch):
    """Puts a console of a kind in place of the terminal, and gives what is written to it."""

    def place(is_terminal):
        file = io.StringIO()
        console = Console(file=file, force_terminal=is_terminal, width=120, color_system=None)
        monkeypatch.setattr(terminal, "console", console)
        return file

    return place


def follow():
    with terminal.Bar("iteration") as bar:
        bar.update(50, 200)
        bar.describe("loss 0.5", "iteration 50/200  loss 0.5")
        bar.update(100, 200)


def test_a_terminal_shows_a_bar_with_the_last_description(screen):
    file = screen(True)
    follow()
    bar = next(line for line in reversed(file.getvalue().splitlines()) if "100/200" in line)
    assert "loss 0.5" in bar
    assert "iteration 50/200  loss 0.5" not in file.getvalue()


def test_a_pipe_gets_lines_and_no_bar(screen):
    file = screen(False)
    follow()
    assert file.getvalue() == "iteration 50/200  loss 0.5\n"


def test_a_process_that_does_not_update_the_bar_shows_nothing(screen):
    file = screen(True)
    with terminal.Bar("iteration"):
        pass
    assert "iteration" not in file.getvalue()


def test_ctrl_c_of_what_can_be_resumed_says_so(capsys):
    with pytest.raises(SystemExit) as ended, terminal.resumable():
        raise KeyboardInterrupt
    assert ended.value.code == terminal.INTERRUPTED
    assert capsys.readouterr().err == "interrupted; the same command goes on\n"


def test_a_table_keeps_its_heading_however_often_it_is_printed():
    rows = terminal.table("what the figures are", "name", "figure")
    rows.add_row("a", "1")
    out = Console(file=io.StringIO(), width=80)
    out.print(rows)
    out.print(rows)
    assert out.file.getvalue().count("what the figures are") == 2
