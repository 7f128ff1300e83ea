"""A held key decides one clip; a finger that presses twice decides two; text that goes astray commands nothing."""

from __future__ import annotations

import math

from earmark.tui.guard import PAUSE_FIRST, REPEAT_GAP, Guard, Stray


def decided(guard: Guard, presses: list[tuple[float, str]]) -> list[float]:
    """When decisions are made, of keys at their times; each decision opens a clip that is painted 20 ms later."""
    made: list[float] = []
    waiting: float | None = None
    guard.painted(0.0)
    painted: float | None = None

    def decide(at: float) -> None:
        nonlocal painted
        made.append(round(at, 3))
        guard.opened()
        painted = at + 0.02

    for at, key in presses:
        if waiting is not None and at >= waiting:
            if guard.confirmed():
                decide(waiting)
            waiting = None
        if painted is not None and at >= painted:
            guard.painted(painted)
            painted = None
        said = guard.judge(key, at)
        if said == "go":
            decide(at)
        elif said == "wait":
            waiting = at + REPEAT_GAP
    if waiting is not None and guard.confirmed():
        decide(waiting)
    return made


def held(start: float, key: str, *, delay: float, rate: float, seconds: float) -> list[tuple[float, str]]:
    repeats = int((seconds - delay) * rate)
    return [(start, key), *((start + delay + i / rate, key) for i in range(repeats))]


def test_a_held_key_decides_one_clip_whatever_the_keyboard_s_delay() -> None:
    for delay in (0.2, 0.25, 0.35, 0.5, 0.66):
        for rate in (11, 25, 30, 40):
            presses = held(1.0, "c", delay=delay, rate=rate, seconds=3.0)
            assert decided(Guard(), presses) == [1.0], (delay, rate)


def test_separate_presses_decide_separate_clips() -> None:
    assert decided(Guard(), [(1.0, "s"), (1.9, "s"), (2.8, "s")]) == [1.0, 1.9, 2.8]


def test_a_quick_second_press_of_the_same_key_counts_a_moment_later() -> None:
    assert decided(Guard(), [(1.0, "s"), (1.5, "s")]) == [1.0, 1.5 + REPEAT_GAP]


def test_another_key_counts_at_once() -> None:
    assert decided(Guard(), [(1.0, "s"), (1.4, "u")]) == [1.0, 1.4]


def test_nothing_is_decided_in_the_first_300_ms_of_a_clip() -> None:
    assert decided(Guard(), [(0.1, "c"), (0.29, "s"), (0.6, "u")]) == [0.6]


def test_nothing_is_decided_before_the_clip_was_painted() -> None:
    guard = Guard()
    guard.opened()
    assert guard.judge("c", 100.0) == "ignore"


def caught(stray: Stray, *times: float) -> list[bool]:
    return [stray.caught(at) for at in times]


def test_typing_goes_astray_until_the_hand_pauses() -> None:
    stray = Stray()
    assert caught(stray, 0.0, 0.1) == [False, False]
    assert stray.closed(5.0, "It is gone.") == stray.words == f"It is gone. {PAUSE_FIRST}"
    assert caught(stray, 5.05, 5.9, 6.8, 7.7, 8.8, 8.9) == [True, True, True, True, False, False]


def test_who_looked_up_when_the_field_was_closed_commands_at_once() -> None:
    stray = Stray()
    stray.closed(5.0, "It is gone.")
    assert caught(stray, 6.1, 6.2) == [False, False]
    assert not stray.pending(6.1)


def test_a_field_that_was_closed_while_nobody_looked_counts_from_the_key_that_wakes() -> None:
    stray = Stray()
    stray.closed(math.inf, "It is gone.")
    assert stray.pending(5000.0)
    assert caught(stray, 5000.0, 5000.9, 5002.0) == [True, True, False]
