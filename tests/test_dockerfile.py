"""The Dockerfile of a robot's image names extras and files that exist."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/deploy/Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_extras_of_the_image_exist_and_bring_no_simulator_by_default():
    named = re.findall(r"extras=([\w,]+)", TEXT)
    assert len(named) == 2
    for extras in named:
        assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    default = re.search(r"^ARG extras=(\w+)$", TEXT, re.MULTILINE)[1]
    assert not any("mujoco" in each for each in PROJECT["optional-dependencies"][default])


def test_the_files_and_the_command_of_the_image_exist():
    copied = re.search(r"^COPY (.*) /tmp/$", TEXT, re.MULTILINE)[1].split()
    assert copied == ["dist/*.whl", "constraints.txt"]
    assert (ROOT / "constraints.txt").is_file()
    assert "dist:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r'^ENTRYPOINT \["(\w+)"\]$', TEXT, re.MULTILINE)[1] in PROJECT["scripts"]
