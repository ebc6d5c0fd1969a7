"""The card of a bundle: what a model expects, what it returns, and where it came from.

A bundle is a folder `models/bundles/<name>/` that holds `card.yaml` and the model's ONNX graphs. The graphs
take raw sensor data. `encode.onnx` has one input `image.<camera>` per camera, (B, H, W, 3) uint8 if it is
RGB, and one float32 input `state`, (B, S), if the card lists states; it resizes, normalises and joins the
camera images itself. `step.onnx` takes the latent arrays by name and `action`, (N, A), in physical units; it
returns the next latent arrays as `next.<name>` and its other outputs as `output.<name>`, (N,).

`encode.onnx` of a card that `remembers` also takes `memory.<latent>`, (1, ...), for every array that it
returns, `last_action`, (1, A), and `fresh`, (1,) float32: 1 after a reset, when memory and action are zeros.
Each graph takes its noise as `noise.<name>`. `decode.onnx`, with the capability `decode`, takes arrays of the
latent by name, (N, ...), and returns one uint8 `image.<camera>`, (N, H, W, 3), per camera.
"""

import math
from typing import Any, Literal

import msgspec

from wm_planner.config import Config, Count, Positive, Seconds
from wm_planner.contracts.quantity import Quantity
from wm_planner.errors import SpecError

NOT_OF_STEP = frozenset({"decode", "surprise"})
"""Capabilities that are not outputs of `step`."""


class ObservationSpec(Config, frozen=True, kw_only=True):
    """What `encode.onnx` takes; a model without cameras reads states only.

    Attributes:
        cameras: camera names, in the order in which their images are joined.
        height, width: of each camera image, in pixels.
        encoding: pixels of the images: RGB (H, W, 3) uint8, grey (H, W, 1) uint8 (mono8), or depth (H, W, 1)
            float32 in m, 0 where nothing was measured (32FC1). Colours become grey and grey becomes RGB where
            the camera sends the other; depth and colours do not mix.
        fit: what happens to a camera image of another size before the graph: it is refused (exact), cut to
            the aspect ratio of height and width around its centre and scaled (crop), or scaled (stretch).
        joined: how the graph joins the camera images: stacked along the channels, or side by side.
        input_shape: (channels, height, width) of the network's input, after joining and resizing.
        mean, std: normalisation inside the graph, for pixel values scaled to 0..1: one value for all colour
            channels, or one per channel.
        state: quantities that are concatenated into the `state` input, in order.
    """

    cameras: tuple[str, ...] = ()
    height: Count = 0
    width: Count = 0
    encoding: Literal["rgb8", "mono8", "32FC1"] = "rgb8"
    fit: Literal["exact", "crop", "stretch"] = "exact"
    joined: Literal["channels", "side_by_side"] | None = None
    input_shape: tuple[int, int, int] | None = None
    mean: float | tuple[float, float, float] = 0.0
    std: float | tuple[float, float, float] = 1.0
    state: tuple[Quantity, ...] = ()


