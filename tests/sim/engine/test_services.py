"""What a run does about a service that ends while it should not."""

from pathlib import Path

import pytest

from sim.engine.leash import Leash
from sim.engine.services import Service, ServiceError
from tests.brokers import wait_for


def test_a_service_that_gives_up_by_itself_again_and_again_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    leash = Leash()
    service = Service("bridge", ["bridge", "--config", str(tmp_path / "none.toml")], tmp_path / "log", "bridge ready", leash)
    try:
        service.start(wait=False)
        with pytest.raises(ServiceError, match=r"none\.toml"):
            while True:
                wait_for(lambda: not service.alive, "the bridge gives up")
                service.restart_if_ended()
        assert service.starts == 3
    finally:
        service.stop()
        leash.close()


def test_a_service_that_was_killed_is_started_again_however_often(tmp_path: Path) -> None:
    leash = Leash()
    service = Service("sleeper", ["timeit", "-n", "1", "-s", "import time", "time.sleep(60)"], tmp_path / "log", "-", leash)
    try:
        service.start(wait=False)
        for _ in range(5):
            service.kill()
            service.restart_if_ended()
            assert service.alive
        assert service.starts == 6
    finally:
        service.kill()
        leash.close()
