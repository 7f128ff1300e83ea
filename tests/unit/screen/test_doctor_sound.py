"""Which way out the doctor says that reviewing takes, and when it prints what to paste."""

from __future__ import annotations

import pytest

from earmark.tui.commands.doctor_sound import RATE, TONE_SECONDS, taken, to_paste, tone

OVER_SSH = {"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22"}
FORWARDED = OVER_SSH | {"PULSE_SERVER": "tcp:127.0.0.1:24713"}


@pytest.mark.parametrize(
    ("preference", "here", "far", "environ", "words"),
    [
        ("auto", ["miniaudio", "aplay"], "", {}, "takes miniaudio: it is the first that plays here"),
        ("auto", ["miniaudio"], "", OVER_SSH, "waits for a speaker: this is reached over SSH"),
        ("auto", ["miniaudio"], "", FORWARDED, "takes miniaudio: it plays to the sound server tcp:127.0.0.1:24713"),
        ("auto", ["miniaudio"], "speaker sh/aplay", {}, "takes the speaker sh/aplay"),
        ("speaker", ["miniaudio"], "", {}, "waits for a speaker: the setting says so"),
        ("aplay", [], "", {}, "takes aplay, as the setting says, which does not play here"),
        ("command", ["paplay"], "", {}, "takes command, as the setting says"),
        ("none", ["miniaudio"], "speaker", {}, "silent"),
        ("auto", [], "", {}, "decided unheard"),
    ],
)
def test_it_says_what_is_taken_and_why(
    preference: str, here: list[str], far: str, environ: dict[str, str], words: str
) -> None:
    assert words in taken(preference, here, far, environ).found


def test_each_kind_of_workstation_gets_a_line() -> None:
    found = list(to_paste(OVER_SSH))
    assert [finding.state for finding in found] == ["line"] * 4 + ["note"]
    assert all("192.0.2.1" in finding.found for finding in found[:4])


def test_the_tone_is_short_and_quiet_and_begins_and_ends_softly() -> None:
    import numpy as np

    frames = np.frombuffer(tone(), "<i2")
    assert frames.size == round(TONE_SECONDS * RATE)
    assert 0.05 < np.abs(frames).max() / 32768 < 0.15
    assert abs(int(frames[0])) < 50 and abs(int(frames[-1])) < 200
