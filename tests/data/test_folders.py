import errno
import os
from pathlib import Path

import pytest

from wm_planner.data.folders import atomic_file, check_fresh, fresh_folder
from wm_planner.errors import BundleError, DatasetError


def test_a_file_is_written_atomically(tmp_path):
    path = tmp_path / "set.json"
    with atomic_file(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), atomic_file(path) as temporary:
        temporary.write_text("second")
        raise ZeroDivisionError
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    path = tmp_path / "card.yaml"

    def refuse(self, **how):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match=r"Read-only file system: '.*/card\.yaml'$"), atomic_file(path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_folder_is_written_atomically(tmp_path):
    with fresh_folder(tmp_path / "a" / "set") as folder:
        (folder / "x").write_text("x")
        assert not (tmp_path / "a" / "set").exists()
    assert (tmp_path / "a" / "set" / "x").read_text() == "x"
    with pytest.raises(ZeroDivisionError), fresh_folder(tmp_path / "b") as folder:
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_existing_folder_is_kept(tmp_path):
    with pytest.raises(DatasetError, match="exists already"), fresh_folder(tmp_path):
        raise AssertionError("nothing may be written")
    with pytest.raises(BundleError, match="exists already"):
        check_fresh(tmp_path, error=BundleError)
    check_fresh(tmp_path / "new")


def test_a_folder_is_replaced_atomically_and_only_if_it_contains_the_named_file(tmp_path):
    path = tmp_path / "set"
    path.mkdir()
    with pytest.raises(DatasetError, match=r"set cannot be replaced: it contains no card\.yaml"):
        check_fresh(path, "card.yaml")
    (path / "card.yaml").write_text("old")
    with pytest.raises(ZeroDivisionError), fresh_folder(path, "card.yaml"):
        raise ZeroDivisionError
    assert (path / "card.yaml").read_text() == "old"
    with fresh_folder(path, "card.yaml") as folder:
        (folder / "card.yaml").write_text("new")
    assert (path / "card.yaml").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["set"]
