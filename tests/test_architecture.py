"""The import rules of the house: floors, wings, and the homes of heavy libraries."""

import ast
import importlib
import importlib.util
import statistics
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from import_statements import imports

import wm_planner
from wm_planner import plugins
from wm_planner.errors import PluginError

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "wm_planner"
SHELVES = ("sim", "nodes", "models", "launch")

# Imports only go down; rooms of one row know nothing of each other except where ALLOWED says so.
DOMAINS = ("driving", "manipulation", "sprites")
FLOORS = (
    {"cli"},
    {"bench"},
    set(DOMAINS),
    {"bridges", "evaluation", "collection", "portable"},
    {"launching", "simulation", "planners", "training"},
    {"node", "recording", "control", "world_models", "costs", "networks"},
    {"contracts", "messaging", "data", "plugins"},
    {"config", "clock", "share"},
    {"yaml_text", "conversion_errors"},
    {"errors", "terminal", "allocator", "checksum", "parallel"},
)
ALLOWED = {
    ("evaluation", "portable"),
    ("evaluation", "bridges"),
    ("collection", "bridges"),
    ("bridges", "portable"),
    ("control", "world_models"),
    ("data", "contracts"),
    ("config", "share"),
}
# Inside of driving/ the same holds, from the top down.
DRIVING_FLOORS = (
    {"costs", "bridges", "evaluation", "registry"},
    {"simulation"},
    {"birdseye"},
    {"planners"},
    {"drive"},
    {"metrics", "generation"},
    {"traffic"},
    {"map"},
    {"scenarios"},
    {"vehicle"},
    {"geometry"},
)
LEARNING = {"networks", "training"}
LEARNING_MAY_IMPORT = {
    *("errors", "config", "plugins", "share", "clock", "checksum", "contracts"),
    *("data", "costs", "world_models", *LEARNING),
}
LEARNING_MAY_ALSO_IMPORT = {"wm_planner.control.pose"}  # arithmetic on arrays, traced into graphs
THINKING = {
    *("simulation", "control", "world_models", "costs", "planners", "portable", "data", "contracts"),
}
TALKING = {"messaging", "node", "launching", "recording"}

HOMES = {
    "mujoco": (
        "wm_planner/simulation/",
        "wm_planner/control/",
        "wm_planner/world_models/physics/",
    ),
    "gymnasium": (
        "wm_planner/simulation/",
        "wm_planner/driving/simulation/",
        "wm_planner/manipulation/simulation/",
        "wm_planner/sprites/simulation/",
        "wm_planner/bench/measurements/environments.py",
        "wm_planner/bench/peers/",
    ),
    "zmq": ("wm_planner/messaging/", "wm_planner/bench/peers/"),
    "onnxruntime": ("wm_planner/world_models/onnx/session.py", "wm_planner/world_models/onnx/execution.py"),
    "onnx": ("wm_planner/world_models/", "wm_planner/portable/", "wm_planner/bench/"),
    "ndonnx": ("wm_planner/portable/",),
    "spox": ("wm_planner/portable/",),
    "torch": (
        "wm_planner/networks/",
        "wm_planner/training/",
        "models/",
        "wm_planner/bench/peers/",
        "wm_planner/bench/measurements/device.py",
    ),
    "pybullet": ("wm_planner/manipulation/simulation/bullet_",),
    "pybullet_data": ("wm_planner/manipulation/simulation/bullet_",),
    "numba": ("wm_planner/driving/geometry/compiled.py",),
    "ruckig": ("wm_planner/control/joint_motion.py",),
    "joblib": ("wm_planner/parallel.py",),
    "shapely": ("wm_planner/bench/measurements/driving.py",),
    "lxml": ("wm_planner/driving/scenarios/readers/", "wm_planner/driving/scenarios/writers/"),
    "av": ("wm_planner/data/lerobot/",),
    "pyarrow": ("wm_planner/data/lerobot/", "wm_planner/driving/scenarios/readers/argoverse.py"),
}


