import pytest

from wm_planner.world_models.onnx import call_size


@pytest.fixture(scope="session", autouse=True)
def brief_exports():
    """Exports measure toy models for 50 ms instead of 4 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call_size, "BUDGET_S", 0.05)
        yield
