"""Write a whole planner as one ONNX graph, then plan with ONNX Runtime alone.

The graph holds sampling, imagination, costs and the choice; noise and the last plan are inputs. Needs the
extra `portable`. `examples/node_planner` runs the same file from Node.js.

    python examples/export_a_planner.py
"""

from pathlib import Path

import numpy as np
import onnxruntime

from wm_planner.portable.export import export_planner

BUNDLE = "models/bundles/panda_reach_small"
PLANNER = {"type": "icem", "horizon": 3, "samples": 48, "elites": 8, "iterations": 3}
COSTS = [{"type": "latent_goal", "mean_weight": 2.0}]
GRAPH = Path("runs/planner.onnx")


def main() -> None:
    exported = export_planner(BUNDLE, PLANNER, COSTS, GRAPH, where="")
    print(f"{GRAPH}: {GRAPH.stat().st_size / 1e3:.0f} KB")
    for name, meaning in exported.inputs.items():
        print(f"  {name:15s} {meaning}")

    session = onnxruntime.InferenceSession(GRAPH, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feed = {port.name: zeros(port) for port in session.get_inputs()}
    feed["latent.z"] = rng.standard_normal(feed["latent.z"].shape, np.float32)  # of encode.onnx, otherwise
    feed["goal_latent.z"] = rng.standard_normal(feed["goal_latent.z"].shape, np.float32)
    names = [port.name for port in session.get_outputs()]
    for tick in range(3):
        feed["noise"] = rng.standard_normal(feed["noise"].shape, np.float32)
        plan = dict(zip(names, session.run(None, feed), strict=True))
        print(f"tick {tick}: cost {plan['cost']:.2f}, first action {plan['actions'][0]} m")
        feed["warm_start"], feed["proposals"] = plan["next.warm_start"], plan["next.proposals"]


def zeros(port: onnxruntime.NodeArg) -> np.ndarray:
    """An array of zeros for an input; an axis without a fixed size, that of the proposals, is empty."""
    sizes = [size if isinstance(size, int) else 0 for size in port.shape]
    return np.zeros(sizes, np.float32)


if __name__ == "__main__":
    main()
