"""Which files of a folder are driven."""

import shutil
from pathlib import Path

import pytest

from wm_planner import share
from wm_planner.driving.evaluation.selection import select
from wm_planner.errors import ConfigError, PluginError

MERGE = share.find("sim/drive_merge.xml")


def test_one_benchmark_id_counts_once_and_by_the_file_of_its_name(tmp_path):
    for name in ("a.xml", "b/ZAM_WmMerge-1_1_T-1.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(MERGE, tmp_path / name)
    found = select([tmp_path])
    named = tmp_path / "b" / "ZAM_WmMerge-1_1_T-1.xml"
    assert found.files == (named,)
    assert found.duplicates == {str(tmp_path / "a.xml"): str(named)}
    assert not found.refused


def test_what_cannot_be_driven_is_refused_with_its_reason(tmp_path):
    shutil.copy(MERGE, tmp_path / "merge.xml")
    (tmp_path / "broken.xml").write_text("<commonRoad")
    (tmp_path / "notes.md").write_text("no scenario, and none is looked for here")
    found = select([tmp_path])
    assert [path.name for path in found.files] == ["merge.xml"]
    assert [path.rsplit("/", 1)[1] for path in found.refused] == ["broken.xml"]
    assert "broken.xml" in next(iter(found.refused.values()))


def test_what_a_reader_says_of_a_file_that_is_driven_is_kept(tmp_path):
    text = MERGE.read_text()
    (tmp_path / "dangling.xml").write_text(text.replace("<lanelet id", '<lanelet x="" id', 1))
    assert select([tmp_path]).notes == {}
    lane = text.index("</rightBound>") + len("</rightBound>")
    (tmp_path / "dangling.xml").write_text(text[:lane] + '<successor ref="7777"/>' + text[lane:])
    ((file, (note,)),) = select([tmp_path]).notes.items()
    assert file.endswith("dangling.xml") and "successor 7777 is not in the file" in note


def test_scenarios_on_the_shelf_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert select([Path("sim/drive_merge.xml")]).files == (MERGE,)
    assert MERGE in select([Path("sim")]).files


def test_a_folder_without_scenarios_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no scenario is there, wanted files in"):
        select([tmp_path])


def test_a_place_that_does_not_exist_is_an_error():
    with pytest.raises(PluginError, match=r"did you mean 'sim/drive_merge\.xml'"):
        select([Path("sim/drive_merg.xml")])
