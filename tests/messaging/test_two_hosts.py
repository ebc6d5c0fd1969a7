"""A link between two network namespaces, each of which sees the other only as a host of its network."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from link_hosts import Desk, sensed
from toys import PATIENCE_S

from wm_planner.messaging.keys import create

PROGRAM = Path(__file__).parents[1] / "support" / "link_hosts.py"
ROBOT, DESK = "10.213.77.1", "10.213.77.2"
URL = f"tcp://{ROBOT}:7447"


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def hosts():
    """The names of two namespaces that are joined by a cable."""
    if shutil.which("ip") is None:
        pytest.skip("two hosts need `ip` of iproute2")
    name = f"wm{secrets.token_hex(3)}"
    robot, desk = f"{name}r", f"{name}d"
    try:
        for host in (robot, desk):
            if (made := ip("netns", "add", host)).returncode:
                pytest.skip(f"two hosts need the permission to make namespaces: {made.stderr.strip()}")
        cable = ip("link", "add", robot, "netns", robot, "type", "veth", "peer", "name", desk, "netns", desk)
        if cable.returncode:
            pytest.skip(f"two hosts need a pair of veth devices: {cable.stderr.strip()}")
        for host, address in ((robot, ROBOT), (desk, DESK)):
            assert not ip("-n", host, "addr", "add", f"{address}/24", "dev", host).returncode
            for device in ("lo", host):
                assert not ip("-n", host, "link", "set", device, "up").returncode
        yield robot, desk
    finally:
        for host in (robot, desk):
            ip("netns", "del", host)


@pytest.fixture
def start():
    """Starts one end of the link in a namespace."""
    started, runtimes = [], []

    def program(host, role, folder):
        runtime = tempfile.mkdtemp(prefix="wm", dir="/tmp")  # the path of a socket may have 107 bytes
        runtimes.append(runtime)
        command = ["ip", "netns", "exec", host, sys.executable, str(PROGRAM), role]
        started.append(
            subprocess.Popen(
                [*command, "tcp://*:7447" if role == "robot" else URL, str(folder)],
                env=os.environ | {"XDG_RUNTIME_DIR": runtime},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield program
    for process in started:
        process.kill()
        process.communicate()
    for runtime in runtimes:
        shutil.rmtree(runtime)


def test_a_desk_perceives_and_plans_for_a_robot_over_an_encrypted_link(hosts, start, tmp_path):
    keys = tmp_path / "keys"
    for name in ("robot", "desk"):
        create(keys, name)
    robot, desk = hosts
    start(desk, "desk", keys)
    printed, _ = start(robot, "robot", keys).communicate(timeout=2 * PATIENCE_S)
    computing = Desk()
    plans = [plan for topic, message in sensed() for plan in computing.plans_of(topic, message)]
    computing.close()
    np.testing.assert_array_equal(np.float32(json.loads(printed)), plans[0].actions)
