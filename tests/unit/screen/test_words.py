"""How a text stands on the screen: doubtful words, wrapping, bars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from earmark.queue.clip import Word
from earmark.tui.widgets.transcript import tokens, wrapped
from earmark.tui.widgets.waveform import bars


def test_doubtful_words_are_marked_by_a_sign() -> None:
    words = [Word("he", confidence=0.9), Word("was", confidence=0.49), Word("not"), Word("ill", confidence=0.5)]
    assert tokens("he was not ill", words, 0.5) == [("he", False), ("‹was›", True), ("not", False), ("ill", False)]


def test_words_that_are_not_the_text_s_own_mark_nothing() -> None:
    assert tokens("she was", [Word("he", confidence=0.1), Word("was", confidence=0.1)], 0.5) == [
        ("she", False),
        ("was", False),
    ]


@given(
    st.lists(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=40)), st.integers(4, 80)
)
def test_no_line_is_wider_than_the_screen_and_no_letter_is_lost(words: list[str], width: int) -> None:
    lines = wrapped([(word, False) for word in words], width, 10_000)
    for line in lines:
        assert cell_len(" ".join(text for text, _ in line)) <= width
    assert "".join(text for line in lines for text, _ in line) == "".join(words)


def test_a_huge_text_is_wrapped_only_as_far_as_it_shows() -> None:
    assert len(wrapped([("word", False)] * 1_000_000, 80, 12)) == 12


@given(st.binary(max_size=600), st.integers(0, 200), st.integers(8, 80))
def test_bars_fill_every_column_and_stay_in_their_rows(peaks: bytes, width: int, eighths: int) -> None:
    heights = bars(peaks, width, eighths)
    assert len(heights) == width
    assert all(0 <= height <= eighths for height in heights)
    if width and len(peaks) >= width and max(peaks) > 1:
        assert max(heights) == eighths


def test_silence_shows_no_bars() -> None:
    assert bars(bytes(512), 40, 32) == [0] * 40
