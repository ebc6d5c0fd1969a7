"""The policy of a bundle: `act.onnx`."""

from pathlib import Path

from wm_planner.contracts.card import Card
from wm_planner.errors import BundleError
from wm_planner.world_models.onnx import signature
from wm_planner.world_models.onnx.card_file import CARD_FILE
from wm_planner.world_models.onnx.session import Graph


def load_policy(card: Card, folder: Path, providers: list[str], threads: int) -> Graph | None:
    """`act.onnx`; None if the card has no policy.

    Raises:
        BundleError: naming the line of the card that disagrees with the graph.
    """
    path = folder / CARD_FILE
    if (card.policy is None) != ("act" not in card.graphs):
        missing = "graphs.act" if card.policy else "policy"
        raise BundleError(f"{path}: {missing} is missing, a policy needs both; export the bundle again")
    if card.policy is None:
        return None
    act = Graph(folder / "act.onnx", providers, threads)
    signature.check(f"{path}: act.onnx", "input", signature.act_inputs(card, act.inputs), act.inputs)
    signature.check(f"{path}: act.onnx", "output", signature.act_outputs(card), act.outputs)
    return act
