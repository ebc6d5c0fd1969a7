"""The inputs and outputs that a card implies for the graphs of its bundle, and a check of the graphs."""

from collections.abc import Sequence
from typing import NamedTuple

from wm_planner.contracts.card import Card, LatentSpec
from wm_planner.errors import BundleError
from wm_planner.world_models.onnx.camera_images import image_dtype, image_shape

IMAGE, STATE = "image.", "state"
MEMORY, GOAL, NOISE, LAST_ACTION, FRESH = "memory.", "goal.", "noise.", "last_action", "fresh"
"""Names of inputs, or their prefixes; those that begin with `goal.` are of `act.onnx`."""

SURPRISE = "output.surprise"
"""The output of `encode.onnx` with the capability `surprise`."""


class Port(NamedTuple):
    """One input or output of a graph.

    Attributes:
        dtype: name of the NumPy dtype.
        shape: with the batch axis; None for an axis of any size.
        line: the line of the card that implies it.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    line: str


def encode_inputs(card: Card) -> list[Port]:
    """One image per camera, the states if there are any, then memory and noise."""
    seen = card.observation
    shape = (1, *image_shape(seen))
    ports = [Port(IMAGE + camera, image_dtype(seen), shape, "observation") for camera in seen.cameras]
    if seen.state:
        size = sum(quantity.size for quantity in seen.state)
        ports.append(Port(STATE, "float32", (1, size), "observation.state"))
    if card.remembers:
        ports += [
            port._replace(line="remembers")
            for port in (
                *(_of_latent(spec, batch=1, prefix=MEMORY) for spec in card.encoded),
                Port(LAST_ACTION, "float32", (1, len(card.action.names)), ""),
                Port(FRESH, "float32", (1,), ""),
            )
        ]
    return [*ports, *_noise(card, "encode", batch=1)]


def encode_outputs(card: Card) -> list[Port]:
    """The arrays of the latent, except caches, which start as zeros; and the surprise."""
    surprise = [Port(SURPRISE, "float32", (1,), "capabilities")] * ("surprise" in card.capabilities)
    return [*(_of_latent(spec, batch=1) for spec in card.encoded), *surprise]


def step_inputs(card: Card) -> list[Port]:
    """The arrays of the latent, the action, and noise."""
    return [
        *(_of_latent(spec, batch=1 if spec.role == "shared" else None) for spec in card.latents),
        Port("action", "float32", (None, len(card.action.names)), "action"),
        *_noise(card, "step", batch=None),
    ]


def step_outputs(card: Card) -> list[Port]:
    """The latent's arrays after the step, except shared ones, and one value per candidate for each output."""
    return [
        *(_of_latent(spec, batch=None, prefix="next.") for spec in card.latents if spec.role != "shared"),
        *(Port(f"output.{name}", "float32", (None,), "capabilities") for name in card.step_outputs),
    ]


def act_inputs(card: Card, found: Sequence[Port]) -> list[Port]:
    """Those arrays of the latent, and of the goal's latent if the policy takes a goal, that a graph has.

    Args:
        card: of the bundle.
        found: the inputs of `act.onnx`, which may leave out arrays that it does not need.
    """
    ports = [_of_latent(spec, batch=1 if spec.role == "shared" else None) for spec in card.latents]
    if card.policy is not None and card.policy.goal:
        ports += [_of_latent(spec, batch=1, prefix=GOAL) for spec in card.latents if spec.role != "cache"]
    names = {port.name for port in found}
    return [port for port in ports if port.name in names] or ports


def act_outputs(card: Card) -> list[Port]:
    """`action`, or `logits` of a discrete action."""
    if card.action.choices:
        return [Port("logits", "float32", (None, card.action.choices), "action.choices")]
    return [Port("action", "float32", (None, len(card.action.names)), "action")]


def decode_inputs(card: Card, found: Sequence[Port]) -> list[Port]:
    """Those arrays of the latent that a graph has; at least one.

    Args:
        card: of the bundle.
        found: the inputs of `decode.onnx`, which leaves out arrays that it does not need.
    """
    names = {port.name for port in found}
    ports = [_of_latent(spec, batch=1 if spec.role == "shared" else None) for spec in card.encoded]
    return [port for port in ports if port.name in names] or ports


def decode_outputs(card: Card) -> list[Port]:
    """One image per camera."""
    seen = card.observation
    shape = (None, *image_shape(seen))
    return [Port(IMAGE + camera, image_dtype(seen), shape, "observation") for camera in seen.cameras]


def check(where: str, kind: str, wanted: Sequence[Port], found: Sequence[Port]) -> None:
    """Compare the inputs or outputs that a card implies with those of a graph.

    Args:
        where: the card and the graph, "models/x/card.yaml: step.onnx".
        kind: "input" or "output".
        wanted: implied by the card.
        found: of the graph; their `line` is ignored.

    Raises:
        BundleError: naming the line of the card.
    """
    names = {port.name for port in wanted}
    by_name = {port.name: port for port in found}
    for extra in sorted(by_name.keys() - names):
        raise BundleError(
            f"{where} has an {kind} '{extra}' that the card does not imply "
            f"(it implies {', '.join(sorted(names))}); export the bundle again"
        )
    for port in wanted:
        graph = by_name.get(port.name)
        if graph is None:
            raise BundleError(
                f"{where} has no {kind} '{port.name}', which {port.line} implies "
                f"(it has {', '.join(sorted(by_name))}); export the bundle again"
            )
        if graph.dtype != port.dtype:
            raise BundleError(f"{where}: {port.line} says {port.dtype}, {kind} {port.name} is {graph.dtype}")
        if not _fits(graph.shape, port.shape):
            raise BundleError(
                f"{where}: {port.line} says {_text(port.shape)}, {kind} {port.name} is {_text(graph.shape)}"
            )


def _noise(card: Card, graph: str, batch: int | None) -> list[Port]:
    noise = [spec for spec in card.noise if spec.graph == graph]
    return [Port(NOISE + s.name, "float32", (batch, *s.shape), f"noise.{s.name}") for s in noise]


def _of_latent(spec: LatentSpec, batch: int | None, prefix: str = "") -> Port:
    return Port(prefix + spec.name, spec.dtype, (batch, *spec.shape), f"latents.{spec.name}.shape")


def _fits(found: Sequence[int | None], wanted: Sequence[int | None]) -> bool:
    return len(found) == len(wanted) and all(f in (None, w) for f, w in zip(found, wanted, strict=True))


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("N" if size is None else str(size) for size in shape) + "]"
