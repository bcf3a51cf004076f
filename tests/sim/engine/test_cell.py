"""A cell and what draws on it: sums by state, a voltage that follows, and a supply that fails."""

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.battery import percent
from sim.engine.circuit.cell import SUPPLY, Cell
from sim.engine.circuit.inputs import Supply
from sim.engine.circuit.processor import Processor
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from sim.world.energy import BROWN_OUT_MV, WAKE_MS, Battery, Drain, lasts_hours, used_mah
from tests.sim.engine.still import inbox, still_device

HOUR_MS = 3_600_000
STIFF = Battery(
    1000.0, 1.0, 1000.0, 0.0, {"load.off": Drain(0.0, ""), "load.some": Drain(100.0, ""), "load.on": Drain(500.0, "")}
)
SOFT = STIFF._replace(resistance_ohm=0.1)
CUTS = st.lists(st.integers(0, HOUR_MS), max_size=10).map(sorted)
DRAWS = st.lists(st.tuples(st.integers(0, HOUR_MS), st.sampled_from(["off", "some", "on", "outside", "cell"])), max_size=8)


@given(CUTS, DRAWS.map(sorted))
def test_a_cells_voltage_and_sums_do_not_depend_on_when_it_was_looked_at(cuts: list[int], draws: list[tuple[int, str]]):
    def ticks(extra: list[int]) -> tuple:
        cell = Cell(SOFT, 0.9)
        for t_ms, what in sorted([*draws, *((t, "") for t in extra)]):
            if what:
                cell.set(t_ms, SUPPLY if what in ("outside", "cell") else "load", what)
            else:
                cell.settle(t_ms)
        return [cell.millivolts(t) for t in range(0, HOUR_MS + 1, Cell.EVERY_MS)], cell.ms_on_cell, cell.charge

    assert ticks(cuts) == ticks([])


def test_a_cell_gives_what_it_holds_and_takes_what_is_charged_less_at_the_end():
    cell = Cell(STIFF, 1.0)
    cell.set(0, "load", "on")
    assert percent(cell.millivolts(HOUR_MS)) == 50
    cell.plan(HOUR_MS, SUPPLY, "outside")
    assert percent(cell.millivolts(HOUR_MS + HOUR_MS // 4)) == 75, "fed from outside, the load costs the cell nothing"
    assert 88 < percent(cell.millivolts(HOUR_MS + HOUR_MS // 2)) < 100, "1000 mA for a quarter, and less"
    assert percent(cell.millivolts(3 * HOUR_MS)) == 100
    assert used_mah(STIFF.drains, cell.ms_on_cell) == {"load.on": 500.0}


def test_a_load_pulls_the_voltage_down_and_a_charger_pushes_it_up():
    rest, loaded, charged = (Cell(SOFT, 0.5) for _ in range(3))
    loaded.set(0, "load", "on")
    charged.set(0, SUPPLY, "outside")
    at_ms = Cell.EVERY_MS
    rest_mv = rest.millivolts(at_ms)
    assert 45 <= rest_mv - loaded.millivolts(at_ms) <= 85
    assert charged.millivolts(at_ms) - rest_mv >= 95


def test_an_empty_cell_is_below_what_a_processor_runs_on():
    cell = Cell(STIFF, 0.01)
    cell.set(0, "load", "on")
    assert cell.millivolts(HOUR_MS) < BROWN_OUT_MV


def test_what_was_planned_for_a_part_is_off_when_it_is_told_otherwise_first():
    cell = Cell(STIFF, 1.0)
    cell.set(0, "load", "some")
    cell.plan(HOUR_MS // 2, "load", "on")
    cell.set(HOUR_MS // 4, "load", "off")
    cell.settle(HOUR_MS)
    assert cell.ms_on_cell == {"load.some": HOUR_MS // 4, "load.off": 3 * HOUR_MS // 4}


def test_how_long_a_cell_lasts_is_its_charge_over_the_mean_current():
    assert lasts_hours(STIFF, {"load.on": HOUR_MS, "load.some": 0, "load.off": HOUR_MS}, 2 * HOUR_MS) == 4.0


def test_a_processor_draws_by_its_sleep_its_listening_and_its_advertising():
    drains = {
        f"{part}.{state}": Drain(1.0, "")
        for part, states in {"cpu": "awake light deep off", "ble": "off listening", "adv": "off event"}.items()
        for state in states.split()
    }
    cell = Cell(STIFF._replace(drains=drains), 1.0)
    processor = Processor(cell)

    def scan(t_ms: int, duration_ms: int, interval_ms: int, window_ms: int) -> None:
        payload = b"".join(n.to_bytes(4, "little") for n in (duration_ms, interval_ms * 1000, window_ms * 1000))
        processor.output(Item(t_ms, ch.BLE_SCAN, 0, payload))

    scan(0, 1000, 30, 30)
    scan(10_000, 1000, 100, 10)
    processor.output(Item(20_000, ch.BLE_ADVERTISE, 0, (250_000).to_bytes(4, "little") + b"x"))
    processor.output(Item(45_000, ch.BLE_ADVERTISE, 0, bytes(4)))
    processor.output(Item(50_000, ch.SLEEP, 1, b""))
    processor.output(Item(60_000, ch.SLEEP, 0, b""))
    processor.output(Item(60_000, ch.SLEEP, 1, b""))
    cell.settle(Cell.EVERY_MS)
    spent = cell.ms_on_cell
    assert spent["ble.listening"] == 1000 + 100
    assert spent["adv.event"] == 25_000 * 3 // 250
    assert spent["cpu.light"] == Cell.EVERY_MS - 50_000
    assert spent["cpu.awake"] == 50_000 + WAKE_MS


def test_a_device_goes_off_below_the_brown_out_level_and_comes_back_well_above_it():
    device = still_device()
    supply = Supply(device)
    for n, millivolts in enumerate((3500, 2950, 2899, 2800, 2950, 3199, 3200, 3000)):
        supply.cell(1000 * (n + 1), millivolts)
    assert [(item.t_ms, item.channel, item.payload[0]) for item in inbox(device)] == [(3000, ch.POWER, 0), (7000, ch.POWER, 1)]


def test_a_switch_and_a_cell_both_have_to_be_there():
    device = still_device()
    supply = Supply(device, lambda from_ms, until_ms: [(t, on) for t, on in ((500, 0), (9000, 1)) if from_ms <= t < until_ms])
    supply.fill(5000)
    supply.cell(6000, 2800)
    supply.fill(20_000)
    supply.cell(30_000, 3600)
    assert [(item.t_ms, item.payload[0]) for item in inbox(device)] == [(500, 0), (30_000, 1)]
