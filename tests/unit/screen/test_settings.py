"""Settings: where they come from, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.tui.commands.common import Invocation
from earmark.tui.settings import Settings, SettingsError, read_settings


def environ(tmp_path: Path, text: str = "", **more: str) -> dict[str, str]:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return {"EARMARK_CONFIG": str(path), **more}


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = 'must_hear = 0.1\ntheme = "light"\nbatch = 3\n'
    found = read_settings(
        {"theme": "dark", "lang": None}, environ(tmp_path, file, EARMARK_MUST_HEAR="0.5", EARMARK_THEME="terminal")
    )
    assert (found.theme, found.must_hear, found.batch, found.lang) == ("dark", 0.5, 3, None)


def test_defaults_hold_without_any_file(tmp_path: Path) -> None:
    assert read_settings({}, {"EARMARK_CONFIG": str(tmp_path / "none.toml")}) == Settings()


def test_names_that_are_no_settings_are_in_nobody_s_way(tmp_path: Path) -> None:
    assert read_settings({}, environ(tmp_path, EARMARK_PLAYER="paplay")) == Settings()


def test_an_option_before_the_command_holds_unless_it_is_given_behind_it_as_well() -> None:
    before = Invocation({"store": "sqlite:///a", "reviewer": "ann"})
    assert before.settings(store=None).store == "sqlite:///a"
    assert before.settings(store="sqlite:///b").store == "sqlite:///b"
    assert before.settings(store="sqlite:///b").reviewer == "ann"


def test_a_project_s_own_definition_of_a_mark(tmp_path: Path) -> None:
    found = read_settings({}, environ(tmp_path, '[marks]\ncritical = "Numbers."\n'))
    assert found.marks.critical == "Numbers."
    assert found.marks.skipped == Settings().marks.skipped


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("must_here = 1", {}, "there is no setting 'must_here' (did you mean must_hear?)"),
        ("must_hear = 2", {}, "must_hear: must be a number from 0 to 1, not 2"),
        ('must_hear = "x"', {}, "must_hear"),
        ("theme = 7", {}, "7 is not one of dark, light"),
        ("a = [", {}, "not valid TOML"),
        ('[marks]\ncritcal = "x"', {}, "marks"),
        ("", {"EARMARK_IDLE_BLNK": "1"}, "did you mean EARMARK_IDLE_BLANK"),
        ("", {"EARMARK_BATCH": "0"}, "EARMARK_BATCH"),
        ("", {"EARMARK_MARKS": "x"}, "the marks are set in the configuration file alone"),
        ("", {"EARMARK_SOUND": "loud"}, "'loud' is not one of auto"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(tmp_path: Path, text: str, more: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({}, environ(tmp_path, text, **more))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    if text:
        assert "config.toml" in str(error.value)
