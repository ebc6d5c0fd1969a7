"""Pictures of latents: `decode.onnx`, loaded when the first one is asked for."""

from pathlib import Path
from typing import Any

import msgspec
from numpy.typing import NDArray

from wm_planner.contracts.card import Card
from wm_planner.contracts.rollout import Latent
from wm_planner.errors import BundleError
from wm_planner.world_models.onnx import signature
from wm_planner.world_models.onnx.card_file import CARD_FILE
from wm_planner.world_models.onnx.inputs import latent_feed
from wm_planner.world_models.onnx.session import Graph

GRAPH = "decode"


class Decoder:
    """The decoder of a bundle.

    Args:
        card: of the bundle, with the capability `decode`.
        folder: of the bundle.
        providers, threads: as of `Graph`.

    Raises:
        BundleError: if the bundle holds no `decode.onnx`.
    """

    def __init__(self, card: Card, folder: Path, providers: list[str], threads: int) -> None:
        if GRAPH not in card.graphs:
            raise BundleError(
                f"{folder / CARD_FILE}: graphs.{GRAPH} is missing, which capabilities implies; export the "
                "bundle again"
            )
        self._card, self._folder = card, folder
        self._session: tuple[list[str], int] = (providers, threads)
        self._graph: Graph | None = None

    def images(self, latent: Latent) -> dict[str, NDArray[Any]]:
        """Images (N, H, W, 3) uint8, RGB, by camera.

        Args:
            latent: the arrays that `decode.onnx` takes, (N, ...); others are not read.

        Raises:
            BundleError: naming the line of the card that disagrees with the graph.
            ShapeError: if an array is missing, or its shape disagrees with the card.
        """
        if self._graph is None:
            self._graph = self._load()
        names = [port.name for port in self._graph.inputs]
        read = tuple(spec for spec in self._card.latents if spec.name in names)
        pictures = self._graph.run(latent_feed(msgspec.structs.replace(self._card, latents=read), latent))
        return {name.removeprefix(signature.IMAGE): array for name, array in pictures.items()}

    def _load(self) -> Graph:
        graph = Graph(self._folder / f"{GRAPH}.onnx", *self._session)
        where = f"{self._folder / CARD_FILE}: {GRAPH}.onnx"
        signature.check(where, "input", signature.decode_inputs(self._card, graph.inputs), graph.inputs)
        signature.check(where, "output", signature.decode_outputs(self._card), graph.outputs)
        return graph


def decoder_of(card: Card, folder: Path, providers: list[str], threads: int) -> Decoder | None:
    """The decoder of a bundle; None if the card does not list `decode`.

    Raises:
        BundleError: if the bundle holds no `decode.onnx`.
    """
    return Decoder(card, folder, providers, threads) if GRAPH in card.capabilities else None
