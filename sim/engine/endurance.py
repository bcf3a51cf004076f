"""How long the devices last: the real firmware lives some hours in the simulator, and what its parts did is added up.

Each function gives an `Endurance`: the figure, and the assumptions that it stands on, to be printed beside it. Hours beyond those
simulated are taken to be like them. Nothing is charged meanwhile, and the tag's policy is the product's own but for what is said.
`python -m sim.engine.endurance [NAME]...` prints all of them, or those whose names begin so.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sim.engine.circuit.cell import Cell
from sim.engine.circuit.tag import TagCircuit
from sim.engine.folder import RunFolder
from sim.engine.run import Options, Run
from sim.scenario import Scenario
from sim.scenario.models import ScenarioFile
from sim.world.energy import TAG, UNIT, Battery, lasts_hours, used_mah

HOUR_MS = 3_600_000
_TELLS_MA = 0.05  # states that take less are left out of the assumptions


@dataclass(frozen=True)
class Endurance:
    """`value` in `unit`. `mean_ma` by state; `lines` are the assumptions in words, a state a line."""

    name: str
    value: float
    unit: str
    mean_ma: Mapping[str, float]
    lines: tuple[str, ...]


def tag_hours_open_sky_60s() -> Endurance:
    """A wearer who walks outdoors all the time, a fix a minute, until the cell is empty: four hours of it, after the first."""
    # Ten minutes between departures are fewer than any of these ways takes: who arrives leaves again.
    places = ("Fairlea Common", "Priory Gardens")
    walks = [{"name": f"walk {n}", "leave": f"{8 + n // 6:02d}:{n % 6 * 10:02d}", "to": places[n % 2]} for n in range(6 * 6)]
    scenario = _scenario("open sky", walks, "2026-06-01T07:45:00")
    return _measure(
        "tag.hours_open_sky_60s", scenario, "tag-000001", TAG, HOUR_MS, 5 * HOUR_MS, "h", 1.0,
        "on foot under an open sky without a pause, a fix each 60 s, reports as by default; 4 h simulated",
        {"fix_interval_s": 60},
    )  # fmt: skip


def tag_days_home_14h() -> Endurance:
    """A wearer at home 14 hours a day, at work indoors and on his feet, with a walk at noon: one whole day."""
    days = [
        {"name": "to work", "leave": "08:00", "to": "Westgate Print Works", "by": "bus"},
        {"name": "lunch", "leave": "12:05", "to": "Priory Gardens"},
        {"name": "back", "leave": "12:40", "to": "Westgate Print Works"},
        {"name": "home", "leave": "17:35", "to": "home", "by": "bus"},
    ]
    on_his_feet = [
        {"kind": "motion_stuck", "how": "moving", "from": begin, "until": end}
        for begin, end in (("08:30", "12:05"), ("12:50", "17:35"))
    ]
    scenario = _scenario("14 hours at home", days, "2026-06-01T05:00:00", faults=on_his_feet)
    return _measure(
        "tag.days_home_14h", scenario, "tag-000001", TAG, HOUR_MS, 25 * HOUR_MS, "days", 1 / 24,
        "at home 18:00 to 08:00 with its home unit, on the bus and on foot 2 h, at work indoors 8 h, moving all the time; "
        "24 h simulated",
        {"fix_interval_s": 60},
    )  # fmt: skip


def hmu_hours_on_battery() -> Endurance:
    """A home unit without mains, its tag at home and its network up: four hours of it."""
    scenario = _scenario("mains lost", [], "2026-06-01T18:00:00", [{"at": "18:10", "what": "mains_off"}])
    return _measure(
        "hmu.hours_on_battery", scenario, "hmu-000001", UNIT, HOUR_MS, 5 * HOUR_MS, "h", 1.0,
        "mains lost, the wearer at home, Ethernet up (its switch on a supply of its own); 4 h simulated",
        {"fix_interval_s": 60},
    )  # fmt: skip


def _scenario(
    name: str, routine: list[dict], start: str, events: list[dict] | None = None, faults: list[dict] | None = None
) -> Scenario:
    person = {
        "id": "rowan",
        "name": "Rowan Ashdown",
        "tag": "tag-000001",
        "home_unit": "hmu-000001",
        "home": "22 Mallow Lane",
        "battery": 100,
        "routine": routine,
        "events": events or [],
    }
    file = {
        "name": name,
        "start": datetime.fromisoformat(start),
        "timezone": "Europe/London",
        "until": "48h",
        "people": [person],
        "faults": faults or [],
    }
    return Scenario(name, ScenarioFile.model_validate(file))


def _measure(
    name: str,
    scenario: Scenario,
    device: str,
    battery: Battery,
    from_ms: int,
    until_ms: int,
    unit: str,
    units_an_hour: float,
    assumed: str,
    policy: dict[str, int],
) -> Endurance:
    with tempfile.TemporaryDirectory() as folder:
        options = Options(until_ms=until_ms, shows_town=False)
        with Run(scenario, RunFolder(Path(folder) / "run"), options, policy) as run:
            before = _spent(run, device, from_ms)
            after = _spent(run, device, until_ms)
            crashes = [crash for each in run.kernel.devices for crash in each.crashes]
            circuits = [run.kernel.circuit(each.name) for each in run.kernel.devices]
            unheard = sum(circuit.modem.unheard for circuit in circuits if isinstance(circuit, TagCircuit))
    if crashes:
        raise RuntimeError(f"{name}: a device crashed, which is no endurance: {crashes[0]}")
    if unheard:
        raise RuntimeError(f"{name}: something was said to a sleeping modem {unheard} times, which loses it")
    spent = {state: ms - before.get(state, 0) for state, ms in after.items()}
    hours = lasts_hours(battery, spent, until_ms - from_ms)
    period_h = (until_ms - from_ms) / HOUR_MS
    mean_ma = {state: mah / period_h for state, mah in used_mah(battery.drains, spent).items()}
    return Endurance(name, hours * units_an_hour, unit, mean_ma, tuple(_lines(assumed, battery, spent, mean_ma, period_h)))


def _spent(run: Run, device: str, t_ms: int) -> dict[str, int]:
    run.kernel.run_to(t_ms)
    cell: Cell = run.kernel.circuit(device).cell  # pyright: ignore[reportAttributeAccessIssue]: every board's circuit has one
    cell.settle(t_ms)
    return dict(cell.ms_on_cell)


def _lines(assumed: str, battery: Battery, spent: Mapping[str, int], mean_ma: Mapping[str, float], period_h: float) -> list[str]:
    out = [
        assumed,
        f"cell {battery.rated_mah:.0f} mAh, of which {battery.usable:.0%} are there in use",
        f"mean current {sum(mean_ma.values()):.1f} mA, of which",
    ]
    for state, milliamps in sorted(mean_ma.items(), key=lambda pair: -pair[1]):
        if milliamps >= _TELLS_MA:
            drain = battery.drains[state]
            share = spent[state] / (period_h * HOUR_MS)
            out.append(f"{state:20s} {milliamps:6.2f} mA = {drain.milliamps:g} mA x {share:.2%} of the time; {drain.source}")
    return out


FIGURES: dict[str, Callable[[], Endurance]] = {
    "tag.hours_open_sky_60s": tag_hours_open_sky_60s,
    "tag.days_home_14h": tag_days_home_14h,
    "hmu.hours_on_battery": hmu_hours_on_battery,
}


if __name__ == "__main__":
    for name, figure in FIGURES.items():
        if name.startswith(tuple(sys.argv[1:]) or ""):
            found = figure()
            print(f"{name} {found.value:.1f} {found.unit}", *found.lines, sep="\n    ", flush=True)
