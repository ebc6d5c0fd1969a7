"""The control channel: a supervisor or a tool sends a request, the node carries it out and answers."""

from typing import Any, TypeAlias

import msgspec
import zmq

from wm_planner.config import Config
from wm_planner.errors import MessagingError
from wm_planner.messaging.domain import Endpoint

_ANSWER_S = 5.0


class Activate(Config, frozen=True, kw_only=True, tag=True):
    """Request to become active once every topic has its readers.

    Attributes:
        readers: number of readers to wait for, by topic.
    """

    readers: dict[str, int]


class GetParams(Config, frozen=True, kw_only=True, tag=True):
    """Request for the parameters of the node."""


class SetParam(Config, frozen=True, kw_only=True, tag=True):
    """Request to change one parameter.

    Attributes:
        value: plain, as in a launch file.
    """

    name: str
    value: Any


class Call(Config, frozen=True, kw_only=True, tag=True):
    """Request to carry out a service of the node, such as `reset_emergency_stop` of the controller."""

    service: str


Request: TypeAlias = Activate | GetParams | SetParam | Call


class Answer(Config, frozen=True, kw_only=True):
    """The result of a request; an empty error is success.

    Attributes:
        params: of the node, in answers about parameters.
        changeable: those that can change while it runs.
    """

    error: str = ""
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    changeable: tuple[str, ...] = ()


class ControlServer:
    """The node's end of the channel.

    Args:
        context: the ZeroMQ context.
        address: that the socket binds to.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", address: str) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.MAXMSGSIZE, 2**20)
        self.socket.bind(address)

    def receive(self) -> Request | None:
        """The next request, which must be followed by `answer`; None without one. One that is not of this
        version is answered here.
        """
        if not int(self.socket.get(zmq.EVENTS)) & zmq.POLLIN:  # an exception takes twice as long
            return None
        data = self.socket.recv(zmq.NOBLOCK)
        try:
            request: Request = msgspec.json.decode(data, type=Request)
            return request
        except (ValueError, RecursionError) as error:
            self.answer(Answer(error=f"not a request of this version ({error})"))
            return None

    def answer(self, answer: Answer) -> None:
        """Send the result of the request."""
        self.socket.send(msgspec.json.encode(answer))

    def close(self) -> None:
        """Close the socket, after the last answer has had 0.2 s to arrive."""
        self.socket.close(200)


def ask(node: Endpoint, request: Request) -> Answer:
    """Send a request to a node, and wait for its answer.

    Raises:
        MessagingError: if it does not answer within 5 s.
    """
    client = ControlClient()
    try:
        client.ask(node.name, node.control, request)
        answer = client.wait(node.name, _ANSWER_S)
    finally:
        client.close()
    if answer is None:
        raise MessagingError(
            f"node '{node.name}' ({node.state}) does not answer within {_ANSWER_S:g} s: it is still "
            "configuring, busy in one callback, or suspended; ask again"
        )
    return answer


class ControlClient:
    """The supervisor's end of the channel, for many nodes at once."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._pending: dict[str, zmq.Socket[bytes]] = {}

    def ask(self, name: str, address: str, request: Request) -> None:
        """Send a request to a node; `answers` returns its answer."""
        self.forget(name)
        socket = self._context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        socket.send(msgspec.json.encode(request))
        self._pending[name] = socket

    def answers(self) -> dict[str, Answer]:
        """The answers that have arrived, by node."""
        found = {}
        for name, socket in self._pending.items():
            if socket.poll(0):
                found[name] = msgspec.json.decode(socket.recv(), type=Answer)
        for name in found:
            self.forget(name)
        return found

    def wait(self, name: str, timeout_s: float) -> Answer | None:
        """The answer of a node that was asked, if it comes in time."""
        self._pending[name].poll(round(timeout_s * 1000))
        return self.answers().get(name)

    def forget(self, name: str) -> None:
        """Stop waiting for a node."""
        socket = self._pending.pop(name, None)
        if socket is not None:
            socket.close(0)

    def close(self) -> None:
        """Stop waiting for all nodes."""
        for name in tuple(self._pending):
            self.forget(name)
        self._context.term()
