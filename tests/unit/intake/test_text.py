"""What text may enter, how names are shown, when two texts are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.queue.text import clean, clean_name, clean_subject, normalised, same_text

ANY_TEXT = st.text(st.characters(), max_size=80)  # lone surrogates too
AWKWARD = st.text(
    st.sampled_from("a é\t\n\r\x00\x07\x1b\x7f\x85\x9b\u0301\u061c\u200b\u200d\u200e\u2028\u202e\u2066\ud800")
)


def harmful(letter: str) -> bool:
    """Said anew, after the Unicode data, not after the code."""
    code = ord(letter)
    return (
        unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(letter) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or code in (0x061C, 0x200E, 0x200F, 0xFEFF)
        or 0xE0000 <= code <= 0xE007F
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
    )


@given(ANY_TEXT | AWKWARD)
def test_nothing_harmful_is_left_and_cleaning_again_changes_nothing(text: str) -> None:
    cleaned = clean(text)
    assert not [letter for letter in cleaned if harmful(letter)]
    assert unicodedata.is_normalized("NFC", cleaned)
    cleaned.encode()
    assert clean(cleaned) == cleaned


def test_every_harmful_character_there_is_goes() -> None:
    every = [chr(code) for code in range(0x110000) if harmful(chr(code))]
    assert len(every) > 2000 + 65
    assert not [letter for letter in every if letter in clean(letter)]


@given(st.text(max_size=200), st.integers(0, 50))
def test_length_is_bounded(text: str, most: int) -> None:
    assert len(clean(text, most=most)) <= most


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[2J\x1b]0;x\x07boo", "\ufffd[2J\ufffd]0;x\ufffdboo"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("one\r\ntwo\n\n\tthree\u2028four", "one two three four"),
        ("one \n two", "one two"),
        ("e\u0301", "\u00e9"),
        ("\ufeffשלום\u200f!", "שלום!"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👩\u200d👧 🇩🇪", "👩\u200d👩\u200d👧 🇩🇪"),
        ("\ud83d alone", "\ufffd alone"),
        ("plain text, [red]markup[/red]", "plain text, [red]markup[/red]"),
    ],
)
def test_what_becomes_of_text(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(
    st.text(st.characters(), max_size=300)
    | st.binary(max_size=60).map(lambda name: name.decode("utf-8", "surrogateescape"))
)
def test_a_name_can_always_be_shown(name: str) -> None:
    shown = clean_name(name)
    assert shown.isprintable()
    assert len(shown) <= 200


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("esc\x1b[31mred.wav", "esc\\x1b[31mred.wav"),
        ("new\nline.wav", "new\\x0aline.wav"),
        ("rtl\u202egnp.wav", "rtl\\u202egnp.wav"),
        (b"bad\xff\xfeutf8.wav", "bad\\xff\\xfeutf8.wav"),
        ("Grüße ß 音声 שלום.wav", "Grüße ß 音声 שלום.wav"),
        ("e\u0301-nfd.wav", "e\u0301-nfd.wav"),
    ],
)
def test_how_a_name_is_shown(name: str | bytes, shown: str) -> None:
    assert clean_name(name) == shown


def test_a_long_name_keeps_both_its_ends() -> None:
    shown = clean_name("begin" + "x" * 500 + "end.wav")
    assert shown.startswith("begin") and shown.endswith("end.wav") and "…" in shown


def test_same_text_is_what_looks_and_sounds_the_same() -> None:
    assert same_text("turn  on the light ", " turn on the light")
    assert same_text("caf\u00e9", "cafe\u0301")
    assert same_text("ស្រី\u200bនេះ", "ស្រីនេះ")
    assert not same_text("turn on", "turn On")
    assert not same_text("turn on", "turnon")
    assert normalised("") == ""


def test_a_subject_has_one_spelling() -> None:
    assert clean_subject(" Mu\u0308ller\t7 ") == clean_subject("M\u00fcller 7") == "Müller 7"
