"""A store that wants two opinions of each clip, with two people at their screens at the same time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from terminal.home import Home, decide, leave, opened

TEXTS = ["the first machine text", "the second machine text", "the third machine text"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.fill(TEXTS)
    done = home.run("store", "policy", "--opinions", "2")
    assert (done.returncode, done.stdout) == (0, "opinions            2 reviewers a clip\n")
    return home


def at_hand(home: Home, who: str) -> int:
    return int(json.loads(home.run("--reviewer", who, "status", "--json").stdout)["at_hand"])


def test_each_clip_is_heard_by_both_and_by_nobody_twice(home: Home) -> None:
    with home.console("review") as adas:
        opened(adas)
        adas.wait(TEXTS[0])
        with home.console("review", env={"EARMARK_REVIEWER": "ben", "EARMARK_SYNC_SECONDS": "1"}) as bens:
            bens.wait("Nothing left", 30)
            decide(adas, "enter")
            decide(adas, "enter")
            # She takes the second back, whoever may have been given it meanwhile.
            adas.press("backspace")
            adas.wait("saved 3")
            adas.wait(TEXTS[1])
            decide(adas, "u")
            adas.wait(TEXTS[2])
            assert leave(adas) == 0
            # All three are ben's now, the last of them as the first to decide it.
            for text in TEXTS:
                bens.wait(text, 60)
                decide(bens, "enter")
            assert leave(bens) == 0
    assert (at_hand(home, "ada"), at_hand(home, "ben"), at_hand(home, "cleo")) == (1, 0, 1)
    with home.console("review") as adas:
        opened(adas)
        adas.wait(TEXTS[2])
        decide(adas, "enter")
        assert leave(adas) == 0
    assert (at_hand(home, "ada"), at_hand(home, "cleo")) == (0, 0)
    done = home.run("export", "-", "--verdict", "accepted", "--verdict", "corrected", "--verdict", "unintelligible")
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted((one["pred_text"], one["reviewer"], one["verdict"]) for one in results) == [
        (TEXTS[0], "ada", "accepted"),
        (TEXTS[0], "ben", "accepted"),
        (TEXTS[1], "ada", "unintelligible"),
        (TEXTS[1], "ben", "accepted"),
        (TEXTS[2], "ada", "accepted"),
        (TEXTS[2], "ben", "accepted"),
    ]


def test_one_more_and_one_fewer(home: Home) -> None:
    for who in ("ada", "ben"):
        with home.console("review", env={"EARMARK_REVIEWER": who}) as console:
            opened(console)
            for text in TEXTS[: 2 if who == "ada" else 1]:
                console.wait(text)
                decide(console, "enter")
            assert leave(console) == 0
    done = home.run("store", "policy", "--opinions", "3")
    assert done.stdout == (
        "opinions            3 reviewers a clip\n1 clip done before is open again, for more opinions.\n"
    )
    done = home.run("store", "policy", "--opinions", "1")
    assert done.stdout == "opinions            1 reviewer a clip\n2 clips that had as many already are done.\n"
    assert [at_hand(home, who) for who in ("ada", "ben", "cleo")] == [1, 1, 1]
    assert home.run("store", "policy").stdout == "opinions            1 reviewer a clip\n"
    done = home.run("store", "policy", "--lease-cap", "3")
    assert done.returncode == 2
    assert "only --opinions is for a store on one machine" in " ".join(done.stderr.split())
