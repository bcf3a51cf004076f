"""With TLS a run is the same run: the same records and the same findings; only the bytes on the way are others."""

from pathlib import Path

from tests.end_to_end.runs import run_scenario


def test_an_errand_with_tls_ends_in_the_same_store_as_one_in_clear(tmp_path: Path) -> None:
    clear, secure = (run_scenario(tmp_path / name, tls=name == "tls", until_ms=20 * 60_000) for name in ("clear", "tls"))
    for outcome in (clear, secure):
        assert outcome.summary.crashes == [] and outcome.summary.holds_expired == 0
    assert secure.summary.digest == clear.summary.digest
    assert secure.events() == clear.events() != []
    assert secure.summary.bytes > 1.5 * clear.summary.bytes
