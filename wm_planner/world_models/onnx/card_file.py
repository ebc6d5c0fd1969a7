"""Reading and writing a bundle's card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from wm_planner.checksum import sha256
from wm_planner.config import convert, read_yaml, to_builtins
from wm_planner.contracts.card import Card
from wm_planner.errors import BundleError, ConfigError

CARD_FILE = "card.yaml"
DATA_SUFFIX = ".data"
"""After a graph's name, the file with its weights where they are too many for the graph itself."""


def read_card(folder: Path) -> Card:
    """Read and check a bundle's card, and the checksums of its graphs.

    Raises:
        BundleError: saying which line of the card disagrees with what.
    """
    path = folder / CARD_FILE
    try:
        card = convert(read_yaml(path), Card, str(path))
    except ConfigError as error:
        raise BundleError(
            f"{error} (a bundle is a folder with card.yaml and ONNX graphs; see `wm export`)"
        ) from None
    for name, graph in card.graphs.items():
        file = folder / f"{name}.onnx"
        _check_file(path, f"graphs.{name}", "sha256", file, graph.sha256)
        if graph.data_sha256 is not None:
            data = file.with_name(file.name + DATA_SUFFIX)
            _check_file(path, f"graphs.{name}", "data_sha256", data, graph.data_sha256)
    return card


def _check_file(card: Path, line: str, field: str, file: Path, wanted: str) -> None:
    """Refuse a file that is missing or not the one that the card was written for."""
    if not file.is_file():
        raise BundleError(f"{card}: {line}: {file.name} is missing; export the bundle again")
    found = sha256(file)
    if found != wanted:
        raise BundleError(
            f"{card}: {line}.{field} is {wanted[:12]}…, the file's is {found[:12]}…: "
            f"{file.name} was changed or belongs to another export; export the bundle again"
        )


def write_card(card: Card, folder: Path) -> None:
    """Write `card` as the card.yaml of `folder`, whole or not at all."""
    temporary = folder / (CARD_FILE + ".part")
    values = _plain(to_builtins(card))
    if card.training is not None:
        values["training"]["recipe"] = _plain(to_builtins(card.training)["recipe"], whole=True)
    temporary.write_text(yaml.safe_dump(values, sort_keys=False, width=110), encoding="utf-8")
    temporary.replace(folder / CARD_FILE)


def _plain(value: Any, whole: bool = False) -> Any:
    """Tuples as lists and, unless `whole`, defaults that say nothing left out, for a card that reads well."""
    if isinstance(value, Mapping):
        return {
            k: _plain(v, whole)
            for k, v in value.items()
            if whole or (v is not None and v not in ([], (), {}))
        }
    if isinstance(value, (list, tuple)):
        return [_plain(v, whole) for v in value]
    return value
