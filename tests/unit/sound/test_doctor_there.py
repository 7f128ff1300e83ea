"""What the doctor finds out about a receiver at the other end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from earmark.tui.commands.doctor_sound import try_speaker
from earmark.tui.sound.sinks.choose import ways
from farend import HELLO, FarEnd, socket_in


@pytest.mark.parametrize(
    ("hello", "name", "found"),
    [(HELLO, "speaker paper/test", "plays at the other end"), (None, "speaker", "your ears say")],
    ids=["answers", "cannot answer"],
)
def test_one_that_cannot_answer_is_waited_for_and_not_said_to_have_played(
    hello: str | None, name: str, found: str, state: Path
) -> None:
    with ThreadPoolExecutor() as pool:
        doctor = pool.submit(try_speaker, ways("speaker", {})[1])
        end = FarEnd(socket_in(state), hello, begins=True)
        if hello:
            end.asked_for(1)
            end.ends()
        told = doctor.result(30)
    assert told[0] == name
    assert found in told[1]
    assert told[2] == ""
    end.hang_up()