class ActionSpec(Config, frozen=True, kw_only=True):
    """The components of one action, in physical units.

    Attributes:
        names: of the A components.
        units: one per component.
        low, high: bounds of each component; infinite where it has none, which only a policy can act on.
        rate: largest change of each component between two consecutive steps; None for no limit.
        choices: n for a discrete action, which is one integer component in 0 .. n - 1; 0 for a continuous
            action.
        absolute: whether an action is a set point, e.g. joint positions: to do nothing is to repeat it. For
            other actions, such as displacements, velocities and torques, to do nothing is 0.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rate: tuple[float, ...] | None = None
    choices: Count = 0
    absolute: bool = False

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.units) == len(self.low) == len(self.high) > 0:
            raise SpecError("names, units, low and high must have the same length, at least 1")
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if not low < high:  # nor if one of them is NaN
                raise SpecError(
                    f"the action '{name}' lies between {low:g} and {high:g}, wanted every low below its high"
                )
        if self.rate is not None and (len(self.rate) != len(self.names) or not all(r > 0 for r in self.rate)):
            raise SpecError(f"rate is {list(self.rate)}, wanted one value above 0 per component")
        if self.choices and (self.low, self.high, self.rate) != ((0.0,), (self.choices - 1.0,), None):
            raise SpecError(
                f"choices is {self.choices}, wanted one component from 0 to {self.choices - 1}, no rate"
            )

    @property
    def unbounded(self) -> tuple[str, ...]:
        """Names of the components with an infinite bound, between which nothing can be drawn."""
        bounds = zip(self.names, self.low, self.high, strict=True)
        return tuple(name for name, *each in bounds if not all(map(math.isfinite, each)))


class LatentSpec(Config, frozen=True, kw_only=True):
    """One array of the latent.

    Attributes:
        shape: without the batch axis.
        role: how the array is used in a rollout.
            `candidate`: `encode` returns it, every candidate has its own, rollouts keep it.
            `shared`: batch 1, the same for all candidates; `step` reads it and never returns it.
            `hidden`: as `candidate`, but never kept in a rollout, e.g. the frames of a diffusion model.
            `cache`: as `hidden`, but it starts as zeros (`encode` does not return it), e.g. the keys and
            values of earlier frames.
        unit: of an array that is a physical quantity, which makes it a state of the rollout; None for a
            learned array.
    """

    name: str
    shape: tuple[Positive, ...]
    dtype: Literal["float32", "float64", "int64"] = "float32"
    role: Literal["candidate", "shared", "hidden", "cache"] = "candidate"
    unit: str | None = None


class NoiseSpec(Config, frozen=True, kw_only=True):
    """One noise array that a graph takes as its input `noise.<name>`.

    Attributes:
        shape: without the batch axis.
        kind: the distribution that the caller samples it from: standard normal, uniform in [0, 1) or
            standard Gumbel.
        graph: the graph that takes it.
    """

    name: str
    shape: tuple[Positive, ...]
    kind: Literal["normal", "uniform", "gumbel"]
    graph: Literal["encode", "step"] = "step"

    @property
    def calm(self) -> float:
        """The value that all components take if the caller gives no noise."""
        return 0.5 if self.kind == "uniform" else 0.0


class GraphSpec(Config, frozen=True, kw_only=True):
    """A graph file of the bundle.

    Attributes:
        sha256: of the file.
        data_sha256: of the external weights file; None if the graph file holds the weights.
        max_abs_error: largest absolute difference between torch and ONNX Runtime at export; None if it was
            not measured.
    """

    sha256: str
    data_sha256: str | None = None
    max_abs_error: float | None = None


class TrainingRecord(Config, frozen=True, kw_only=True):
    """How the model was trained.

    Attributes:
        command: the commands that reproduce it from scratch, in order.
        data: data set folder to the sha256 of its meta.yaml; empty for imported weights.
        pretrained: weights file or run folder that training started from, to its sha256.
        revision: git revision of the source that trained it.
        cpu_seconds: CPU time of the training, summed over its processes.
        wall_seconds: duration of the training; 0 if it was not recorded.
        effective_rank: of the representation on the training data, see `data.effective_rank`; None if it was
            not measured.
        recipe: the complete training recipe.
    """

    command: tuple[str, ...]
    data: dict[str, str] = msgspec.field(default_factory=dict)
    pretrained: dict[str, str] = msgspec.field(default_factory=dict)
    revision: str
    seed: int = 0
    iterations: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    effective_rank: float | None = None
    recipe: dict[str, Any]


class PolicySpec(Config, frozen=True, kw_only=True):
    """The policy of a bundle, `act.onnx`, which maps latents to actions without a search.

    It takes arrays of the latent by name, (N, ...), all of them or those that it needs. It returns `action`,
    (N, A), in the card's units, or `logits`, (N, n), of the n choices of a discrete action.

    Attributes:
        goal: whether it also takes arrays of the goal's latent, `goal.<name>`, (1, ...).
        training: how it was trained; None if it was trained together with the model.
    """

    goal: bool
    training: TrainingRecord | None = None


class Card(Config, frozen=True, kw_only=True):
    """Everything that a node, a planner or a user needs to know about a model.

    Attributes:
        name: of the bundle.
        family: stem of the file in `models/` that defines the network.
        about: one sentence.
        control_dt_s: duration of one step, in seconds.
        latents: the arrays of the latent, in order.
        noise: the noise arrays that the graphs take.
        remembers: whether `encode` takes the previous latent and the action executed since.
        futures: number of noise draws per candidate that planners imagine by default; 1 is a single rollout
            with calm noise.
        capabilities: outputs of `step` besides the latent: reward, value, continue, uncertainty;
            surprise, an output of `encode`; and decode, which is a graph of its own.
        policy: of `act.onnx`; None if the bundle has no policy.
        max_candidates: largest N of one model call; planners split larger populations. An export measures
            the N with the least CPU time per candidate.
        max_horizon: longest rollout that the model's memory allows, in steps; 0 for no limit.
        graphs: graph name ("encode", "step", ...) to its checksums.
        results: rows of the model's success table, as printed by `wm bench`.
    """

    name: str
    family: str
    about: str
    observation: ObservationSpec
    action: ActionSpec
    control_dt_s: Seconds
    latents: tuple[LatentSpec, ...]
    noise: tuple[NoiseSpec, ...] = ()
    remembers: bool = False
    futures: Positive = 1
    capabilities: tuple[str, ...] = ()
    policy: PolicySpec | None = None
    max_candidates: Positive = 512
    max_horizon: Count = 0
    graphs: dict[str, GraphSpec] = msgspec.field(default_factory=dict)
    training: TrainingRecord | None = None
    results: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if "policy" in self.capabilities:
            raise ValueError(
                "capabilities lists policy, which is not an output of step: export it as act.onnx with the "
                "latent as its inputs, and write `policy: {goal: false}`"
            )

    @property
    def representation(self) -> str:
        """Name of the largest learned array, on which latents are compared by default."""
        learned = [spec for spec in self.latents if spec.unit is None and spec.role == "candidate"]
        return max(learned, key=lambda spec: math.prod(spec.shape)).name

    @property
    def step_outputs(self) -> tuple[str, ...]:
        """The capabilities that are outputs of `step`."""
        return tuple(name for name in self.capabilities if name not in NOT_OF_STEP)

    @property
    def encoded(self) -> tuple[LatentSpec, ...]:
        """The arrays that `encode` returns, and takes back as memory."""
        return tuple(spec for spec in self.latents if spec.role != "cache")

    @property
    def offers(self) -> frozenset[str]:
        """What costs may require of this model's rollouts: "latent:z", "state:tcp_position", ..."""
        kept = [spec for spec in self.latents if spec.role == "candidate"]
        latents = {f"latent:{spec.name}" for spec in kept}
        states = {f"state:{spec.name}" for spec in kept if spec.unit is not None}
        return frozenset(latents | states | {f"output:{name}" for name in self.step_outputs})
