"""LeRobot data sets as other tools write and read them. Needs the extra `data`."""

import importlib.util
import io
import json

import msgspec
import numpy as np
import pytest

pytest.importorskip("av", reason="needs the extra `data`")
pytest.importorskip("pyarrow", reason="needs the extra `data`")

import av
import pyarrow as pa
import pyarrow.parquet as pq
from moving_dot import meta_of, write, write_uneven

from wm_planner.contracts.dataset import Signal
from wm_planner.data.forms import episode_at, open_dataset
from wm_planner.data.lerobot import writer as lerobot_writer
from wm_planner.data.lerobot.writer import LeRobotWriter
from wm_planner.errors import DatasetError


def lerobot(data, path):
    with LeRobotWriter(path, data.meta) as writer:
        for index in range(data.meta.episodes):
            writer.add(episode_at(data, index))
        writer.finish(data.meta.seeds_tried, data.meta.rejected)
    return path


@pytest.fixture
def source(tmp_path):
    return write_uneven(tmp_path / "source")


@pytest.fixture
def folder(source, tmp_path):
    return lerobot(source, tmp_path / "lerobot")


def test_the_folder_has_the_layout_of_version_3(folder):
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/wm_planner.yaml",
        "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
        "videos/observation.images.front/chunk-000/file-000.mp4",
        "videos/observation.images.side/chunk-000/file-000.mp4",
    }
    info = json.loads((folder / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_frames"]) == ("v3.0", 5, 20)
    assert info["features"]["action"] == {"dtype": "float32", "shape": [3], "names": ["dx", "dy", "dz"]}
    assert {"next.reward", "next.done"} <= info["features"].keys()
    table = pq.read_table(folder / "data/chunk-000/file-000.parquet")
    assert table["frame_index"].to_pylist()[:5] == [0, 1, 2, 3, 0]
    assert table.schema.field("action").type == pa.list_(pa.float32(), 3)


def test_the_statistics_are_those_of_the_data(source, folder):
    stats = json.loads((folder / "meta/stats.json").read_text())
    np.testing.assert_allclose(stats["action"]["mean"], source.action.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(stats["action"]["std"], source.action.std(axis=0), rtol=1e-4)
    assert stats["observation.state"]["count"] == [20]
    front = np.array(stats["observation.images.front"]["mean"])
    assert front.shape == (3, 1, 1)
    np.testing.assert_allclose(front.mean(), source.images[:, 0].mean() / 255, atol=0.05)


def test_a_large_data_set_is_split_into_files(source, tmp_path, monkeypatch):
    monkeypatch.setattr(lerobot_writer, "DATA_MB", 1e-6)
    monkeypatch.setattr(lerobot_writer, "VIDEO_MB", 1e-6)
    monkeypatch.setattr(lerobot_writer, "FILES_PER_CHUNK", 2)
    folder = lerobot(source, tmp_path / "split")
    files = sorted(file.relative_to(folder / "data").as_posix() for file in folder.glob("data/*/*"))
    assert files == ["chunk-000/file-000.parquet", "chunk-000/file-001.parquet", "chunk-001/file-000.parquet"]
    data = open_dataset(folder)
    np.testing.assert_array_equal(data.read("images", slice(None)), source.images)
    np.testing.assert_array_equal(data.read("action", slice(None)), source.action)


def test_a_data_set_of_others_has_bounds_and_names_from_its_files(source, folder):
    (folder / "meta/wm_planner.yaml").unlink()
    data = open_dataset(folder)
    meta = data.meta
    assert (meta.cameras, meta.image_size, meta.steps) == (("front", "side"), (16, 16), 9)
    assert [(q.name, q.size) for q in meta.state] == [("state", 4)]
    assert meta.action_names == ("dx", "dy", "dz")
    assert meta.action_low == tuple(source.action.min(axis=0).tolist())
    assert meta.control_dt_s == pytest.approx(0.2)
    assert [signal.name for signal in meta.signals] == ["terminated", "reward", "text"]
    np.testing.assert_array_equal(data.read("reward", slice(None)), source.read("reward", slice(None)))
    np.testing.assert_array_equal(data.read("images", slice(3, 9)), source.images[3:9])


def test_the_shape_of_pictures_may_start_with_the_channels(folder):
    def channels_first(info):
        for name in ("front", "side"):
            feature = info["features"][f"observation.images.{name}"]
            feature.update(shape=[3, 16, 16], names=["channels", "height", "width"])

    (folder / "meta/wm_planner.yaml").unlink()
    change_info(folder, channels_first)
    assert open_dataset(folder).meta.image_size == (16, 16)


def test_pictures_may_be_encoded_in_the_table(source, folder):
    def png(image):
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="image2pipe") as container:
            stream = container.add_stream("png", rate=1)
            stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        return {"bytes": buffer.getvalue(), "path": None}

    file = folder / "data/chunk-000/file-000.parquet"
    cells = pa.array([png(image) for image in np.ascontiguousarray(source.images[:, 0])])
    pq.write_table(pq.read_table(file).append_column("observation.images.front", cells), file)
    change_info(folder, lambda info: info["features"]["observation.images.front"].update(dtype="image"))
    data = open_dataset(folder)
    np.testing.assert_array_equal(data.read("images", slice(2, 12)), source.images[2:12])


def change_info(folder, change):
    file = folder / "meta/info.json"
    info = json.loads(file.read_text())
    change(info)
    file.write_text(json.dumps(info))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


VIDEO = "videos/observation.images.side/chunk-000/file-000.mp4"


def test_damaged_and_missing_files_are_named(source, folder, tmp_path):
    def problem(damage, name):
        path = lerobot(source, tmp_path / name)
        damage(path)
        with pytest.raises(DatasetError) as error:
            open_dataset(path).read("images", slice(None))
        return str(error.value)

    assert f"{VIDEO} is missing" in problem(lambda path: (path / VIDEO).unlink(), "a")
    assert f"{VIDEO}: cannot be read as a video" in problem(lambda path: cut(path / VIDEO), "b")
    assert "file-000.parquet: cannot be read" in problem(
        lambda path: cut(path / "data/chunk-000/file-000.parquet"), "c"
    )
    assert "info.json: cannot be read" in problem(lambda path: cut(path / "meta/info.json"), "d")
    lost = "20 rows in data/, 20 frames of 3 episodes in meta/episodes, 25 of 3 in meta/info.json"
    assert lost in problem(lambda path: change_info(path, lambda info: info.update(total_frames=25)), "e")
    assert "no table of episodes" in problem(
        lambda path: (path / "meta/episodes/chunk-000/file-000.parquet").unlink(), "f"
    )


def test_a_video_with_fewer_frames_is_named(source, folder):
    short = write(folder.parent / "short", seed=0, episodes=1, steps=3)
    (folder / VIDEO).write_bytes((lerobot(short, folder.parent / "other") / VIDEO).read_bytes())
    with pytest.raises(DatasetError, match="frame 4 is missing; is the file complete"):
        open_dataset(folder).read("images", slice(None))


def test_other_versions_and_cameras_of_different_sizes_are_refused(folder):
    def change_shape(info):
        info["features"]["observation.images.front"]["shape"] = [8, 8, 3]

    (folder / "meta/wm_planner.yaml").unlink()
    change_info(folder, change_shape)
    with pytest.raises(DatasetError, match="the cameras have different sizes"):
        open_dataset(folder)
    change_info(folder, lambda info: info.update(codebase_version="v2.1"))
    with pytest.raises(DatasetError, match=r"version v2\.1, wanted v3\.0; convert it"):
        open_dataset(folder)


def test_what_lerobot_cannot_hold_is_refused(tmp_path):
    meta = msgspec.structs.replace(meta_of(0, 1, 2), control_dt_s=0.3)
    with pytest.raises(DatasetError, match="a whole number of frames per second"):
        LeRobotWriter(tmp_path / "x", meta)
    flow = msgspec.structs.replace(meta_of(0, 1, 2), signals=(Signal(name="flow", shape=(2, 3)),))
    with pytest.raises(DatasetError, match=r"the signal 'flow' has shape \(2, 3\)"):
        LeRobotWriter(tmp_path / "x", flow)


def test_reruns_reader_reads_the_same_values(source, folder, skip_loudly):
    """Version 0.41 read all values, and the pictures bit for bit."""
    if importlib.util.find_spec("rerun") is None:
        skip_loudly("no rerun-sdk: LeRobot data sets are not compared with its reader; pip install rerun-sdk")
    import rerun.experimental as rerun

    reader = rerun.LeRobotReader(str(folder))
    assert (reader.version, reader.episodes()) == ("v3", [0, 1, 2])
    for episode in reader.episodes():
        wanted = episode_at(source, episode)
        found = {}
        for chunk in reader.stream(episode).to_chunks():
            batch = chunk.to_record_batch()
            for name in batch.schema.names:
                if name.endswith((":scalars", ":sample")):
                    found[str(chunk.entity_path)] = batch.column(batch.schema.names.index(name)).to_pylist()
        np.testing.assert_array_equal(np.float32(found["/action"]), wanted.action)
        np.testing.assert_array_equal(np.float32(found["/observation.state"]), wanted.state)
        reward = np.float32(found["/next.reward"]).ravel()
        np.testing.assert_array_equal(reward, wanted.signals["reward"])
        for camera, name in enumerate(source.meta.cameras):
            images = decoded(found[f"/observation.images.{name}"])
            np.testing.assert_array_equal(images, wanted.images[:, camera])


def decoded(samples):
    """The pictures of H.264 samples (Annex B), one per frame."""
    codec = av.CodecContext.create("h264", "r")
    frames = []
    for sample in samples:
        data = sample[0] if isinstance(sample, list) and not isinstance(sample[0], int) else sample
        frames += codec.decode(av.Packet(bytes(data)))
    frames += codec.decode(None)
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
