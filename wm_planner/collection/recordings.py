"""Episodes in recordings: messages of many topics, sampled at a constant rate.

A frame has the last message of every camera and state before its time, no older than one period. An episode
ends where one is missing, where no action was executed, or where the episode id changes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wm_planner import share
from wm_planner.collection.pictures import picture_of
from wm_planner.collection.topic_map import TopicMap
from wm_planner.contracts.card import ObservationSpec
from wm_planner.contracts.dataset import REWARD, TERMINATED, TRUNCATED, Episode, Meta
from wm_planner.errors import RecordingError
from wm_planner.messaging.messages import Message, named_arrays_of
from wm_planner.recording.bag import Bag
from wm_planner.world_models.onnx.camera_images import fitted

SLACK = 1e-3  # of a period: stamps are rounded

Stamps = NDArray[np.int64]


class RecordedEpisodes:
    """The episodes of a recording.

    Args:
        path: of an MCAP file or a rosbag2 folder.
        topics: what to read of it.

    Attributes:
        is_complete: whether the recording was closed properly.
        skipped: number of frames that belong to no episode, because something is missing next to them.

    Raises:
        RecordingError: if the recording cannot be read, lacks a topic or a field, or has no episode.
    """

    def __init__(self, path: Path, topics: TopicMap) -> None:
        self._bag, self._topics = Bag(path), topics
        self.is_complete = self._bag.is_complete
        self._stamps, self._values = self._read()
        self._runs = self._find()
        if not self._runs:
            spans = {
                topic: f"{stamps[0] / 1e9:.3f} to {stamps[-1] / 1e9:.3f} s, {len(stamps)} messages"
                for topic, stamps in self._stamps.items()
            }
            raise RecordingError(
                f"{path}: there are no two consecutive frames of {topics.control_dt_s:g} s with a message on "
                f"every topic and an action between them: {spans}"
            )

    @property
    def meta(self) -> Meta:
        """What a data set of them holds; `image_size` is that of the first picture."""
        topics, action = self._topics, self._topics.action
        first = next(self._pictures([self._runs[0][0]]), None)
        return Meta(
            scene=str(self._bag.path),
            revision=share.revision(),
            first_seed=0,
            seeds_tried=len(self._runs),
            rejected={},
            episodes=len(self._runs),
            steps=max(len(run) for run in self._runs) - 1,
            cameras=tuple(topics.cameras),
            image_size=(0, 0) if first is None else (first.shape[1], first.shape[2]),
            state=tuple(each.quantity for each in topics.state),
            action_names=action.names,
            action_units=action.units,
            action_low=action.low,
            action_high=action.high,
            control_dt_s=topics.control_dt_s,
            action_choices=action.choices,
            action_absolute=action.absolute,
            signals=tuple(each.signal for each in topics.signals),
        )

    def __iter__(self) -> Iterator[Episode]:
        """The episodes one after the other; only one is in memory."""
        frames = self._pictures([frame for run in self._runs for frame in run])
        for run in self._runs:
            images = [next(frames) for _ in run] if self._topics.cameras else []
            yield Episode(
                images=np.stack(images) if images else np.empty((len(run), 0, 0, 0, 3), np.uint8),
                state=self._state(run),
                action=self._action(run),
                signals=self._signals(run),
            )

    def _read(self) -> tuple[dict[str, Stamps], dict[str, list[Message]]]:
        """The stamps of all topics, and the messages of those without pictures."""
        stamps: dict[str, list[int]] = defaultdict(list)
        values: dict[str, list[Message]] = defaultdict(list)
        cameras = set(self._topics.cameras.values())
        for topic, stamp_ns, message in self._bag.messages(self._topics.topics):
            if stamps[topic] and stamp_ns < stamps[topic][-1]:
                raise RecordingError(
                    f"{self._bag.path}: the stamps of {topic} go back from {stamps[topic][-1] / 1e9:.3f} to "
                    f"{stamp_ns / 1e9:.3f} s; record each run in a file of its own"
                )
            stamps[topic].append(stamp_ns)
            if topic not in cameras:
                values[topic].append(message)
        for topic in self._topics.topics:
            if not stamps[topic]:
                raise RecordingError(f"{self._bag.path}: no messages on '{topic}'")
        return {topic: np.array(found, np.int64) for topic, found in stamps.items()}, dict(values)

    def _find(self) -> list[list["_Frame"]]:
        """Runs of consecutive complete frames with actions between them."""
        topics, dt_ns = self._topics, self._topics.control_dt_s * 1e9
        known = [self._stamps[topic] for topic in topics.observed or (topics.action.topic,)]
        start, end = max(int(s[0]) for s in known), min(int(s[-1]) for s in known) + dt_ns
        times = start + np.round(np.arange(int((end - start) / dt_ns) + 1) * dt_ns).astype(np.int64)
        runs: list[list[_Frame]] = []
        run: list[_Frame] = []
        for time_ns in times:
            frame = self._frame(int(time_ns), dt_ns)
            if frame is None or (run and frame.episode != run[-1].episode):
                runs.append(run)
                run = []
            if frame is not None:
                run.append(frame)
                if frame.action is None:  # it is the last one
                    runs.append(run)
                    run = []
        runs.append(run)
        self.skipped = len(times) - sum(len(run) for run in runs if len(run) > 1)
        return [run for run in runs if len(run) > 1]

    def _frame(self, time_ns: int, dt_ns: float) -> "_Frame | None":
        topics, latest = self._topics, {}
        for topic in topics.topics:
            stamps = self._stamps[topic]
            if topic == topics.action.topic:
                index = int(np.searchsorted(stamps, time_ns - SLACK * dt_ns))
                in_time = index < len(stamps) and stamps[index] < time_ns + (1 - SLACK) * dt_ns
                latest[topic] = index if in_time else -1
                continue
            index = int(np.searchsorted(stamps, time_ns + SLACK * dt_ns, "right")) - 1
            if index < 0 or (topic != topics.episode and stamps[index] <= time_ns - (1 - SLACK) * dt_ns):
                return None
            latest[topic] = index
        action = latest.pop(topics.action.topic)
        episode = self._values[topics.episode][latest[topics.episode]].id if topics.episode else 0
        return _Frame(latest, None if action < 0 else action, int(episode))

    def _pictures(self, frames: list["_Frame"]) -> Iterator[NDArray[np.uint8]]:
        """The pictures (cameras, H, W, 3) of frames in order, read in one pass over the recording."""
        topics = list(self._topics.cameras.values())
        if not topics:
            return
        first: dict[str, tuple[int, ...]] = {}
        counts = dict.fromkeys(topics, -1)
        recent: dict[str, dict[int, NDArray[np.uint8]]] = {topic: {} for topic in topics}
        wanted = {topic: {frame.latest[topic] for frame in frames} for topic in topics}
        waiting = iter(frames)
        frame = next(waiting, None)
        for topic, _, message in self._bag.messages(topics):
            counts[topic] += 1
            if counts[topic] in wanted[topic]:
                recent[topic][counts[topic]] = self._picture(message, f"{self._bag.path}: {topic}")
            while frame is not None and all(frame.latest[each] in recent[each] for each in topics):
                pictures = [recent[each][frame.latest[each]] for each in topics]
                sizes = {each: picture.shape[:2] for each, picture in zip(topics, pictures, strict=True)}
                first = first or sizes
                if sizes != dict.fromkeys(topics, first[topics[0]]):
                    now = "" if sizes == first else f", later {sizes}"
                    raise RecordingError(
                        f"{self._bag.path}: pictures have different sizes, wanted the same: {first}{now}: "
                        "write the size for all into the file of topics, e.g. `image_size: [240, 320]`"
                    )
                yield np.stack(pictures)
                for each in topics:
                    recent[each] = {i: p for i, p in recent[each].items() if i >= frame.latest[each]}
                frame = next(waiting, None)
            if frame is None:
                return

    def _picture(self, message: Message, where: str) -> NDArray[Any]:
        picture, size = picture_of(message, where), self._topics.image_size
        if size is None:
            return picture
        return fitted(ObservationSpec(height=size[0], width=size[1], fit=self._topics.fit), picture)

    def _state(self, run: list["_Frame"]) -> NDArray[np.float32]:
        columns = [
            np.stack([self._value(each.topic, f.latest[each.topic], each.fields, (each.size,)) for f in run])
            for each in self._topics.state
        ]
        return np.concatenate([np.empty((len(run), 0)), *columns], axis=1).astype(np.float32)

    def _action(self, run: list["_Frame"]) -> NDArray[np.float32]:
        """The actions, with zeros in the last frame."""
        each = self._topics.action
        action = np.zeros((len(run), len(each.names)), np.float32)
        for row, frame in enumerate(run[:-1]):
            assert frame.action is not None  # or the run would end there
            action[row] = self._value(each.topic, frame.action, each.fields, (len(each.names),))
        return action

    def _signals(self, run: list["_Frame"]) -> Mapping[str, NDArray[Any]]:
        found = {}
        for each in self._topics.signals:
            shape = each.signal.shape
            rows = [self._value(each.topic, f.latest[each.topic], each.fields, shape or (1,)) for f in run]
            if each.signal in (REWARD, TERMINATED, TRUNCATED):
                rows = [*rows[1:], np.zeros_like(rows[0])]
            found[each.signal.name] = np.stack(rows).reshape(len(run), *shape).astype(each.signal.dtype)
        return found

    def _value(self, topic: str, index: int, fields: tuple[str, ...], shape: tuple[int, ...]) -> NDArray[Any]:
        """The numbers in the fields of a message."""
        message = self._values[topic][index]
        where = f"{self._bag.path}: {topic}"
        value = np.concatenate([_numbers(message, field, where) for field in fields])
        if value.size != int(np.prod(shape)):
            raise RecordingError(
                f"{where}: {', '.join(fields)} has {value.size} numbers, wanted {int(np.prod(shape))}"
            )
        return value.reshape(shape)


class _Frame(NamedTuple):
    """The messages of a frame.

    Attributes:
        latest: topic to the number of its message.
        action: number of the action's message; None if none was executed.
        episode: id of the episode.
    """

    latest: dict[str, int]
    action: int | None
    episode: int


def _numbers(message: Message, field: str, where: str) -> NDArray[Any]:
    """The numbers at a dotted path, (k,)."""
    try:
        value = reduce(getattr, field.split("."), message)
    except AttributeError:
        raise RecordingError(
            f"{where}: {type(message).__name__.replace('__', '/')} has no field '{field}'"
        ) from None
    if hasattr(value, "dtype") and hasattr(value, "data") and not isinstance(value, np.ndarray):
        value = next(iter(named_arrays_of([value]).values()))
    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind not in "biuf":
        raise RecordingError(f"{where}: the field '{field}' is no number or array of numbers")
    return array.ravel()
