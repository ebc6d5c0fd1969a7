"""Recordings of a robot as another ROS 2 system makes them: a rosbag2 folder with types of its own."""

from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from wm_planner.contracts.dataset import Dataset
from wm_planner.data.forms import episode_at

GAP_S = 5.0  # between two episodes
STORE = get_typestore(Stores.ROS2_HUMBLE)
STORE.register(get_types_from_msg("std_msgs/Header header\nfloat64[] displacement\n", "my_arm/msg/Move"))
T = STORE.types

TOPICS = """
control_dt_s: 0.2
cameras: {front: /front/image, side: /side/image}
state:
  - {name: mass, topic: /scale, fields: [data], size: 1, unit: kg}
  - {name: tcp_position, topic: /tool, fields: [pose.position.x, pose.position.y, pose.position.z], size: 3, unit: m}
action: {topic: /move, fields: [displacement], names: [dx, dy, dz], units: [m, m, m], low: [-0.05, -0.05, -0.05], high: [0.05, 0.05, 0.05]}
"""  # noqa: E501


def write_bag(path: Path, data: Dataset, storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
    """Write the episodes of a moving dot as a bag: bgr8 pictures with padded rows, 3 ms late actions."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        kinds = {
            "/front/image": "sensor_msgs/msg/Image",
            "/side/image": "sensor_msgs/msg/Image",
            "/scale": "std_msgs/msg/Float64",
            "/tool": "geometry_msgs/msg/PoseStamped",
            "/move": "my_arm/msg/Move",
            "/chatter": "std_msgs/msg/String",
        }
        lines = {t: writer.add_connection(t, kind, typestore=STORE) for t, kind in kinds.items()}

        def write(topic: str, time_ns: int, message: object) -> None:
            writer.write(lines[topic], time_ns, STORE.serialize_cdr(message, kinds[topic]))

        time_ns = 1_700_000_000_000_000_000
        for index in range(data.meta.episodes):
            episode = episode_at(data, index)
            for row, action in enumerate(episode.action):
                head = header(time_ns)
                for camera, topic in enumerate(("/front/image", "/side/image")):
                    write(topic, time_ns, picture(episode.images[row, camera], head))
                write("/scale", time_ns, T["std_msgs/msg/Float64"](float(episode.state[row, 0])))
                write("/tool", time_ns, pose(episode.state[row, 1:], head))
                if row < len(episode.action) - 1:
                    late = header(time_ns + 3_000_000)
                    move = T["my_arm/msg/Move"](late, action.astype(np.float64))
                    write("/move", time_ns + 3_000_000, move)
                time_ns += 200_000_000
            time_ns += int(GAP_S * 1e9)
        write("/chatter", time_ns, T["std_msgs/msg/String"]("done"))
    return path


def header(time_ns: int) -> object:
    stamp = T["builtin_interfaces/msg/Time"](*divmod(time_ns, 1_000_000_000))
    return T["std_msgs/msg/Header"](stamp, "")


def picture(rgb: np.ndarray, head: object) -> object:
    height, width, _ = rgb.shape
    rows = np.zeros((height, width * 3 + 5), np.uint8)
    rows[:, : width * 3] = rgb[..., ::-1].reshape(height, -1)
    return T["sensor_msgs/msg/Image"](head, height, width, "bgr8", 0, rows.shape[1], rows.ravel())


def pose(position: np.ndarray, head: object) -> object:
    point = T["geometry_msgs/msg/Point"](*map(float, position))
    turn = T["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    return T["geometry_msgs/msg/PoseStamped"](head, T["geometry_msgs/msg/Pose"](point, turn))
