import pytest
from toys import joint_state, matched, receive

from wm_planner.errors import MessagingError
from wm_planner.messaging import codec, topics, wire
from wm_planner.messaging import messages as m
from wm_planner.messaging.declarations import declaration_of, declare
from wm_planner.messaging.names import Names

FORCE = "std_msgs/Header header\nfloat64 newtons\n"


def forget(monkeypatch):
    """Let this process know only the shipped topics, like another one."""
    monkeypatch.setattr(topics, "_declared", {})
    topics.find.cache_clear()
    wire.frames_of.cache_clear()


def test_a_declared_topic_is_published_and_read(peers):
    Force = declare("/force/<name>", "tests_msgs/msg/Force", FORCE, latched=True)
    writer = peers.join("writer", "/force/wrist")
    reader = peers.join("reader", subscribes="/force/wrist")
    matched(writer, reader, "/force/wrist")
    writer.publish("/force/wrist", Force(m.header(3), 2.5))
    message = receive(reader).message()
    assert (message.newtons, m.stamp_ns(message)) == (2.5, 3)
    assert topics.find("/force/elbow").latched


def test_a_reader_of_all_topics_learns_a_declared_one_from_the_record_of_its_node(peers, monkeypatch):
    Force = declare("/push", "tests_msgs/msg/Push", FORCE)
    writer = peers.join("writer", "/push")
    forget(monkeypatch)
    reader = peers.join("recorder", subscribes=wire.ANY)
    declare("/push", "tests_msgs/msg/Push")  # what the writer's process still knows
    matched(writer, reader, "/push")
    forget(monkeypatch)
    reader.refresh()
    assert topics.find("/push").type == "tests_msgs/msg/Push"
    writer.publish("/push", Force(m.header(0), 1.0))
    assert receive(reader).message().newtons == 1.0


def test_a_declaration_that_cannot_be_used_is_refused_by_what_is_wrong():
    wrong = {
        "wanted a name such as /arm/force": ("force", "std_msgs/msg/Float64", ""),
        "unknown message type 'std_msgs/msg/Floaty', did you mean": ("/f", "std_msgs/msg/Floaty", ""),
        "wanted a name such as my_robot_msgs/msg/Force": ("/f", "Force", FORCE),
        "not a message definition": ("/f", "tests_msgs/msg/A", "float64 9newtons"),
        "tests_msgs/msg/A.f has the unknown type 'tests_msgs/msg/Forse'": (
            "/f",
            "tests_msgs/msg/A",
            "Forse[] f",
        ),
        "already present with different definition": ("/f", "tests_msgs/msg/Kept", "float32 other"),
        "/joint_states carries sensor_msgs/msg/JointState": ("/joint_states", "std_msgs/msg/Float64", ""),
    }
    declare("/kept", "tests_msgs/msg/Kept", FORCE)
    for text, (topic, kind, msg) in wrong.items():
        with pytest.raises(MessagingError, match=text):
            declare(topic, kind, msg)
    with pytest.raises(MessagingError, match="unknown topic '/kep', did you mean '/kept'"):
        topics.find("/kep")


def test_a_declaration_for_others_holds_the_definitions_of_all_types_in_it():
    inner = "=" * 80 + "\nMSG: tests_msgs/Inner\nfloat64 x\n"
    declare("/nested", "tests_msgs/msg/Outer", "Inner[] parts\n" + inner, note="a test")
    told = declaration_of("/nested")
    assert told is not None and "MSG: tests_msgs/Inner" in told.msg and told.note == "a test"
    told.add()
    assert declaration_of("/plan") is None


def test_encoded_bytes_are_published_as_they_are(peers):
    writer = peers.join("writer", "/joint_states")
    reader = peers.join("reader", subscribes="/joint_states")
    matched(writer, reader, "/joint_states")
    data = codec.encode(joint_state(7))
    writer.publish_raw("/joint_states", data, origin_ns=5)
    delivery = receive(reader)
    assert bytes(delivery.data) == data and delivery.envelope.origin_ns == 5
    with pytest.raises(MessagingError, match=r"beginning with '00 00 00 01' .* wanted little-endian CDR"):
        writer.publish_raw("/joint_states", b"\0\0\0\1rest")
    with pytest.raises(MessagingError, match="'/clock' is not advertised"):
        writer.publish_raw("/clock", data)


def test_nodes_of_a_namespace_hear_each_other_and_what_is_remapped_into_it(peers):
    left = {"namespace": "left"}
    writer = peers.add("writer", names=Names(**left))
    other = peers.add("other", names=Names(remap={"/joint_states": "/left/joint_states"}))
    reader = peers.add("reader", names=Names(**left))
    for bus in (writer, other):
        bus.advertise("/joint_states")
        bus.announce("active")
    reader.subscribe("/joint_states")
    reader.announce("active")
    assert [endpoint.subscribes for endpoint in peers.domain.endpoints()][1] == ("/left/joint_states",)
    assert reader.has_publisher("/joint_states")
    for stamp, bus in enumerate((writer, other)):
        reader.refresh()
        bus.wait_for_readers({"/left/joint_states": 1}, 5.0)
        bus.publish("/joint_states", joint_state(stamp))
    received = [receive(reader) for _ in range(2)]
    assert {m.stamp_ns(delivery.message()) for delivery in received} == {0, 1}
    assert {delivery.topic for delivery in received} == {"/joint_states"}


def test_the_clock_and_diagnostics_are_shared_by_all_namespaces():
    names = Names("left/arm")
    assert [names.on_bus(topic) for topic in ("/clock", "/plan")] == ["/clock", "/left/arm/plan"]


def test_names_that_cannot_be_used_are_refused():
    for wrong in ({"namespace": "/left"}, {"namespace": "a b"}, {"remap": {"/plan": "plan"}}):
        with pytest.raises(MessagingError, match="wanted a name such as"):
            Names(**wrong)
    both = Names(remap={"/camera/front/image_raw": "/camera/side/image_raw"})
    both.on_bus("/camera/front/image_raw")
    with pytest.raises(MessagingError, match="is both /camera/front/image_raw and /camera/side/image_raw"):
        both.on_bus("/camera/side/image_raw")
    with pytest.raises(MessagingError, match="/goal_latent carries wm_planner_msgs/msg/Latent"):
        Names(remap={"/latent": "/goal_latent"}).on_bus("/latent")
    unused = Names(remap={"/goall": "/goal"})
    unused.on_bus("/goal")
    with pytest.raises(MessagingError, match="no topic '/goall', did you mean '/goal'"):
        unused.check_used()
