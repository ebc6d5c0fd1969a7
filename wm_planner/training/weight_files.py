"""Files of weights, read without executing code: torch's, safetensors, and safetensors in several files."""

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from wm_planner.checksum import sha256
from wm_planner.errors import BundleError
from wm_planner.training.checkpoint import CHECKPOINT_FILE

INDEX_FILE = "model.safetensors.index.json"
"""Lists the file of each array, where the weights of a Hugging Face model are in several files."""

KNOWN = (CHECKPOINT_FILE, "model.safetensors", INDEX_FILE)

_OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that torch < 1.6 begins with


def weights_file(path: Path) -> Path:
    """The weights file: `path` itself, or the one in the folder of a run or a Hugging Face model.

    Raises:
        BundleError: if no such file exists.
    """
    for file in (path / name for name in KNOWN) if path.is_dir() else (path,):
        if file.is_file():
            return file
    raise BundleError(
        f"no weights at {path}: wanted a .pt or .safetensors file, or a folder with {' or '.join(KNOWN)}"
    )


def checksums(path: Path) -> dict[str, str]:
    """`path` to the sha256 of its weights file and, if that is an index, those that it lists to theirs.

    Raises:
        BundleError: if a file does not exist, or an index cannot be read.
    """
    file = weights_file(path)
    listed = sorted(set(_shards(file).values())) if file.name == INDEX_FILE else []
    return {str(path): sha256(file), **{str(each): sha256(each) for each in listed}}


def read_safetensors(file: Path) -> dict[str, Tensor]:
    """The arrays of a safetensors file, or of all files of an index, by name.

    Raises:
        BundleError: if a file is missing or corrupt, or lacks an array that the index lists.
    """
    if file.name != INDEX_FILE:
        return _one_safetensors(file)
    shards = _shards(file)
    arrays = {name: a for each in sorted(set(shards.values())) for name, a in _one_safetensors(each).items()}
    if missing := sorted(shards.keys() - arrays.keys()):
        raise BundleError(
            f"{file}: {shards[missing[0]].name} lacks {missing[0]} ({len(missing)} arrays are missing); "
            "download the files again"
        )
    return arrays


def read_torch(file: Path) -> dict[str, Any]:
    """The dictionary in a torch file; its arrays are memory-mapped.

    Raises:
        BundleError: if the file is corrupt, of an old format, contains code, or is not a dictionary.
    """
    if not zipfile.is_zipfile(file):
        with file.open("rb") as opened:
            if opened.read(len(_OLD_FORMAT)) == _OLD_FORMAT:
                raise BundleError(
                    f"{file}: written in the format of torch before 1.6; save it again: "
                    f"torch.save(torch.load({str(file)!r}, weights_only=True), 'new.pt')"
                )
        raise BundleError(f"{file}: corrupt or not a torch file; download it again and compare its size")
    with zipfile.ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise BundleError(f"{file}: corrupt, the checksum of {damaged} is wrong; download it again")
    try:
        with torch.serialization.safe_globals(list(_numpy_scalars())):
            state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise BundleError(f"{file}: corrupt, or contains more than arrays and numbers ({reason})") from None
    if not isinstance(state, dict):
        raise BundleError(f"{file}: got {type(state).__name__}, wanted a dictionary of networks")
    return state


def _numpy_scalars() -> Iterator[Any]:
    """What the pickle of a NumPy number names, e.g. a loss that a training saved; none of it runs code."""
    make = np.float64(0).__reduce__()[0]
    yield from ((make, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core"))
    yield np.dtype
    yield from {type(np.dtype(kind)) for kind in (*np.typecodes["AllInteger"], *np.typecodes["Float"], "?")}


def _one_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{file}: corrupt or not a safetensors file ({error}); download it again") from None


def _shards(index: Path) -> dict[str, Path]:
    """The file of each array by its name.

    Raises:
        BundleError: if the index cannot be read, or lists a file that does not exist next to it.
    """
    try:
        content = msgspec.json.decode(index.read_bytes(), type=dict[str, Any])
        names = msgspec.convert(content.get("weight_map"), dict[str, str])
    except (OSError, msgspec.MsgspecError) as error:
        raise BundleError(f"{index}: not an index of weights ({error}); download it again") from None
    for name in names.values():
        if Path(name).name != name or not (index.parent / name).is_file():
            raise BundleError(f"{index}: there is no {name} next to it; download all files of the model")
    return {array: index.parent / name for array, name in names.items()}
