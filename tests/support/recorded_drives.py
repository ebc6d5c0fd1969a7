"""One short drive in foreign formats: the ego drives straight on, with an oncoming bus and a pedestrian."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

STEPS, DT = 6, 0.1
TIME = np.arange(STEPS) * DT

LANE = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [20.0, 0.0, 0.0]])

AHEAD, LEFT = np.array([20.0, 0.0, 0.0]), np.array([0.0, 3.5, 0.0])

NAME = "0a1b"


def scenarionet_track(
    kind: str, x: NDArray[np.float64], vx: float, yaw: float = 0.0, size: tuple[float, float] = (4.8, 2.0)
) -> dict[str, Any]:
    """A track along x at `vx` m/s, valid at every step."""
    full = np.full(STEPS, 1.0, np.float32)
    zero = 0 * full
    state = {
        "position": np.stack([x, zero, zero], axis=-1).astype(np.float32),
        "heading": yaw * full,
        "velocity": np.stack([vx * full, zero], axis=-1),
        "length": size[0] * full,
        "width": size[1] * full,
        "height": full,
        "valid": full > 0,
    }
    return {"type": kind, "state": state, "metadata": {"type": kind, "track_length": STEPS, "object_id": "x"}}


def scenarionet_data() -> dict[str, Any]:
    """A scenario description like those of the converter for Waymo's data."""
    gone = scenarionet_track("PEDESTRIAN", 0 * TIME + 3.0, 0.0, size=(0.0, 0.0))
    gone["state"]["valid"][2:] = False
    lane = {
        "type": "LANE_SURFACE_STREET",
        "polyline": LANE.astype(np.float32),
        "width": np.array([[1.5, 2.0], [1.5, 2.0], [0.0, 2.0]], np.float32),
        "speed_limit_kmh": 36.0,
        "entry_lanes": [],
        "exit_lanes": [12],
        "left_neighbor": [{"feature_id": "13", "self_start_index": "0"}],
        "right_neighbor": [],
    }
    after = {"type": "LANE_SURFACE_UNSTRUCTURE", "polyline": LANE + AHEAD, "entry_lanes": [11, 99]}
    oncoming = {"type": "LANE_FREEWAY", "polyline": (LANE + LEFT)[::-1]}
    return {
        "id": "abc",
        "version": "1",
        "length": STEPS,
        "metadata": {
            "ts": TIME.astype(np.float32),
            "sdc_id": "70",
            "dataset": "waymo",
            "coordinate": "waymo",
        },
        "tracks": {
            "70": scenarionet_track("VEHICLE", 10 * TIME, 10.0),
            "71": scenarionet_track("VEHICLE", 18 - 5 * TIME, -5.0, np.pi, (11.0, 2.8)),
            "72": gone,
        },
        "dynamic_map_states": {
            "12": {
                "type": "TRAFFIC_LIGHT",
                "state": {"object_state": ["LANE_STATE_GO"] * 2 + ["LANE_STATE_STOP"] * 3 + [None]},
                "lane": 12,
                "stop_point": np.array([20.0, 0.0, 0.0], np.float32),
            }
        },
        "map_features": {
            "11": lane,
            "12": after,
            "13": oncoming,
            "14": {"type": "LANE_UNKNOWN", "polyline": np.zeros((3, 2))},
            "20": {"type": "ROAD_EDGE_BOUNDARY", "polyline": LANE},
        },
    }


def scenarionet_file(folder: Path, data: Any = None, protocol: int = 4) -> Path:
    """The description as a file."""
    path = folder / "sd_waymo_v1_abc.pkl"
    path.write_bytes(pickle.dumps(scenarionet_data() if data is None else data, protocol=protocol))
    return path


def argoverse_rows() -> list[dict[str, Any]]:
    """The rows of the same drive; the pedestrian is present at two steps."""

    def rows(name: str, kind: str, x: NDArray[np.float64], vx: float, yaw: float) -> list[dict[str, Any]]:
        about = {"track_id": name, "object_type": kind, "heading": yaw, "velocity_x": vx, "velocity_y": 0.0}
        return [about | {"timestep": t, "position_x": float(at), "position_y": 0.0} for t, at in enumerate(x)]

    listed = rows("AV", "vehicle", 10 * TIME, 10.0, 0.0) + rows("71", "bus", 18 - 5 * TIME, -5.0, np.pi)
    listed += rows("72", "pedestrian", np.array([3.0, 3.0]), 0.0, 0.0)
    start = 315_968_290_160_125_000
    common = {
        "observed": True,
        "object_category": 1,
        "scenario_id": NAME,
        "start_timestamp": start,
        "end_timestamp": start + round(TIME[-1] * 1e9),
        "num_timestamps": STEPS,
        "focal_track_id": "71",
        "city": "austin",
    }
    return [row | common for row in listed]


def argoverse_map() -> dict[str, Any]:
    """The map of the same drive, with lanes and a car park."""

    def points(line: NDArray[np.float64]) -> list[dict[str, float]]:
        return [{"x": x, "y": y, "z": 0.0} for x, y, *_ in line.tolist()]

    def segment(identity: int, shift: tuple[float, float], **about: Any) -> dict[str, Any]:
        line = LANE[:, :2] + shift
        return {
            "id": identity,
            "is_intersection": False,
            "lane_type": "VEHICLE",
            "left_lane_boundary": points(line + LEFT[:2] - 2.0 * LEFT[:2] / 3.5),
            "right_lane_boundary": points(line[::2] - [0, 2]),
            "left_lane_mark_type": "NONE",
            "successors": [],
            "predecessors": [],
            "left_neighbor_id": None,
            "right_neighbor_id": None,
        } | about

    park = np.array([[0.0, 5.0], [8.0, 5.0], [8.0, 9.0], [0.0, 9.0]])
    lanes = (
        segment(11, (0, 0), successors=[12], left_neighbor_id=13),
        segment(12, (20, 0), predecessors=[11, 99], is_intersection=True),
        segment(13, (0, 3.5), lane_type="BIKE"),
    )
    return {
        "lane_segments": {str(lane["id"]): lane for lane in lanes},
        "drivable_areas": {"1": {"id": 1, "area_boundary": points(park)}},
        "pedestrian_crossings": {},
    }


def argoverse_files(folder: Path, rows: list[dict[str, Any]] | None = None) -> tuple[Path, Path]:
    """The scenario and its map as files."""
    scenario, road = folder / f"scenario_{NAME}.parquet", folder / f"log_map_archive_{NAME}.json"
    parquet.write_table(pa.Table.from_pylist(argoverse_rows() if rows is None else rows), scenario)
    road.write_text(json.dumps(argoverse_map()))
    return scenario, road
