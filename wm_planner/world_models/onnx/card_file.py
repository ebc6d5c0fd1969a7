"""Reading and writing of the card.yaml of a bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from wm_planner.checksum import sha256
from wm_planner.config import convert, read_yaml, to_builtins
from wm_planner.contracts.card import Card
from wm_planner.data.folders import atomic_file
from wm_planner.errors import BundleError, ConfigError

CARD_FILE = "card.yaml"
DATA_SUFFIX = ".data"
"""Suffix of the external weights file of a graph whose weights are too large for the graph file."""


def read_card(folder: Path) -> Card:
    """Read a bundle's card and check the checksums of its graphs.

    Raises:
        BundleError: naming the line of the card that is invalid or disagrees with a file.
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
    """Check that a file exists and is the one that the card was written for.

    Raises:
        BundleError: naming the line of the card.
    """
    if not file.is_file():
        raise BundleError(f"{card}: {line}: {file.name} is missing; export the bundle again")
    found = sha256(file)
    if found != wanted:
        raise BundleError(
            f"{card}: {line}.{field} is {wanted[:12]}…, but that of the file is {found[:12]}…: "
            f"{file.name} was changed or belongs to another export; export the bundle again"
        )


def write_card(card: Card, folder: Path) -> None:
    """Write `card` to card.yaml in `folder`, atomically."""
    values = _plain(to_builtins(card))
    if card.training is not None:
        values["training"]["recipe"] = _plain(to_builtins(card.training)["recipe"], whole=True)
    with atomic_file(folder / CARD_FILE) as temporary:
        temporary.write_text(yaml.safe_dump(values, sort_keys=False, width=110), encoding="utf-8")


def _plain(value: Any, whole: bool = False) -> Any:
    """`value` with tuples as lists and, unless `whole`, without empty values, for a readable card."""
    if isinstance(value, Mapping):
        return {
            k: _plain(v, whole)
            for k, v in value.items()
            if whole or (v is not None and v not in ([], (), {}))
        }
    if isinstance(value, (list, tuple)):
        return [_plain(v, whole) for v in value]
    return value
