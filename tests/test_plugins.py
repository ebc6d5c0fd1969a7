import sys

import pytest

from wm_planner.config import Config
from wm_planner.errors import ConfigError, PluginError
from wm_planner.planners import PLANNERS
from wm_planner.plugins import Registry, load_file


class Lamp:
    class Config(Config, frozen=True, kw_only=True):
        watts: float = 5.0

    def __init__(self, config, room=None):
        self.config, self.room = config, room


LAMPS = Registry("lamp", {"desk": f"{__name__}:Lamp", "broken": f"{__name__}:Lamb"})


def test_a_bare_name_a_module_and_a_file_all_lead_to_a_class(tmp_path):
    file = tmp_path / "own_lamp.py"
    file.write_text("class Own:\n    pass\n")
    assert LAMPS.load("desk") is Lamp
    assert LAMPS.load("collections:OrderedDict").__name__ == "OrderedDict"
    assert LAMPS.load(f"{file}:Own").__name__ == "Own"


def test_a_file_is_loaded_once(tmp_path):
    file = tmp_path / "counted.py"
    file.write_text("class Own:\n    pass\n")
    assert load_file(file) is load_file(tmp_path / "." / "counted.py")


def test_a_file_that_fails_can_be_loaded_once_it_is_repaired(tmp_path):
    file = tmp_path / "repaired.py"
    file.write_text("raise RuntimeError('not yet')\n")
    with pytest.raises(PluginError, match="not yet"):
        load_file(file)
    file.write_text("answer = 42\n")
    assert load_file(file).answer == 42


def test_build_fills_the_config_and_passes_the_rest():
    lamp = LAMPS.build({"type": "desk", "watts": 7}, "launch.yaml: lamp", room="attic")
    assert (lamp.config.watts, lamp.room) == (7.0, "attic")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("desc", "unknown lamp 'desc', did you mean 'desk'"),
        (":", "unknown lamp ':'"),
        ("broken", f"{__name__} has no 'Lamb', did you mean 'Lamp'"),
        ("no_such_package:Lamp", "cannot import 'no_such_package'"),
        ("no/such/file.py:Lamp", "no/such/file.py: no such file or folder"),
    ],
)
def test_a_name_that_leads_nowhere_says_so(name, message):
    with pytest.raises(PluginError) as error:
        LAMPS.load(name)
    assert message in str(error.value)


def test_build_says_where_a_spec_is_wrong():
    with pytest.raises(ConfigError, match=r"lamp: 'type' is missing, wanted the name of a lamp"):
        LAMPS.build({"watts": 5}, "launch.yaml: lamp")
    with pytest.raises(ConfigError, match=r"launch\.yaml: lamp: unknown key 'wats', did you mean 'watts'"):
        LAMPS.build({"type": "desk", "wats": 5}, "launch.yaml: lamp")


@pytest.mark.parametrize("text", ["def (", "raise RuntimeError('no')", "import math\nmath.sqrt(-1)"])
def test_a_file_that_fails_at_its_import_is_named(tmp_path, text):
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(PluginError, match=r"broken.py: cannot be loaded: (Syntax|Runtime|Value)Error"):
        PLANNERS.load(f"{tmp_path}/broken.py:Planner")


@pytest.mark.parametrize("name", ["os:path", "wm_planner.planners.base:Plan"])
def test_what_has_no_config_is_refused_with_how_to_write_one(name):
    with pytest.raises(PluginError, match=r"planner: .* has no Config, wanted a class whose settings"):
        PLANNERS.build({"type": name}, "planner")


@pytest.mark.parametrize("name", ["needs_pyarrow:Lamp", "{folder}/needs_pyarrow.py:Lamp"])
def test_a_plug_in_that_needs_a_missing_package_names_its_extra(tmp_path, monkeypatch, name):
    (tmp_path / "needs_pyarrow.py").write_text("import pyarrow\nclass Lamp:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    name = name.format(folder=tmp_path)
    with pytest.raises(PluginError) as error:
        LAMPS.load(name)
    wanted = "needs the package 'pyarrow', which is not installed: pip install 'wm-planner[argoverse]'"
    assert str(error.value) == f"lamp '{name}' {wanted} (needs_pyarrow.py, line 1)"


@pytest.mark.parametrize(("name", "verb"), [("half_done", "imported"), ("{folder}/half_done.py", "loaded")])
def test_a_failing_statement_of_a_plug_in_is_reported_with_its_file_and_line(
    tmp_path, monkeypatch, name, verb
):
    (tmp_path / "half_done.py").write_text("import math\n\nfrom math import cosine\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError) as error:
        LAMPS.load(f"{name.format(folder=tmp_path)}:Lamp")
    assert f"half_done{'.py' * (verb == 'loaded')}: cannot be {verb}: ImportError" in str(error.value)
    assert str(error.value).endswith("(half_done.py, line 3)")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("from collections import OrderedDict\nimport math\ndef f(): pass\nclass Own: pass\n", "Own"),
        ("from math import cos\nLIMIT = 3\ndef read(): pass\n", "read"),
        ("class _Hidden: pass\n", "none"),
    ],
)
def test_only_what_a_file_defines_is_suggested(tmp_path, text, known):
    (tmp_path / "lamps.py").write_text(text)
    with pytest.raises(PluginError) as error:
        LAMPS.load(f"{tmp_path}/lamps.py:OrderedDicd")
    assert str(error.value).endswith(f"has no 'OrderedDicd', known: {known}")


def test_what_a_package_offers_from_its_modules_is_suggested():
    with pytest.raises(PluginError, match="has no 'CollectConfigs', did you mean 'CollectConfig'"):
        LAMPS.load("wm_planner.collection:CollectConfigs")
