import pytest

from wm_planner.world_models.onnx import call_size


@pytest.fixture(scope="session", autouse=True)
def brief_exports():
    """Exports measure toy models for 50 ms instead of 4 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call_size, "BUDGET_S", 0.05)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of a dot that moves."""
    from moving_dot import write

    return write(tmp_path_factory.mktemp("data") / "dots", seed=0)
