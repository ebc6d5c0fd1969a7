"""Recording running nodes for a while, without being one of them."""

import threading

from toys import joint_state, picture

from wm_planner.recording.bag import Bag
from wm_planner.recording.live import record

IMAGES = "/camera/front/image_raw"


def test_topics_of_running_nodes_are_recorded_until_there_is_enough(peers, tmp_path):
    writer, ended = peers.join("writer", f"/joint_states {IMAGES}"), threading.Event()

    def publish():
        stamp = 0
        while not ended.is_set():
            stamp += 1
            writer.publish(IMAGES, picture(stamp))
            writer.publish("/joint_states", joint_state(stamp))
            writer.wait(0.002)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        counts = record(
            peers.domain,
            ("/joint_states", IMAGES),
            tmp_path / "live.mcap",
            600.0,
            lambda counts: counts.get("/joint_states", 0) >= 3,
        )
    finally:
        ended.set()
        thread.join()
    assert counts["/joint_states"] == 3 and counts[IMAGES] >= 2
    bag = Bag(tmp_path / "live.mcap")
    assert bag.is_complete and dict(bag.counts) == dict(counts)
    stamps = [message.stamp_ns for message in bag.messages(["/joint_states"])]
    assert stamps == list(range(stamps[0], stamps[0] + 3))


def test_recording_ends_after_its_time_or_with_the_last_node(peers, tmp_path):
    peers.join("silent", "/joint_states")
    assert record(peers.domain, ("/joint_states",), tmp_path / "a.mcap", 0.01, lambda counts: False) == {}
    peers.close()
    assert record(peers.domain, ("/joint_states",), tmp_path / "b.mcap", 600.0, lambda counts: False) == {}
