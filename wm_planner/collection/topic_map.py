"""Which topics of a recording become the arrays of a data set."""

from pathlib import Path
from typing import Literal

from msgspec import structs

from wm_planner.bridges.messages import camera_topic, state_topic
from wm_planner.config import Config, Count, Positive, Seconds, convert, read_yaml
from wm_planner.contracts.card import ActionSpec, Card
from wm_planner.contracts.dataset import Signal
from wm_planner.contracts.quantity import Quantity

FIELDS = {"joint_positions": ("position",), "joint_velocities": ("velocity",)}
TOOL_POSITION = ("pose.position.x", "pose.position.y", "pose.position.z")


class StateMap(Quantity, frozen=True, kw_only=True):
    """A quantity of the state, and where it is told.

    Attributes:
        topic: of its messages.
        fields: dotted paths in a message to numbers or arrays, which are joined.
    """

    topic: str
    fields: tuple[str, ...]

    @property
    def quantity(self) -> Quantity:
        """The quantity alone."""
        return Quantity(**{name: getattr(self, name) for name in Quantity.__struct_fields__})


class ActionMap(Config, frozen=True, kw_only=True):
    """The action; the message with the stamp of a frame, or the first one until the next frame, is executed.

    Attributes:
        topic: of its messages.
        fields: as in `StateMap`.
        names, units, low, high: one per component.
        choices, absolute: as in `ActionSpec`.
    """

    topic: str
    fields: tuple[str, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    choices: Count = 0
    absolute: bool = False

    @property
    def spec(self) -> ActionSpec:
        """The specification of one action."""
        return ActionSpec(
            names=self.names,
            units=self.units,
            low=self.low,
            high=self.high,
            choices=self.choices,
            absolute=self.absolute,
        )


class SignalMap(Config, frozen=True, kw_only=True):
    """A further signal; its fields are as in `StateMap`.

    Of `reward`, `terminated` and `truncated`, the message of the next frame is taken: they are what came of
    the action.

    Attributes:
        signal: name, shape, dtype and unit.
    """

    signal: Signal
    topic: str
    fields: tuple[str, ...]


class TopicMap(Config, frozen=True, kw_only=True):
    """What to read of a recording.

    Attributes:
        control_dt_s: time between the frames of the data set, in seconds.
        cameras: name of a camera to the topic of its pictures (sensor_msgs/Image or CompressedImage).
        state: the quantities of the state.
        action: the action.
        signals: further arrays.
        image_size: (height, width) in pixels that pictures get; None where all of them have one size.
        fit: how, as in `ObservationSpec`.
        episode: topic of our /episode messages, whose id separates episodes; None to separate them only
            where data are missing.
    """

    control_dt_s: Seconds
    cameras: dict[str, str]
    state: tuple[StateMap, ...] = ()
    action: ActionMap
    signals: tuple[SignalMap, ...] = ()
    image_size: tuple[Positive, Positive] | None = None
    fit: Literal["crop", "stretch"] = "crop"
    episode: str | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics."""
        other = [self.action.topic, *([self.episode] if self.episode else [])]
        return tuple(dict.fromkeys([*self.observed, *other]))

    @property
    def observed(self) -> tuple[str, ...]:
        """The topics of cameras, states and signals."""
        states, signals = ([each.topic for each in self.state], [each.topic for each in self.signals])
        return tuple(dict.fromkeys([*self.cameras.values(), *states, *signals]))

    @classmethod
    def read(cls, path: Path) -> "TopicMap":
        """The map in a YAML file.

        Raises:
            ConfigError: if it is not valid.
        """
        return convert(read_yaml(path), cls, str(path))

    @classmethod
    def of_card(cls, card: Card) -> "TopicMap":
        """The map of a recording that the nodes of this package made with a model that has `card`."""
        action, seen = card.action, card.observation
        return cls(
            control_dt_s=card.control_dt_s,
            cameras={camera: camera_topic(camera) for camera in seen.cameras},
            state=tuple(
                StateMap(
                    **structs.asdict(each),
                    topic=state_topic(each.name),
                    fields=FIELDS.get(each.name, TOOL_POSITION if "tcp" in each.name else ("array",)),
                )
                for each in seen.state
            ),
            action=ActionMap(
                topic="/action",
                fields=("values",),
                names=action.names,
                units=action.units,
                low=action.low,
                high=action.high,
                choices=action.choices,
                absolute=action.absolute,
            ),
            image_size=None if seen.fit == "exact" else (seen.height, seen.width),
            fit="crop" if seen.fit == "exact" else seen.fit,
            episode="/episode",
        )
