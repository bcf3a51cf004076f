"""A run's summary, made up."""

from typing import Any

from sim.engine.summary import Summary


def summary(**changes: Any) -> Summary:
    values: dict[str, Any] = dict(
        scenario="demo", seed=7, simulated_s=86_400.0, wall_s=43.2, records_made=10, records_stored=10, fixes=7, events=3,
        findings=1, bytes=999, peak_memory_mb=123.4, digest="ab" * 32, device_runs=5, holds_expired=0,
    )  # fmt: skip
    return Summary(**(values | changes))
