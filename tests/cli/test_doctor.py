"""What `wm doctor` says about Python, the dependencies and the extras."""

import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from wm_planner.cli import examination, extras
from wm_planner.cli.examination import examine
from wm_planner.errors import EXTRAS

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "3.12" if HERE == "3.11" else "3.11"


@pytest.fixture
def report(monkeypatch):
    """The report of an installation that requires what is given, by the name of what was examined."""
    monkeypatch.setattr(examination, "_picture", lambda: "rendered")
    monkeypatch.setattr(examination, "_bundle", lambda name: "matches")

    def report(*requirements):
        monkeypatch.setattr(extras, "requirements", lambda: [Requirement(text) for text in requirements])
        monkeypatch.setattr(extras, "supported_pythons", lambda: [HERE, OTHER])
        return {finding.what: finding for finding in examine()}

    return report


def test_an_extra_is_complete_partly_there_or_not_installed(report):
    found = report(
        "numpy",
        "pytest; extra == 'sim'",
        "pytest; extra == 'drive'",
        "not-there; extra == 'drive'",
        "not-there; extra == 'argoverse'",
    )
    assert found["extra sim"][1:] == ("ok", f"pytest {pytest.__version__}")
    assert found["extra drive"][1:] == ("--", "lacks not-there: pip install 'wm-planner[drive]'")
    assert found["extra argoverse"][1:] == ("--", "not installed: pip install 'wm-planner[argoverse]'")
    assert {f"extra {extra}" for extra in EXTRAS.values()} <= found.keys()


def test_what_is_too_old_or_missing_is_bad_only_where_it_would_be_used(report):
    found = report("numpy", "not-there", "pytest>=999; extra == 'sim'")
    old = f"needs pytest>=999 ({pytest.__version__} is installed): pip install --upgrade 'wm-planner[sim]'"
    assert found["extra sim"][1:] == ("bad", old)
    assert found["dependencies"].mark == "bad"
    assert "not-there is not installed" in found["dependencies"].found


def test_an_extra_without_wheels_for_this_python_names_the_versions_that_have_them(report):
    found = report(f"pytest; python_version == '{OTHER}' and extra == 'sim'")
    assert found["extra sim"][1:] == ("--", f"not available for this Python: use Python {OTHER}")


def test_an_installation_without_extras_is_well(report):
    found = report("numpy>=2", *(f"not-there; extra == '{extra}'" for extra in EXTRAS.values()))
    assert "bad" not in {finding.mark for finding in found.values()}


def test_a_python_that_is_not_tested_is_mentioned(report, monkeypatch):
    assert report()["python"].mark == "ok"
    monkeypatch.setattr(examination.platform, "python_version", lambda: "3.99.1")
    found = report()["python"]
    assert found.mark == "--"
    assert found.found.endswith(f"; tested with Python {HERE} or {OTHER} only")


def test_a_package_that_was_never_installed_is_bad(report, monkeypatch):
    report()

    def not_installed():
        raise metadata.PackageNotFoundError("wm-planner")

    monkeypatch.setattr(extras, "requirements", not_installed)
    findings = {finding.what: finding for finding in examine()}
    assert findings["wm-planner"].mark == "bad"
    assert findings["wm-planner"].found.endswith("not installed: pip install -e .")
    assert "extra sim" not in findings
