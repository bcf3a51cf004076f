"""Acts as data: what is written can be read again, and what makes no sense is refused with its line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from sim.control.acts import EVENTS, FAULTS, KILLED, OF_A_KIND, OVER, WITH_PLACE, Act, Wrong, checked, load_acts, text
from sim.control.hand import LOG, Hand
from sim.scenario import Scenario, load
from tests.end_to_end.runs import ERRAND

SCENARIO = load(ERRAND)
WEARERS = ("tamsin", "jory")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "fall_db": st.floats(1, 60),
    "ramp_s": st.integers(0, 3600),
    "jump_m": st.floats(1, 1e6),
    "drift_mps": st.floats(0, 300),
    "bearing_deg": st.floats(0, 360, exclude_max=True),
    "delay_s": st.floats(0.01, 12),
    "kbit_s": st.floats(0.05, 1e6),
    "latency_ms": st.integers(1, 60_000),
}
NEEDED = {"spoof": {"jump_m"}, "bridge_slow": {"delay_s"}, "broker_slow": {"delay_s"}, "network_slow": {"kbit_s"}}
HOW = {"receiver_dead": "garbage", "receiver_says": "rollover", "motion_stuck": "moving"}


@st.composite
def acts(draw: st.DrawFn) -> Act:
    at_ms = draw(st.integers(1, 400 * 86_400_000))
    what = draw(st.sampled_from([*EVENTS, "moved", "let_go", *KILLED, *FAULTS, *(kind + OVER for kind in FAULTS)]))
    wearer = draw(st.sampled_from(WEARERS))
    if what in EVENTS:
        return Act(at_ms, what, wearer)
    if what == "moved":
        return Act(at_ms, what, wearer, {"lat": draw(st.floats(-90, 90)), "lon": draw(st.floats(-180, 180))})
    if what == "let_go":
        return Act(at_ms, what, wearer, draw(st.fixed_dictionaries({}, optional={"by": st.sampled_from(["walk", "bus", "car"])})))
    if what not in FAULTS:
        takes_one = "wearer" in OF_A_KIND.get(what.removesuffix(OVER), ())
        return Act(at_ms, what, draw(st.sampled_from([None, wearer])) if takes_one else None)
    own = [key for key in OF_A_KIND[what] if key in VALUES and key not in WITH_PLACE]
    needed = NEEDED.get(what, set())
    values = draw(
        st.fixed_dictionaries({k: VALUES[k] for k in own if k in needed}, optional={k: VALUES[k] for k in own if k not in needed})
    )
    if what in HOW:
        values["how"] = HOW[what]
    who = draw(st.sampled_from([None, wearer])) if "wearer" in OF_A_KIND[what] else None
    return Act(at_ms, what, who, values)


@given(st.lists(acts(), max_size=8))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, done: list[Act]):
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_text(text(done, SCENARIO), encoding="utf-8")
    assert load_acts(path, SCENARIO) == sorted(done, key=lambda act: act.at_ms)


def test_times_are_unambiguous_when_the_clocks_go_back(tmp_path: Path):
    autumn = Scenario(
        SCENARIO.path, SCENARIO.file.model_copy(update={"start": SCENARIO.file.start.replace(month=10, day=25, hour=0)})
    )
    done = [Act(minutes * 60_000, "strap_cut", "jory") for minutes in (45, 105, 165)]
    path = tmp_path / "autumn.yaml"
    path.write_text(text(done, autumn))
    assert load_acts(path, autumn) == done
    assert "T01:45:00+01:00" in path.read_text() and "T01:45:00+00:00" in path.read_text()


AT = 'at: "2026-06-01T10:20:00+01:00"'


@pytest.mark.parametrize(
    ("line", "field", "expected"),
    [
        (f"{{{AT}, what: strap_cutt, wearer: jory}}", "acts[0].what", "strap_cut"),
        (f"{{{AT}, what: strap_cut, wearer: jori}}", "acts[0].wearer", "one of tamsin, jory"),
        (f"{{{AT}, what: strap_cut}}", "acts[0].wearer", "one of"),
        (f"{{{AT}, what: bridge_down, wearer: jory}}", "acts[0].wearer", "not about one"),
        (f"{{{AT}, what: moved, wearer: jory, lat: 50.7}}", "acts[0].lat", "lat and lon"),
        (f"{{{AT}, what: moved, wearer: jory, lat: 99, lon: 1}}", "acts[0].lat", "less than or equal to 90"),
        (f"{{{AT}, what: jam, wearer: jory, fall_db: 300}}", "acts[0].fall_db", "60"),
        (f"{{{AT}, what: jam, wearer: jory, speed: 3}}", "acts[0].speed", "fall_db"),
        (f"{{{AT}, what: bridge_slow}}", "acts[0].what", "delay_s"),
        ('{at: "2026-06-01T10:20:00", what: strap_cut, wearer: jory}', "acts[0].at", "offset"),
        ('{at: "2026-06-01T08:20:00+01:00", what: strap_cut, wearer: jory}', "acts[0].at", "after the scenario's start"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line(line: str, field: str, expected: str, tmp_path: Path):
    path = tmp_path / "acts.yaml"
    path.write_text(f"# by hand\nacts:\n- {line}\n")
    with pytest.raises(ConfigError) as refused:
        load_acts(path, SCENARIO)
    assert refused.value.file == f"{path}:3" and refused.value.field == field
    assert expected in refused.value.expected


def test_another_scenarios_acts_and_another_seeds_are_refused(tmp_path: Path):
    path = tmp_path / "acts.yaml"
    for line, field in (("scenario: demo", "scenario"), ("seed: 8", "seed")):
        path.write_text(f"{line}\nacts: []\n")
        with pytest.raises(ConfigError) as refused:
            load_acts(path, SCENARIO)
        assert refused.value.field == field


def test_a_wish_takes_effect_at_the_next_second_that_nobody_has_lived_and_is_in_the_log(tmp_path: Path):
    hand = Hand(SCENARIO, tmp_path, [Act(90_000, "strap_cut", "jory")])
    hand.wish("jam", "jory", {"fall_db": 30})
    hand.take(61_999)
    assert hand.next_ms == 61_999
    assert hand.due(61_998) == []
    assert [act.at_ms for act in hand.due(61_999)] == [62_000]
    hand.wish("case_opened", "jory")
    hand.take(62_000)
    assert hand.next_ms == 62_999
    hand.note(62_000, "speed", {"speed": 10.0})
    hand.due(62_999)
    hand.due(89_999)
    assert hand.next_ms is None
    again = load_acts(tmp_path / LOG, SCENARIO)
    assert [(act.at_ms, act.what) for act in again] == [
        (62_000, "jam"), (62_000, "speed"), (63_000, "case_opened"), (90_000, "strap_cut"),
    ]  # fmt: skip
    assert Hand(SCENARIO, tmp_path, again).next_ms == 61_999
    assert len(Hand(SCENARIO, tmp_path, again).waiting) == 3, "how fast time went is nothing to do"


def test_a_wish_that_makes_no_sense_is_refused_at_once(tmp_path: Path):
    hand = Hand(SCENARIO, tmp_path)
    with pytest.raises(Wrong):
        hand.wish("strap_cut", "nobody")
    hand.take(1000)
    assert hand.next_ms is None and not (tmp_path / LOG).exists()


def test_a_home_units_act_needs_a_home_unit():
    person = SCENARIO.file.people[1].model_copy(update={"home_unit": None})
    lonely = Scenario(SCENARIO.path, SCENARIO.file.model_copy(update={"people": [SCENARIO.file.people[0], person]}))
    with pytest.raises(Wrong, match="home unit"):
        checked(lonely, 1, "mains_off", "jory", {})
    assert checked(lonely, 1, "mains_off", "tamsin", {}).wearer == "tamsin"
