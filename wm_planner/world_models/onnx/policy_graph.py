"""The policy of a bundle: `act.onnx`, alone and acting on its own imagination."""

from pathlib import Path

import numpy as np
import onnx

from wm_planner.contracts.arrays import Array
from wm_planner.contracts.card import Card
from wm_planner.contracts.rollout import Latent
from wm_planner.errors import BundleError
from wm_planner.world_models.onnx import signature
from wm_planner.world_models.onnx.card_file import CARD_FILE
from wm_planner.world_models.onnx.inputs import Arrays, noise_feed, policy_feed
from wm_planner.world_models.onnx.rollout_graph import ACTIONS
from wm_planner.world_models.onnx.session import Graph
from wm_planner.world_models.onnx.unroll_graph import unroll_graph


class OnnxPolicy:
    """The policy of a bundle.

    Args:
        card: of the bundle.
        act: `act.onnx`.
        unrolled: the graph made by `unroll_graph`; None to call `act.onnx` once per step.
    """

    def __init__(self, card: Card, act: Graph, unrolled: Graph | None = None) -> None:
        self._card, self._act, self._unrolled = card, act, unrolled

    def act(self, latent: Latent, goal_latent: Latent | None) -> Array:
        """The actions (N, A), or the logits (N, n); see `Policy.act`."""
        feed = policy_feed(self._card, latent, goal_latent)
        arrays = self._act.run({name: feed[name] for name in self._act.names})
        return next(iter(arrays.values()))

    def unroll(self, latent: Latent, goal_latent: Latent | None, horizon: int) -> Arrays | None:
        """The outputs of the graph made by `unroll_graph`; None without that graph.

        Args:
            latent: arrays (1, ...).
            goal_latent: arrays (1, ...).
            horizon: H.
        """
        if self._unrolled is None:
            return None
        card = self._card
        feed = policy_feed(card, latent, goal_latent)
        feed[ACTIONS] = np.zeros((1, horizon, len(card.action.names)), np.float32)
        if card.noise:
            feed |= noise_feed(card, "step", None, 1, horizon)
        return self._unrolled.run({name: feed[name] for name in self._unrolled.names})


def load_policy(
    card: Card, folder: Path, providers: list[str], threads: int, largest: int
) -> OnnxPolicy | None:
    """The policy of a bundle; None if the card has none.

    Args:
        card: of the bundle.
        folder: of the bundle.
        providers, threads: as in `Graph`.
        largest: size of step.onnx in bytes up to which the policy is unrolled in one call.

    Raises:
        BundleError: naming the line of the card that disagrees with the graph.
    """
    path = folder / CARD_FILE
    if (card.policy is None) != ("act" not in card.graphs):
        missing = "graphs.act" if card.policy else "policy"
        raise BundleError(f"{path}: {missing} is missing, a policy needs both; export the bundle again")
    if card.policy is None:
        return None
    file, step = folder / "act.onnx", folder / "step.onnx"
    act = Graph(file, providers, threads)
    signature.check(f"{path}: act.onnx", "input", signature.act_inputs(card, act.inputs), act.inputs)
    signature.check(f"{path}: act.onnx", "output", signature.act_outputs(card), act.outputs)
    if step.stat().st_size > largest or card.graphs["step"].data_sha256 or card.graphs["act"].data_sha256:
        return OnnxPolicy(card, act)
    try:
        serialized = unroll_graph(onnx.load(file), onnx.load(step), card).SerializeToString()
        return OnnxPolicy(card, act, Graph(file, providers, threads, serialized))
    except (BundleError, KeyError, ValueError):  # the policy is then unrolled call by call
        return OnnxPolicy(card, act)
