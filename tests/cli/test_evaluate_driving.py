"""`wm eval driving` as a user runs it, over two shipped scenarios for two seconds each."""

import json
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from typer.testing import CliRunner

from wm_planner import share
from wm_planner.cli import main
from wm_planner.driving.evaluation import scenario_runs
from wm_planner.driving.evaluation.rendering import LEGEND
from wm_planner.driving.evaluation.result_files import check_folder, clear, read_drives
from wm_planner.driving.evaluation.scenario_runs import ScenarioResult, resolve_planners
from wm_planner.errors import ConfigError, PluginError, WmError

SCENARIOS = [str(share.find(f"sim/drive_{name}.xml")) for name in ("pedestrian", "slow_car")]


def wm(*arguments):
    return CliRunner().invoke(main.app, ["eval", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("driving")
    broken = folder / "broken.xml"
    broken.write_text("<commonRoad")
    out = folder / "out"
    result = wm(
        *("driving", *SCENARIOS, SCENARIOS[0], broken, "--planner", "idm", "--seconds", 2, "--workers", 1),
        *("--out", out, "--films", "--solutions", folder / "solutions"),
    )
    assert result.exit_code == 0, result.output
    return out, result.output


def test_every_scenario_is_driven_among_both_kinds_of_agents(run):
    drives = read_drives(run[0] / "drives.jsonl")
    assert sorted((each.scenario, each.agents) for each in drives) == [
        ("ZAM_WmPedestrian-1_1_T-1", "idm"),
        ("ZAM_WmPedestrian-1_1_T-1", "replay"),
        ("ZAM_WmSlowCar-1_1_T-1", "idm"),
        ("ZAM_WmSlowCar-1_1_T-1", "replay"),
    ]
    for each in drives:
        assert each.duration_s == 2.0
        assert len(each.plan_cpu_s) == 20
        assert not each.error
        assert 0 < each.nuplan["score"] <= 1


def test_the_tables_state_what_is_measured_and_what_was_skipped(run):
    words = " ".join(run[1].split())
    for said in (
        "ZAM_WmSlowCar-1_1_T-1",
        "log",
        "react",
        "EPDMS",
        "95 % bootstrap",
        "other vehicles move",
    ):
        assert said in words
    assert "the recorded ego in 0 drives and to IDM on an empty road at the speed limit in 4" in words
    assert "broken.xml" in words and words.count("broken.xml") == 1
    left_out = json.loads((run[0] / "left_out.json").read_text())
    assert [name.rsplit("/", 1)[1] for name in left_out["refused"]] == ["broken.xml"]


def test_each_problem_has_a_picture_and_a_film(run):
    stems = {"ZAM_WmPedestrian-1_1_T-1", "ZAM_WmSlowCar-1_1_T-1"}
    assert {path.stem for path in (run[0] / "pictures").glob("*.png")} == stems
    picture = imageio.imread(run[0] / "pictures" / "ZAM_WmSlowCar-1_1_T-1.png")
    head, panels = picture[:48], picture[48:]
    assert panels.shape == (2 * 296, 256, 3)
    assert (np.ptp(panels.reshape(2, -1), axis=1) > 100).all()
    colours = {tuple(colour) for colour in head.reshape(-1, 3).tolist()}
    assert {(255, 255, 255), *LEGEND.values()} <= colours
    film = imageio.get_reader(run[0] / "pictures" / "ZAM_WmSlowCar-1_1_T-1.mp4")
    assert film.count_frames() == 21


def test_the_last_lines_list_the_written_files(run):
    *_, drives, left_out, pictures, films, solutions = run[1].splitlines()
    assert "drives.jsonl" in drives and "left_out.json" in left_out
    for line, said in ((pictures, "pictures  2 pictures"), (films, "2 films"), (solutions, "2 solutions")):
        assert line.endswith(said)


def test_ctrl_c_keeps_finished_drives(run, tmp_path, monkeypatch):
    drives = tuple(d for d in read_drives(run[0] / "drives.jsonl") if "Pedestrian" in d.scenario)

    def stopped(files, settings, workers):
        yield ScenarioResult(str(files[0]), drives)
        raise KeyboardInterrupt

    monkeypatch.setattr(scenario_runs, "run_scenarios", stopped)
    result = wm("driving", *SCENARIOS, "--planner", "idm", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "interrupted: 1 of 2 scenarios were driven" in result.output
    assert tuple(read_drives(tmp_path / "out" / "drives.jsonl")) == drives


def test_only_results_of_an_earlier_run_are_removed(tmp_path):
    for name in ("drives.jsonl", "left_out.json", "pictures/a.png", "pictures/a.mp4", "solved/idm/a.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    assert clear("--out", tmp_path / "new", None) == 0
    assert clear("--out", tmp_path, tmp_path / "solved") == 4
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.xml"]
    assert clear("--out", tmp_path, tmp_path / "solved") == 0
    with pytest.raises(ConfigError, match=r"--out .* has solved and no drives.jsonl of a previous run"):
        clear("--out", tmp_path, None)


def test_a_file_is_refused_as_a_folder(tmp_path):
    check_folder("--out", tmp_path / "a" / "b")
    (tmp_path / "a").touch()
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(ConfigError, match=r"--solutions .*: .*a is a file, wanted a folder"):
            check_folder("--solutions", path)


def test_each_commonroad_problem_has_a_solution_file(run):
    files = {each.solution for each in read_drives(run[0] / "drives.jsonl") if each.agents == "replay"}
    assert len(files) == 2
    for path in files:
        assert path.startswith(str(run[0].parent / "solutions" / "idm"))
        assert "CommonRoadSolution" in Path(path).read_text()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("nowhere",), "nowhere: no such file or folder"),
        ((SCENARIOS[0], "--planner", "idmm"), "did you mean 'idm'"),
        ((SCENARIOS[0], "--planner", "idm", "--agents", "replays"), "agents"),
        ((SCENARIOS[0], "--planner", "idm", "--vehicle", "bmw"), "bmw_320i"),
        ((SCENARIOS[0], "--planner", "idm", "--films"), "--films without --out"),
        ((SCENARIOS[0], "--planner", "idm", "--planner", "idm"), "--planner idm: given twice"),
        ((SCENARIOS[0], "--planner", "idm,=,,"), "--planner idm,=,,: setting '=': wanted field=value"),
        ((SCENARIOS[0], "--planner", "idm", "--out", SCENARIOS[1]), "--out"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_created(tmp_path, monkeypatch, arguments, answer):
    monkeypatch.chdir(tmp_path)
    result = wm("driving", *arguments)
    assert isinstance(result.exception, WmError)  # which `wm` prints, with exit code 2
    assert answer in str(result.exception)
    assert not [*tmp_path.iterdir()]


def test_the_folder_of_a_run_is_accepted_without_a_subcommand():
    result = wm("nothing")
    assert "wanted the folder of a run" in str(result.exception)
    assert str(wm("run", "nothing").exception) == str(result.exception)


def test_a_class_that_does_not_plan_is_refused_as_a_planner(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from wm_planner.config import Config\n\nclass Idle:\n    Config = Config\n"
        "    def __init__(self, config):\n        pass\n"
    )
    with pytest.raises(PluginError, match=r"Idle has no method plan\(view\), wanted one that returns poses"):
        resolve_planners([f"{tmp_path / 'mine.py'}:Idle"])


def test_the_settings_of_a_planner_follow_its_name():
    planners, _ = resolve_planners(["cem,scoring.consistency_weight=0,seed=3", "pdm_closed,idm.gap=2", "idm"])
    assert list(planners.values()) == [
        {"type": "cem", "scoring": {"consistency_weight": 0}, "seed": 3},
        {"type": "pdm_closed", "idm": {"gap": 2}},
        {"type": "idm"},
    ]
    with pytest.raises(ConfigError, match=r"planner cem\.scoring\.consistency_weight: got nan"):
        resolve_planners(["cem,scoring.consistency_weight=.nan"])
