"""The encoder over an episode: it carries the latent over from tick to tick where the model remembers."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.observation import Observation
from wm_planner.contracts.rollout import Latent
from wm_planner.contracts.world_model import WorldModel


@runtime_checkable
class EncoderWithOutputs(Protocol):
    """A world model whose encoder has outputs besides the latent, such as `OnnxWorldModel`."""

    def encode_with_outputs(
        self, observation: Observation, last_action: Array | None = None, memory: Latent | None = None
    ) -> tuple[Latent, Mapping[str, Array]]:
        """The latent, and the outputs (1,) by name."""
        ...


class EpisodeEncoder:
    """Encodes the observations of an episode in their order, each instant once.

    An observation with the stamp of the one before is not encoded again: memory would count the same instant
    twice. The result of the first call is returned.

    Args:
        model: its card says whether it remembers.

    Attributes:
        outputs: of the encoder for the last observation, (1,) by name: `surprise`, by the capabilities.
    """

    def __init__(self, model: WorldModel) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Start a new episode: drop the memory."""
        self._latent: Latent | None = None
        self._stamp_ns: int | None = None
        self.outputs: Mapping[str, Array] = {}

    @property
    def stamp_ns(self) -> int | None:
        """Time of the last observation; None at the start of an episode."""
        return self._stamp_ns

    def encode(self, observation: Observation, last_action: Array | None) -> Latent:
        """The latent of one observation, arrays (1, ...).

        Args:
            observation: the next one of the episode.
            last_action: executed since the previous observation, (A,), card's units. None if it is not known:
                a model with memory then starts anew.

        Raises:
            ShapeError: for arrays that disagree with the card.
        """
        if self._latent is not None and observation.stamp_ns == self._stamp_ns:
            return self._latent
        memory: tuple[Array | None, Latent | None] = (None, None)
        if self._model.card.remembers and last_action is not None and self._latent is not None:
            memory = (last_action, self._latent)
        if isinstance(self._model, EncoderWithOutputs):
            latent, self.outputs = self._model.encode_with_outputs(observation, *memory)
        else:
            latent = self._model.encode(observation, *memory)
        self._latent, self._stamp_ns = latent, observation.stamp_ns
        return latent