def name_of(file: Path) -> str:
    """The dotted name of an engine file."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(file: Path) -> set[str]:
    """The engine's modules that a file imports, whichever of their names it asks for."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found & MODULES


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


ENGINE_FILES = sorted(ENGINE.rglob("*.py"))
MODULES = {name_of(file) for file in ENGINE_FILES if file.name != "__init__.py"}
SHELF_FILES = sorted(file for shelf in SHELVES for file in (ROOT / shelf).rglob("*.py"))
EDGES = [
    (file, room("wm_planner." + ".".join(file.relative_to(ENGINE).with_suffix("").parts)), room(module))
    for file in ENGINE_FILES
    for module in imports(file)
    if module.startswith("wm_planner.")
]
EDGES = [edge for edge in EDGES if edge[0] != ENGINE / "__init__.py"]
LEVEL = {name: level for level, floor in enumerate(FLOORS) for name in floor}


def test_every_room_has_a_floor() -> None:
    folders_and_modules = (path for path in ENGINE.iterdir() if path.suffix in ("", ".py"))
    rooms = {path.stem for path in folders_and_modules if not path.name.startswith("_")}
    assert rooms - LEARNING <= set(LEVEL)


def test_imports_only_go_down() -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {target}"
        for file, source, target in EDGES
        if source in LEVEL and target in LEVEL and source != target
        if LEVEL[target] <= LEVEL[source] and (source, target) not in ALLOWED
    ]
    assert not wrong


def test_imports_inside_of_driving_only_go_down() -> None:
    level = {name: level for level, floor in enumerate(DRIVING_FLOORS) for name in floor}
    wrong = []
    for file in sorted((ENGINE / "driving").rglob("*.py")):
        source = file.relative_to(ENGINE / "driving").parts[0].removesuffix(".py")
        for module in imports(file):
            parts = module.split(".")
            target = parts[2] if parts[:2] == ["wm_planner", "driving"] and len(parts) > 2 else source
            if source != target and level[target] <= level[source]:
                wrong.append(f"{file.relative_to(ROOT)} imports {target}")
    assert not wrong


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        name_of(file): {module for module in imported_modules(file) if module != name_of(file)}
        for file in ENGINE_FILES
        if file.name != "__init__.py"
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(f"a circle of imports: {' -> '.join(error.args[1])}") from None


def registries() -> dict[str, plugins.Registry]:
    """Every registry of the engine by the kind of its plug-ins."""
    found = {}
    for file in ENGINE_FILES:
        if "Registry(" in file.read_text() and file.name != "plugins.py":
            module = importlib.import_module(name_of(file))
            found |= {item.kind: item for item in vars(module).values() if isinstance(item, plugins.Registry)}
    return found


def test_plug_ins_of_the_registries_exist_and_point_up_only_in_the_name_of_a_domain() -> None:
    known = registries()
    for domain in plugins.DOMAINS:
        entries = importlib.import_module(f"wm_planner.{domain}.registry").ENTRIES
        assert set(entries) <= set(known), "a kind of plug-in that no registry has"
        targets = [target for named in entries.values() for target in named.values()]
        assert all(target.startswith(f"wm_planner.{domain}.") for target in targets)
    for registry in known.values():
        assert not any(room(target) in DOMAINS for target in registry._core.values())
        for name in registry.entries:
            try:
                registry.load(name)
            except PluginError as error:  # its extra is no part of `all`
                assert importlib.util.find_spec("pybullet") is None
                assert "pip install 'wm-planner[bullet]'" in str(error)


def test_a_registry_of_a_domain_imports_nothing() -> None:
    for domain in plugins.DOMAINS:
        assert not list(imports(ENGINE / domain / "registry.py"))


