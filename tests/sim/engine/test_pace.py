"""How fast virtual time goes: paced, as fast as possible, paused, and from one to another without a jump."""

from hypothesis import given
from hypothesis import strategies as st

from sim.engine.pace import STEP_MS, Pace


class Wall:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_at_a_speed_it_follows_the_wall_clock():
    wall = Wall()
    pace = Pace(60.0, wall)
    assert pace.due_ms(0) == 0
    wall.now += 0.5
    assert pace.due_ms(0) == 30_000 and pace.is_paced


def test_as_fast_as_possible_goes_by_steps():
    pace = Pace(0.0, Wall())
    assert pace.due_ms(5) == 5 + STEP_MS and not pace.is_paced


def test_paused_it_stands_and_goes_on_from_there():
    wall = Wall()
    pace = Pace(10.0, wall)
    pace.pause()
    wall.now += 1000
    assert pace.due_ms(77) == 77 and pace.is_paced
    pace.set(10.0, 77)
    wall.now += 1
    assert pace.due_ms(77) == 10_077


def test_it_skips_as_fast_as_possible_and_then_goes_on_as_before():
    wall = Wall()
    pace = Pace(1.0, wall)
    pace.skip_to(25_000)
    lived = [0]
    while pace.skips_to_ms is not None and len(lived) < 10:
        lived.append(pace.due_ms(lived[-1]))
    assert lived[:4] == [0, 10_000, 20_000, 25_000]
    wall.now += 3
    assert pace.due_ms(25_000) == 28_000 and pace.is_paced


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("wall"), st.floats(0, 100)),
            st.tuples(st.just("set"), st.sampled_from([0.0, 0.5, 1.0, 60.0])),
            st.tuples(st.just("pause"), st.none()),
            st.tuples(st.just("skip"), st.integers(0, 10**6)),
        ),
        max_size=30,
    )
)
def test_time_never_goes_back_and_never_by_more_than_its_speed(moves: list):
    wall = Wall()
    pace = Pace(1.0, wall)
    lived_ms, passed_ms = 0, 0.0
    for what, value in moves:
        if what == "wall":
            wall.now += value
            passed_ms += value * 1000
        elif what == "set":
            pace.set(value, lived_ms)
        elif what == "pause":
            pace.pause()
        else:
            pace.skip_to(lived_ms + value)
        due_ms = pace.due_ms(lived_ms)
        assert due_ms >= lived_ms
        assert due_ms - lived_ms <= max(STEP_MS, 60 * passed_ms)
        lived_ms = due_ms
