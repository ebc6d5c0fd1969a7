import pytest


@pytest.fixture
def domain(tmp_path, monkeypatch):
    """A domain in a folder of its own."""
    from wm_planner.messaging.domain import Domain

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return Domain.named("d")


@pytest.fixture
def peers(domain):
    """Peers in that domain."""
    from toys import Peers

    peers = Peers(domain)
    yield peers
    peers.close()
