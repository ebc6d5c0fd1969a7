"""Keys of CURVE, with which hosts recognise each other and encrypt what they send."""

import stat
from pathlib import Path
from typing import NamedTuple

import zmq.auth

from wm_planner.errors import MessagingError


class KeyPair(NamedTuple):
    """The keys of one host, in ZeroMQ's Z85."""

    public: bytes
    secret: bytes


def create(folder: Path, name: str) -> tuple[Path, Path]:
    """Write the keys of a host.

    Returns:
        The files `NAME.key`, for the other host, and `NAME.key_secret`, which only this user can read.

    Raises:
        MessagingError: if one of them exists, or cannot be written.
    """
    public, secret = folder / f"{name}.key", folder / f"{name}.key_secret"
    for path in (public, secret):
        if path.exists():
            raise MessagingError(f"{path}: exists already; remove it or choose another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        secret.touch(mode=0o600)
        zmq.auth.create_certificates(folder, name)
    except OSError as error:
        raise MessagingError(f"{folder}: keys cannot be written ({error.strerror})") from None
    return public, secret


def own_keys(path: Path) -> KeyPair:
    """The keys in a file `NAME.key_secret`.

    Raises:
        MessagingError: if it holds none, or others can read it.
    """
    public, secret = _load(path)
    if secret is None:
        raise MessagingError(f"{path}: holds a public key, wanted the own host's NAME.key_secret")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise MessagingError(f"{path}: other users can read it: chmod 600 {path}, or make new keys")
    return KeyPair(public, secret)


def public_key(path: Path) -> bytes:
    """The public key of another host, in its file `NAME.key`.

    Raises:
        MessagingError: if it holds none, or the secret key too.
    """
    public, secret = _load(path)
    if secret is not None:
        raise MessagingError(
            f"{path}: holds a secret key, wanted the other host's NAME.key; never copy a secret"
        )
    return public


def _load(path: Path) -> tuple[bytes, bytes | None]:
    try:
        return zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise MessagingError(f"{path}: not a key file ({error}); `wm keys` makes them") from None
