"""Pictures from one process to another: over the bus, bare pyzmq, iceoryx2 and rclpy.

A process connects as sender or receiver of one transport, and then sends or receives blocks of pictures. The
first 16 bytes of a picture are the monotonic time at which it was handed to the transport, and its index. It
has arrived when the receiver has all of its bytes as an array; whether that is a view or a copy is up to the
transport. All receivers sleep until something arrives.
"""

import ctypes
import os
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

TIMEOUT_S = 60.0
DEPTH = 64  # pictures that may wait for the receiver
_POLL_S = 0.05
_TOPIC = "camera/benchmark/image_raw"

_state: dict[str, Any] = {}


def connect(transport: str, folder: str, size: int, is_sender: bool) -> None:
    """Connect to the other process.

    Args:
        transport: name in `TRANSPORTS`.
        folder: of this run, empty.
        size: height and width of the RGB picture.
    """
    _state["picture"] = np.arange(size * size * 3, dtype=np.uint32).astype(np.uint8)
    _state["transport"] = TRANSPORTS[transport](Path(folder), size, is_sender)


def send(count: int, period_s: float) -> float:
    """Send pictures; returns the CPU time in s of this process."""
    before = _cpu_s()
    transport, picture = _state["transport"], _state["picture"]
    head = picture[:16].view(np.int64)
    for index in range(count):
        head[1] = index
        head[0] = time.monotonic_ns()
        transport.send(picture)
        time.sleep(period_s)
    return _cpu_s() - before


def receive(count: int) -> dict[str, Any]:
    """Receive until the last picture of a block is there; returns CPU time and latencies in s."""
    before, latencies, index, transport = _cpu_s(), [], -1, _state["transport"]
    give_up = time.monotonic() + TIMEOUT_S
    while index < count - 1 and time.monotonic() < give_up:
        for pixels in transport.receive():
            now = time.monotonic_ns()
            sent, index = pixels[:16].view(np.int64).tolist()
            latencies.append((now - sent) / 1e9)
    return {"cpu_s": _cpu_s() - before, "latencies_s": latencies}


def close() -> None:
    """Disconnect."""
    _state["transport"].close()


class OurBus:
    """`wm_planner.messaging.bus`, in lockstep's mode, without losses; the message is made in advance."""

    def __init__(self, folder: Path, size: int, is_sender: bool) -> None:
        from wm_planner.messaging.bus import Bus
        from wm_planner.messaging.domain import Domain
        from wm_planner.messaging.images import image

        self._topic = f"/{_TOPIC}"
        self._image = image(_state["picture"].reshape(size, size, 3), 1)
        domain = Domain(folder / "domain")
        self._bus = Bus(domain, "sender" if is_sender else "receiver", lossless=True)
        if is_sender:
            self._bus.advertise(self._topic)
            self._bus.announce("active")
            self._bus.wait_for_readers({self._topic: 1}, TIMEOUT_S)
            return
        self._bus.subscribe(self._topic)
        self._bus.announce("active")
        while not self._bus.publishers:
            self._bus.wait(_POLL_S)

    def send(self, picture: Any) -> None:
        self._bus.publish(self._topic, self._image)

    def receive(self) -> Any:
        self._bus.wait(_POLL_S)
        while (delivery := self._bus.receive()) is not None:
            yield delivery.message().data

    def close(self) -> None:
        self._bus.close(TIMEOUT_S)


class Pyzmq:
    """XPUB and SUB over ipc, three frames, as the bus without shared memory."""

    def __init__(self, folder: Path, size: int, is_sender: bool) -> None:
        import zmq

        self._context: Any = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB if is_sender else zmq.SUB)
        self._socket.hwm = DEPTH
        address, self._head = f"ipc://{folder}/pyzmq", [_TOPIC.encode(), bytes(40)]
        self._poller = zmq.Poller()
        if is_sender:
            self._socket.bind(address)
            self._socket.recv()
            return
        self._socket.subscribe(self._head[0])
        self._socket.connect(address)
        self._poller.register(self._socket, zmq.POLLIN)

    def send(self, picture: Any) -> None:
        self._socket.send_multipart([*self._head, picture])

    def receive(self) -> Any:
        if self._poller.poll(round(_POLL_S * 1000)):
            yield np.frombuffer(self._socket.recv_multipart()[2], np.uint8)

    def close(self) -> None:
        self._socket.close(round(TIMEOUT_S * 1000))
        self._context.term()


