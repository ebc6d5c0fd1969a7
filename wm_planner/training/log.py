"""What a run reports: `log.jsonl`, and the same numbers as curves in `tensorboard/`."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

LOG_FILE = "log.jsonl"
CURVES_FOLDER = "tensorboard"
CURVES = ("learning_rate", "gradient_norm", "cpu_seconds")

Line = Mapping[str, Any]


@contextmanager
def opened(folder: Path, iteration: int) -> Iterator[Callable[[Line], None]]:
    """A function that appends a line to the log of the run in `folder`.

    Lines after `iteration`, where the run goes on, are dropped. The curves are drawn anew from those that
    stay, so that they hold every iteration once, whatever stopped the run and wherever.
    """
    file = folder / LOG_FILE
    kept = [line for line in _lines(file) if line["iteration"] <= iteration]
    temporary = file.with_name(file.name + ".part")
    temporary.write_text("".join(map(_text, kept)), encoding="utf-8")
    temporary.replace(file)
    shutil.rmtree(folder / CURVES_FOLDER, ignore_errors=True)
    with (
        closing(SummaryWriter(str(folder / CURVES_FOLDER))) as curves,
        file.open("a", encoding="utf-8") as log,
    ):

        def write(line: Line) -> None:
            log.write(_text(line))
            log.flush()
            _draw(curves, line)

        for line in kept:
            _draw(curves, line)
        yield write


def _draw(curves: SummaryWriter, line: Line) -> None:
    values = {name: line[name] for name in CURVES if name in line}  # a run from before has fewer
    terms = {name if name == "loss" else f"terms/{name}": term for name, term in line["terms"].items()}
    for name, value in {**terms, **values}.items():
        curves.add_scalar(name, value, line["iteration"])
    curves.flush()


def _lines(file: Path) -> list[Line]:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return [json.loads(line) for line in text.splitlines()]


def _text(line: Line) -> str:
    return json.dumps(line) + "\n"
