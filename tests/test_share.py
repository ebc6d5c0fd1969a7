from importlib import metadata
from pathlib import Path

import pytest

from wm_planner import share
from wm_planner.errors import PluginError


@pytest.fixture
def shelves(tmp_path, monkeypatch):
    """Two roots, the first of which wins."""
    first, second = tmp_path / "checkout", tmp_path / "wheel"
    for root in (first, second):
        (root / "launch").mkdir(parents=True)
        (root / "launch" / "both.yaml").write_text(root.name)
        (root / "models" / root.name).mkdir(parents=True)
    (second / "launch" / "only_wheel.yaml").write_text("")
    (second / "launch" / "_private.yaml").write_text("")
    monkeypatch.setattr(share, "roots", lambda: (first, second))
    monkeypatch.chdir(tmp_path)
    return first, second


def test_the_given_path_comes_first_then_the_checkout_then_the_wheel(shelves, tmp_path):
    first, second = shelves
    assert share.find("launch/both.yaml") == first / "launch" / "both.yaml"
    assert share.find("launch/only_wheel.yaml") == second / "launch" / "only_wheel.yaml"
    (tmp_path / "launch").mkdir()
    (tmp_path / "launch" / "both.yaml").write_text("here")
    assert share.find("launch/both.yaml").read_text() == "here"


def test_an_unknown_name_is_answered_with_the_closest(shelves):
    with pytest.raises(
        PluginError, match=r"launch/boths\.yaml: no such file.*did you mean 'launch/both\.yaml'"
    ):
        share.find("launch/boths.yaml")
    with pytest.raises(PluginError, match=r"did you mean 'models/wheel'"):
        share.find("models/weel")


def test_an_empty_path_is_not_the_current_folder(shelves):
    with pytest.raises(PluginError, match="the path is empty"):
        share.find("")


def test_only_xml_files_with_the_wanted_root_element_are_suggested(shelves):
    first, second = shelves
    for place, name, text in (
        (first, "road_a.xml", "<?xml version='1.0'?>\n<!-- a road -->\n<commonRoad/>"),
        (second, "road_b.xml", "<commonRoad a='1'>"),
        (second, "robot.xml", "<mujoco/>"),
        (first, "broken.xml", "no XML"),
    ):
        (place / "sim").mkdir(exist_ok=True)
        (place / "sim" / name).write_text(text)
    for given in ("sim/road_c.xml", "sim/road_c"):
        with pytest.raises(PluginError, match=r"\(known: sim/road_a\.xml, sim/road_b\.xml\)$"):
            share.find(given, "commonRoad")
    with pytest.raises(PluginError, match=r"\(known: sim/robot\.xml\)$"):
        share.find("sim/road_c.xml", "mujoco")
    assert share.listing("sim", ".xml") == ["broken.xml", "road_a.xml", "road_b.xml", "robot.xml"]


def test_without_known_names_none_are_offered(tmp_path):
    with pytest.raises(PluginError) as caught:
        share.find(str(tmp_path / "gone.xml"))
    assert str(caught.value) == f"{tmp_path / 'gone.xml'}: no such file or folder"


def test_a_listing_joins_the_roots_and_hides_private_names(shelves):
    assert share.listing("launch", ".yaml") == ["both.yaml", "only_wheel.yaml"]
    assert share.listing("models") == ["checkout", "wheel"]
    assert share.listing("nowhere") == []


def test_the_checkout_is_a_root_of_its_own_shelves():
    checkout = share.roots()[0]
    assert (checkout / "pyproject.toml").is_file()
    assert all(root.name == "share" for root in share.roots()[1:])


@pytest.mark.parametrize("path", ["a" * 5000, "~no_such_user_here/x.py", "sim/\0.py"])
def test_impossible_paths_are_refused(path):
    with pytest.raises(PluginError, match=r"cannot be a file or folder|no such file or folder"):
        share.find(path)


def test_the_revision_of_a_wheel_is_its_version(monkeypatch):
    monkeypatch.setattr(share, "roots", lambda: (Path(share.__file__).parent / "share",))
    assert share.revision() == metadata.version("wm-planner")
