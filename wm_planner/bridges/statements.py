"""What the nodes of a planning run state before it starts, in the words of `node.facts`."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from wm_planner.contracts.card import ActionSpec, Card
from wm_planner.contracts.simulator import EnvironmentSpec
from wm_planner.node.facts import Facts

PERIOD = "the control period in s"
ACTION = "the action"
COMMAND = "what /command carries"
POSITIONS = "joint positions"
EFFORTS = "joint efforts"
NAMES = "the list of the action's components"
UNITS = "the list of the action's units"
KIND = "the kind of the action"
LATENT = "the latent"
CAMERA = "camera"
STATE = "state"


@dataclass(frozen=True)
class LatentOf:
    """Whose latents a node publishes or plans from; equal for bundles with the same encoder.

    Attributes:
        bundle: its name, for errors.
        encoder: the checksums of encode.onnx and its weights.
    """

    bundle: str = field(compare=False)
    encoder: tuple[str | None, ...]

    def __str__(self) -> str:
        return f"that of {self.bundle}"


def latent_of(card: Card) -> LatentOf:
    """The latents of a bundle."""
    encode = card.graphs.get("encode")
    return LatentOf(card.name, (encode.sha256, encode.data_sha256) if encode else ())


def components(names: Iterable[str], units: Iterable[str]) -> str:
    """The components of an action."""
    return ", ".join(f"{name} in {unit}" for name, unit in zip(names, units, strict=True))


def action_statements(action: ActionSpec) -> dict[str, object]:
    """What is stated by a node that takes actions as they are; units only where there are any."""
    kind = f"one of {action.choices} choices" if action.choices else "continuous"
    units = {UNITS: ", ".join(unit or "none" for unit in action.units)} if any(action.units) else {}
    return {NAMES: ", ".join(action.names), KIND: kind, **units}


def pixels(height: int, width: int) -> str:
    """The size of an image."""
    return f"{height} x {width} pixels"


def values(size: int) -> str:
    """The size of a state."""
    return f"{size} values" if size > 1 else "1 value"


def environment_facts(environment: EnvironmentSpec) -> Facts:
    """The rate and the cameras of an environment, which every simulator publishes."""
    return Facts(
        agrees={PERIOD: environment.control_dt_s},
        offers={CAMERA: dict.fromkeys(environment.cameras, pixels(*environment.image_size))},
    )
