"""What every test may ask for: `seed` (printed when the test fails), `broker` (each of the brokers in turn)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.brokers import BROKERS, Broker, missing_reason, seed_of

settings.register_profile("homeward", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("homeward")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed that belongs to the test's name; HOMEWARD_SEED in the environment replaces it."""
    value = seed_of(request.node.nodeid)
    request.node.user_properties.append(("seed", value))
    return value


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    seeds = [value for name, value in item.user_properties if name == "seed"]
    if report.failed and seeds:
        report.sections.append(("seed", f"HOMEWARD_SEED={seeds[-1]} repeats this run"))


# Ours for every run, the other one for `make test-slow`.
@pytest.fixture(params=["nats", *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(BROKERS) if name != "nats")])
def broker_kind(request: pytest.FixtureRequest) -> str:
    reason = missing_reason(request.param)
    if reason:
        pytest.skip(reason)
    return request.param


@pytest.fixture
def make_broker(broker_kind: str, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """`make_broker(users)`: a broker of the kind under test, started; stopped at the end of the test."""
    made: list[Broker] = []

    def make(*users: object, port: int = 0) -> Broker:
        one = BROKERS[broker_kind](tmp_path / f"broker-{len(made)}", port, users)  # type: ignore[arg-type]
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def broker(make_broker: Callable[..., Broker]) -> Broker:
    """A started broker with the users of `tests.brokers.USERS`."""
    from tests.brokers import USERS

    return make_broker(*USERS)