def test_files_and_functions_stay_small() -> None:
    files = [file for file in ENGINE_FILES + SHELF_FILES if file.stat().st_size]
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files}
    functions = {
        f"{file.relative_to(ROOT)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert statistics.median(lines.values()) <= 110
    assert not [name for name, count in lines.items() if count > 330]
    assert not [name for name, count in functions.items() if count > 60]


def test_learning_meets_thinking_only_through_data_and_cards() -> None:
    wrong = [
        f"{file} imports {module}"
        for room_ in LEARNING
        for file in (ENGINE / room_).rglob("*.py")
        for module in imports(file)
        if module.startswith("wm_planner.") and module not in LEARNING_MAY_ALSO_IMPORT
        if room(module) not in LEARNING_MAY_IMPORT | {""}
    ]
    assert not wrong


def test_the_arithmetic_of_poses_loads_no_simulator() -> None:
    program = "import sys, wm_planner.control.pose; print({'mujoco', 'torch'} & set(sys.modules))"
    assert printed(program) == "set()"


def test_thinking_and_talking_know_nothing_of_each_other() -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {target}"
        for file, source, target in EDGES
        if (source in THINKING and target in TALKING) or (source in TALKING and target in THINKING)
    ]
    assert not wrong


@pytest.mark.parametrize("library", HOMES)
def test_a_heavy_library_is_imported_only_at_home(library: str) -> None:
    strangers = [
        str(file.relative_to(ROOT))
        for file in ENGINE_FILES + SHELF_FILES
        if any(module.split(".")[0] == library for module in imports(file))
        and not str(file.relative_to(ROOT)).startswith(HOMES[library])
    ]
    assert not strangers


def test_no_module_imports_a_shelf() -> None:
    wrong = [
        str(file.relative_to(ROOT))
        for file in ENGINE_FILES + SHELF_FILES
        if any(module.split(".")[0] in SHELVES for module in imports(file))
    ]
    assert not wrong


def test_nothing_unpickles_but_the_reader_that_calls_only_its_own_stand_ins() -> None:
    calls = (
        "pickle.load",
        "pickle.Unpickler",
        "pickle._Unpickler",
        "allow_pickle=True",
        "weights_only=False",
    )
    found = [
        f"{file.relative_to(ROOT)}: {call}"
        for file in ENGINE_FILES + SHELF_FILES
        for call in calls
        if call in file.read_text()
    ]
    assert found == ["wm_planner/driving/scenarios/readers/numpy_pickle.py: pickle._Unpickler"]


def test_every_public_noun_is_there() -> None:
    assert sorted(wm_planner.__all__) == sorted(wm_planner._HOMES)
    for name in wm_planner.__all__:
        assert getattr(wm_planner, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Planer'"):
        _ = wm_planner.Planer


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'mujoco', 'onnxruntime', 'torch'}"
    assert printed(f"import sys, wm_planner; print({heavy} & set(sys.modules))") == "set()"


def test_deployment_never_imports_torch() -> None:
    program = (
        "import sys; sys.argv = ['wm', '--help']\n"
        "import wm_planner.cli.main, wm_planner.evaluation.runs.live, wm_planner.evaluation.runs.offline\n"
        "from wm_planner.launching import file\n"
        "file.load(file.find('panda_reach'), 'x')\n"
        "print('torch' in sys.modules)"
    )
    assert printed(program) == "False"


def test_the_command_line_loads_nothing_heavy_before_a_command_runs() -> None:
    heavy = "{'numpy', 'yaml', 'zmq', 'mujoco', 'onnxruntime', 'torch', 'rosbags'}"
    assert printed(f"import sys, wm_planner.cli.main; print({heavy} & set(sys.modules))") == "set()"


def test_node_programs_load_no_scipy() -> None:
    """`scipy.interpolate` alone is 0.2 s and 27 MB of every process; it is imported where it is used."""
    program = (
        "import pathlib, sys\n"
        "from wm_planner import plugins\n"
        "for file in sorted(pathlib.Path('nodes').glob('*.py')): plugins.load_file(file)\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] == 'scipy'))"
    )
    assert printed(program) == "[]"


def printed(program: str) -> str:
    """What a program prints in a process of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
