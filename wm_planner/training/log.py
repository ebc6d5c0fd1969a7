"""The log of a training run: `log.jsonl`, and the same values as TensorBoard curves in `tensorboard/`."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from wm_planner.data.folders import atomic_file

LOG_FILE = "log.jsonl"
CURVES_FOLDER = "tensorboard"
CURVES = ("learning_rate", "gradient_norm", "cpu_seconds", "effective_rank")

Line = Mapping[str, Any]


@contextmanager
def open_log(folder: Path, iteration: int) -> Iterator[Callable[[Line], None]]:
    """A function that appends a line to the log of the run in `folder`.

    Lines after `iteration`, at which the run resumes, are dropped, and the curves are rewritten from the
    remaining ones, so that every iteration occurs once, however the run was interrupted.
    """
    file, curves = folder / LOG_FILE, folder / CURVES_FOLDER
    kept = [line for line in _lines(file) if line["iteration"] <= iteration]
    with atomic_file(file) as temporary:
        temporary.write_text("".join(map(_text, kept)), encoding="utf-8")
    shutil.rmtree(curves, ignore_errors=True)
    curves.mkdir()
    writer = EventsWriter(str(curves / "events"))  # synchronous, unlike tensorboardX's SummaryWriter
    with closing(writer), file.open("a", encoding="utf-8") as log:

        def write(line: Line) -> None:
            log.write(_text(line))
            log.flush()
            _write_curves(writer, line)

        for line in kept:
            _write_curves(writer, line)
        yield write


def _write_curves(writer: EventsWriter, line: Line) -> None:
    scalars = {name: line[name] for name in CURVES if line.get(name) is not None}  # old logs lack some
    terms = {name if name == "loss" else f"terms/{name}": term for name, term in line["terms"].items()}
    points = [Summary.Value(tag=name, simple_value=value) for name, value in {**terms, **scalars}.items()]
    summary = Summary(value=points)
    writer.write_event(Event(step=line["iteration"], wall_time=time.time(), summary=summary))
    writer.flush()


def _lines(file: Path) -> list[Line]:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    complete = (line for line in text.splitlines(keepends=True) if line.endswith("\n"))  # the last may be cut
    return [json.loads(line) for line in complete]


def _text(line: Line) -> str:
    return json.dumps(line) + "\n"
