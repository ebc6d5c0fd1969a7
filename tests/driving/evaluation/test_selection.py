"""Selection of scenario files."""

import shutil
from pathlib import Path

import pytest

from wm_planner import share
from wm_planner.driving.evaluation.selection import select
from wm_planner.errors import ConfigError, PluginError

MERGE = share.find("sim/drive_merge.xml")


def test_of_one_benchmark_id_the_file_with_its_name_is_selected(tmp_path):
    for name in ("a.xml", "b/ZAM_WmMerge-1_1_T-1.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(MERGE, tmp_path / name)
    selection = select([tmp_path])
    selected = tmp_path / "b" / "ZAM_WmMerge-1_1_T-1.xml"
    assert selection.files == (selected,)
    assert selection.duplicates == {str(tmp_path / "a.xml"): str(selected)}
    assert not selection.refused


def test_files_that_cannot_be_driven_are_refused_with_the_reason(tmp_path):
    shutil.copy(MERGE, tmp_path / "merge.xml")
    (tmp_path / "broken.xml").write_text("<commonRoad")
    (tmp_path / "notes.md").write_text("not a scenario")
    selection = select([tmp_path])
    assert [path.name for path in selection.files] == ["merge.xml"]
    assert [path.rsplit("/", 1)[1] for path in selection.refused] == ["broken.xml"]
    assert "broken.xml" in next(iter(selection.refused.values()))


def test_notes_of_the_reader_on_a_selected_file_are_kept(tmp_path):
    text = MERGE.read_text()
    (tmp_path / "dangling.xml").write_text(text.replace("<lanelet id", '<lanelet x="" id', 1))
    assert select([tmp_path]).notes == {}
    lane = text.index("</rightBound>") + len("</rightBound>")
    (tmp_path / "dangling.xml").write_text(text[:lane] + '<successor ref="7777"/>' + text[lane:])
    ((file, (note,)),) = select([tmp_path]).notes.items()
    assert file.endswith("dangling.xml") and "successor 7777 is not in the file" in note


def test_shipped_scenarios_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert select([Path("sim/drive_merge.xml")]).files == (MERGE,)
    assert MERGE in select([Path("sim")]).files


def test_a_folder_without_scenarios_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no scenarios found, wanted files with suffix"):
        select([tmp_path])


def test_a_path_that_does_not_exist_is_an_error():
    with pytest.raises(PluginError, match=r"did you mean 'sim/drive_merge\.xml'"):
        select([Path("sim/drive_merg.xml")])
