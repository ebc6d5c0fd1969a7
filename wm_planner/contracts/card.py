"""The card of a bundle: what a model expects, what it gives, and where it came from.

A bundle is a folder `models/bundles/<name>/` with `card.yaml` and ONNX graphs beside it. The graphs take raw
sensor data: `encode.onnx` has one uint8 input `image.<camera>` of shape (B, H, W, 3) a camera and one
float32 input `state` of shape (B, S) where the card lists states; resizing, normalisation and the joining
of cameras happen inside. `step.onnx` takes the latent arrays by name and `action` (N, A) in physical
units, and gives the latent arrays back as `next.<name>` and outputs as `output.<name>` (N,).
"""

import math
from typing import Any, Literal

import msgspec

from wm_planner.config import Config, Count, Positive


class Quantity(Config, frozen=True, kw_only=True):
    """A named physical vector, e.g. tcp_position, 3 numbers in m."""

    name: str
    size: Positive
    unit: str


class ObservationSpec(Config, frozen=True, kw_only=True):
    """What `encode.onnx` takes; a model without cameras reads states alone.

    Attributes:
        cameras: names of the camera pictures, in the order they are joined.
        height, width: of each camera picture, in pixels.
        encoding: colour order of the pictures.
        joined: how the cameras become one input inside the graph: stacked as channels or side by side.
        input_shape: (channels, height, width) that the network sees after joining and resizing.
        mean, std: normalisation inside the graph, of pixel values scaled to 0..1; one for all colours, or
            one each.
        state: quantities that make up the `state` input, in order.
    """

    cameras: tuple[str, ...] = ()
    height: Count = 0
    width: Count = 0
    encoding: Literal["rgb8"] = "rgb8"
    joined: Literal["channels", "side_by_side"] | None = None
    input_shape: tuple[int, int, int] | None = None
    mean: float | tuple[float, float, float] = 0.0
    std: float | tuple[float, float, float] = 1.0
    state: tuple[Quantity, ...] = ()


class ActionSpec(Config, frozen=True, kw_only=True):
    """One action vector, in physical units.

    Attributes:
        low, high: bounds of each component.
        rate: largest change of each component from one step to the next; None is free.
        choices: n, where an action is one column of the whole numbers 0 .. n - 1; 0 where it is continuous.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rate: tuple[float, ...] | None = None
    choices: Count = 0

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.units) == len(self.low) == len(self.high) > 0:
            raise ValueError("names, units, low and high must be of one length, at least 1")
        if any(low >= high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("every low must be below its high")
        if self.rate is not None and (len(self.rate) != len(self.names) or min(self.rate) <= 0):
            raise ValueError(f"rate is {list(self.rate)}, wanted a number above 0 a component")
        if self.choices and (self.low, self.high, self.rate) != ((0.0,), (self.choices - 1.0,), None):
            raise ValueError(
                f"choices is {self.choices}, wanted one component from 0 to {self.choices - 1}, no rate"
            )


class LatentSpec(Config, frozen=True, kw_only=True):
    """One array of the latent.

    Attributes:
        shape: without the batch axis.
        role: `candidate`: one per candidate; `shared`: batch 1, never returned by step; `cache`: one per
            candidate, zeros at first, not given by encode, never kept in a rollout.
        unit: set where the array is a physical quantity: it is then also a state of the rollout.
    """

    name: str
    shape: tuple[Positive, ...]
    dtype: Literal["float32", "float64", "int64"] = "float32"
    role: Literal["candidate", "shared", "cache"] = "candidate"
    unit: str | None = None


class NoiseSpec(Config, frozen=True, kw_only=True):
    """One noise array that a graph takes, without the batch axis."""

    name: str
    shape: tuple[Positive, ...]
    kind: Literal["normal", "uniform", "gumbel"]


class GraphSpec(Config, frozen=True, kw_only=True):
    """A graph file of the bundle.

    Attributes:
        sha256: of the file.
        data_sha256: of the file of weights beside it, None where the graph holds them itself.
        max_abs_error: largest difference between torch and ONNX Runtime seen at export, None if untested.
    """

    sha256: str
    data_sha256: str | None = None
    max_abs_error: float | None = None


class TrainingRecord(Config, frozen=True, kw_only=True):
    """How the model was made.

    Attributes:
        command: the commands that make it from nothing, in order.
        data: data set folder to the sha256 of its meta.yaml; none where the weights come from elsewhere.
        pretrained: file of weights, or folder of a run, that it started from, to its sha256.
        revision: of the source it was trained with.
    """

    command: tuple[str, ...]
    data: dict[str, str] = msgspec.field(default_factory=dict)
    pretrained: dict[str, str] = msgspec.field(default_factory=dict)
    revision: str
    seed: int = 0
    iterations: int = 0
    cpu_seconds: float = 0.0
    recipe: dict[str, Any]


class Card(Config, frozen=True, kw_only=True):
    """Everything a node, a planner or a person must know of a model.

    Attributes:
        control_dt_s: duration of one step, in seconds.
        capabilities: outputs beyond the latent: reward, value, continue, uncertainty, policy, decode.
        max_candidates: largest N of one call of `step.onnx`.
        max_horizon: most steps of one rollout, where the model's memory ends; 0 where it does not.
        graphs: "encode", "step", ... to its file's checksum.
        results: rows of the success table the model earned, as printed by `wm bench`.
    """

    name: str
    family: str
    about: str
    observation: ObservationSpec
    action: ActionSpec
    control_dt_s: float
    latents: tuple[LatentSpec, ...]
    noise: tuple[NoiseSpec, ...] = ()
    capabilities: tuple[str, ...] = ()
    max_candidates: Positive = 512
    max_horizon: Count = 0
    graphs: dict[str, GraphSpec] = msgspec.field(default_factory=dict)
    training: TrainingRecord | None = None
    results: tuple[dict[str, Any], ...] = ()

    @property
    def representation(self) -> str:
        """The learned array that says most: the largest. Others are read off it."""
        learned = [spec for spec in self.latents if spec.unit is None and spec.role == "candidate"]
        return max(learned, key=lambda spec: math.prod(spec.shape)).name

    @property
    def offers(self) -> frozenset[str]:
        """What a cost can require of the rollouts of this model."""
        latents = {f"latent:{spec.name}" for spec in self.latents if spec.role == "candidate"}
        states = {f"state:{spec.name}" for spec in self.latents if spec.unit is not None}
        return frozenset(latents | states | {f"output:{name}" for name in self.capabilities})
