"""The control channel: a supervisor asks, a node does it and answers."""

import msgspec
import zmq

from wm_planner.config import Config
from wm_planner.errors import MessagingError


class Activate(Config, frozen=True, kw_only=True):
    """Go from inactive to active, once every topic has its readers.

    Attributes:
        readers: topic to the number of readers to wait for.
    """

    readers: dict[str, int]


class Answer(Config, frozen=True, kw_only=True):
    """What became of a request; an empty error is success."""

    error: str


class ControlServer:
    """The node's end.

    Args:
        context: the ZeroMQ context.
        address: where to bind.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", address: str) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.MAXMSGSIZE, 2**20)
        self.socket.bind(address)

    def receive(self) -> Activate | None:
        """The request that waits, or None; `answer` must follow.

        Raises:
            MessagingError: if it is no request of this version.
        """
        try:
            data = self.socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None
        try:
            return msgspec.json.decode(data, type=Activate)
        except msgspec.DecodeError as error:
            self.answer(f"not a request of this version ({error})")
            raise MessagingError(f"control: not a request of this version ({error})") from None

    def answer(self, error: str = "") -> None:
        """Tell the supervisor what became of its request."""
        self.socket.send(msgspec.json.encode(Answer(error=error)))

    def close(self) -> None:
        """Close the socket; the last answer has a moment to arrive."""
        self.socket.close(200)


class ControlClient:
    """The supervisor's end: asks many nodes at once."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._pending: dict[str, zmq.Socket[bytes]] = {}

    def ask(self, name: str, address: str, request: Activate) -> None:
        """Send a request to a node; its answer comes with `answers`."""
        self.forget(name)
        socket = self._context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        socket.send(msgspec.json.encode(request))
        self._pending[name] = socket

    def answers(self) -> dict[str, Answer]:
        """The answers that have come, by node."""
        found = {}
        for name, socket in self._pending.items():
            if socket.poll(0):
                found[name] = msgspec.json.decode(socket.recv(), type=Answer)
        for name in found:
            self.forget(name)
        return found

    def forget(self, name: str) -> None:
        """Give up waiting for a node."""
        socket = self._pending.pop(name, None)
        if socket is not None:
            socket.close(0)

    def close(self) -> None:
        """Give up waiting for all."""
        for name in tuple(self._pending):
            self.forget(name)
        self._context.term()
