import pytest

from wm_planner.errors import ConfigError
from wm_planner.launching.about import Argument, about, launch_files

TEXT = """\
# A robot waves.
#
#   wm launch wave
args:
  model: models/x   # a bundle
  costs: [{type: a, weight: 1.0}]  # of the
  # not of an argument
  name_of_robot: "r#2"
  empty:
nodes: []
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "x.yaml").write_text(text)
        return about(tmp_path / "x.yaml")

    return read


def test_the_opening_comment_and_the_arguments_with_their_comments_are_read(read):
    words = read(TEXT)
    assert words.lines == ("A robot waves.", "", "  wm launch wave")
    assert words.title == "A robot waves."
    assert words.arguments == (
        Argument("model", "models/x", "a bundle"),
        Argument("costs", "[{type: a, weight: 1.0}]", "of the"),
        Argument("name_of_robot", '"r#2"', ""),
        Argument("empty", "", ""),
    )


def test_arguments_on_one_line_share_no_comment(read):
    words = read("args: {a: 1, b: x}  # both\nnodes: []\n")
    assert words.arguments == (Argument("a", "1", ""), Argument("b", "x", ""))
    assert words.title == ""
    assert read("nodes: []\n").arguments == ()


@pytest.mark.parametrize("text", ["args: [a]", "args: {1: 2}", "args: {name: x}"])
def test_arguments_that_cannot_be_used_are_refused(read, text):
    with pytest.raises(ConfigError, match="args"):
        read(text)


def test_every_launch_file_on_the_shelf_has_a_title():
    assert {"panda_reach", "drive_merge"} <= launch_files().keys()
    assert all(words.title for words in launch_files().values())
