"""However the clocks are set: never earlier than is known, and never later than some clock said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earmark.queue.offline.clock import Clocks, Evidence, read_clocks, seen, surely

NOON = 1_800_000_000.0


def known(at: float = NOON, since_boot: float = 100.0, boot: str = "a", machine: str = "m") -> Evidence:
    return Evidence(at, since_boot, boot, machine)


def test_a_clock_set_back_gains_nothing_while_the_machine_runs() -> None:
    assert surely(known(), Clocks(NOON - 9e6, 4100.0, "a", "m")) == NOON + 4000


def test_after_a_restart_the_uptime_counts() -> None:
    assert surely(known(), Clocks(0.0, 50.0, "b", "m")) == NOON + 50


def test_time_switched_off_with_the_clock_set_back_is_not_seen() -> None:
    """The honest limit: nothing on the machine counts while it is off."""
    assert surely(known(), Clocks(NOON, 0.0, "b", "m")) == NOON


def test_a_clock_set_forward_is_believed() -> None:
    assert surely(known(), Clocks(NOON + 9e6, 101.0, "a", "m")) == NOON + 9e6


def test_another_machines_counter_says_nothing() -> None:
    assert surely(known(), Clocks(NOON + 5, 9e6, "b", "other")) == NOON + 5


def test_without_names_a_counter_that_went_back_was_started_anew() -> None:
    nameless = known(boot="", machine="")
    assert surely(nameless, Clocks(0.0, 160.0)) == NOON + 60
    assert surely(nameless, Clocks(0.0, 70.0)) == NOON + 70


def test_what_was_seen_is_never_forgotten() -> None:
    later = seen(known(), Clocks(NOON + 500, 200.0, "a", "m"))
    assert later == Evidence(NOON + 500, 200.0, "a", "m")
    assert seen(later, Clocks(NOON - 500, 210.0, "a", "m")).at == NOON + 510
    assert seen(later, Clocks(0.0, 200.0, "a", "m"), NOON + 900).at == NOON + 900


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[float, float, bool]]:
    """What happens to a machine: (seconds that really pass, what its wall clock is off by then, whether restarted)."""
    step = st.tuples(st.floats(0, 1e6), st.floats(-1e7, 1e7), st.booleans())
    return draw(st.lists(step, max_size=12))


@given(lives(), st.booleans())
def test_a_life_of_jumping_clocks(life: list[tuple[float, float, bool]], named: bool) -> None:
    now, started, boot, latest = NOON, NOON - 100.0, 1, NOON
    evidence = Evidence(now, now - started, "1" if named else "", "m" if named else "")
    believed = evidence.at
    running = 0.0
    for passes, off, restarted in life:
        now += passes
        running += passes
        if restarted:
            started, boot, running = now, boot + 1, 0.0
        clocks = Clocks(now + off, now - started, str(boot) if named else "", "m" if named else "")
        at = surely(evidence, clocks)
        latest = max(latest + passes, now + off)
        assert at >= believed, "time never goes back"
        assert at >= evidence.at + (passes if not restarted else 0.0) - 1e-3, "what a running machine counted counts"
        assert at <= latest + 1e-3, "no later than really passed, or than a clock said"
        evidence, believed = seen(evidence, clocks), at


def test_this_machines_clocks_go_forward() -> None:
    one, two = read_clocks(), read_clocks()
    assert two.since_boot >= one.since_boot and two.boot == one.boot and two.machine == one.machine
