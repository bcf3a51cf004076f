"""With TLS a run is the same run: the same records and the same findings; only the bytes on the way are others."""

from pathlib import Path

from tests.end_to_end.runs import run_scenario


def test_an_errand_with_tls_ends_in_the_same_store_as_one_in_clear(tmp_path: Path) -> None:
    clear, secure = (run_scenario(tmp_path / name, tls=name == "tls", until_ms=20 * 60_000) for name in ("clear", "tls"))
    for outcome in (clear, secure):
        assert outcome.summary.crashes == [] and outcome.summary.holds_expired == 0
    # A home unit sets its clock when it is connected, which takes two round trips more: its first records are as much later.
    assert {device: list(rows) for device, rows in secure.stored().items()} == {
        device: list(rows) for device, rows in clear.stored().items()
    }
    secure_events, clear_events = ([(e.wearer, e.kind, e.device_id, e.seq) for e in o.events()] for o in (secure, clear))
    assert sorted(secure_events, key=str) == sorted(clear_events, key=str) != []
    assert secure.summary.bytes > 1.5 * clear.summary.bytes