class Iceoryx2:
    """A publisher of slices and a notifier; the receiver waits at a listener and takes views."""

    def __init__(self, folder: Path, size: int, is_sender: bool) -> None:
        import iceoryx2

        iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
        self._bytes = size * size * 3
        self._timeout = iceoryx2.Duration.from_millis(round(_POLL_S * 1000))
        self._node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)
        name = iceoryx2.ServiceName.new(folder.name)
        builder = self._node.service_builder(name).publish_subscribe(iceoryx2.Slice[ctypes.c_uint8])
        service = builder.subscriber_max_buffer_size(DEPTH).open_or_create()
        event = self._node.service_builder(name).event().open_or_create()
        if is_sender:
            self._publisher = service.publisher_builder().initial_max_slice_len(self._bytes).create()
            self._notifier = event.notifier_builder().create()
            counts = service.dynamic_config, event.dynamic_config
            while not (counts[0].number_of_subscribers and counts[1].number_of_listeners):
                time.sleep(0.01)
            return
        self._subscriber = service.subscriber_builder().buffer_size(DEPTH).create()
        self._listener = event.listener_builder().create()

    def send(self, picture: Any) -> None:
        sample = self._publisher.loan_slice_uninit(self._bytes)
        ctypes.memmove(sample.payload().as_ptr(), picture.ctypes.data, self._bytes)
        sample.assume_init().send()
        self._notifier.notify()

    def receive(self) -> Any:
        self._listener.timed_wait(self._timeout)
        while (sample := self._subscriber.receive()) is not None:
            yield np.frombuffer(sample.payload().as_memory_view(), np.uint8)
            sample.delete()

    def close(self) -> None:
        for name in ("_publisher", "_notifier", "_subscriber", "_listener", "_node"):
            vars(self).pop(name, None)  # in this order, and before the process is ended: it would leave files


class Rclpy:
    """sensor_msgs/Image, reliable, with the single-threaded executor; the message is made in advance."""

    def __init__(self, folder: Path, size: int, is_sender: bool) -> None:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        os.environ["ROS_DOMAIN_ID"] = str(folder.stat().st_ino % 100 + 1)
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image

        rclpy.init()
        self._rclpy: Any = rclpy
        self._arrived: list[Any] = []
        self._node: Any = rclpy.create_node("sender" if is_sender else "receiver")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        if is_sender:
            self._image = Image(height=size, width=size, encoding="rgb8", step=size * 3)
            self._publisher = self._node.create_publisher(Image, _TOPIC, QoSProfile(depth=DEPTH))
            self._image.data.frombytes(bytes(size * size * 3))
            self._pixels = np.frombuffer(self._image.data, np.uint8)
        else:
            self._node.create_subscription(Image, _TOPIC, self._arrived.append, QoSProfile(depth=DEPTH))
        count = self._node.count_subscribers if is_sender else self._node.count_publishers
        while not (self._publisher.get_subscription_count() if is_sender else count(_TOPIC)):
            self._executor.spin_once(timeout_sec=_POLL_S)

    def send(self, picture: Any) -> None:
        self._pixels[:16] = picture[:16]  # the others do not change
        self._publisher.publish(self._image)

    def receive(self) -> Any:
        self._executor.spin_once(timeout_sec=_POLL_S)
        while self._arrived:
            yield np.frombuffer(self._arrived.pop(0).data, np.uint8)

    def close(self) -> None:
        self._node.destroy_node()
        self._rclpy.try_shutdown()


TRANSPORTS: dict[str, Any] = {
    "bus": OurBus,
    "bare pyzmq": Pyzmq,
    "iceoryx2": Iceoryx2,
    "rclpy": Rclpy,
}


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
