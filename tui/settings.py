"""Settings: defaults, then the configuration file, then `EARMARK_…` in the environment, then the command line."""

from __future__ import annotations

import difflib
import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from earmark.tui.choices import SOUNDS, THEMES

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]

CRITICAL_DEFINITION = (
    "Critical data is anything that could harm or expose a person if somebody else heard it: "
    "account, card, identity or insurance numbers; "
    "passwords, PINs and one-time codes; full names with an address, a telephone number or a date of birth; "
    "what is said of health, sexuality, faith or crime. Mark it at the first such word: the sound stops, "
    "nothing of the clip stays with you, and you need not hear the rest."
)
UNINTELLIGIBLE_DEFINITION = (
    "Unintelligible is a clip that you have heard and in which no sentence can be made out: noise, silence, music, "
    "speech cut to pieces, or a language you do not know. "
    "If you understand it in the main, correct what you can instead."
)
SKIP_DEFINITION = "Skip a clip that somebody else should judge. It goes back and another reviewer gets it."
ESCALATED_DEFINITION = (
    "Disturbing is for what no one should have to carry alone: violence, abuse, somebody in danger. "
    "Nobody else is given the clip, it is listed for who supervises, and the next one does not play until you press a "
    "key. Take the time you need."
)


class Marks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The project's own definition of each mark, shown in the help."""

    critical: str = CRITICAL_DEFINITION
    unintelligible: str = UNINTELLIGIBLE_DEFINITION
    skipped: str = SKIP_DEFINITION
    escalated: str = ESCALATED_DEFINITION


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Each is a key of `config.toml` and, but for `marks`, an environment variable
    `EARMARK_…`.

    `store`: the store's URL. `master_key`: the file with a team store's master key, or `command:` and a command that
    prints it. `home`: the folder for data. `reviewer`: in whose name. `keymap`: a keymap's name or file. `sound`:
    `auto`, `speaker`, `simpleaudio`, `miniaudio`, `command` or `none`. `theme`: `dark`, `light`, `high-contrast` or
    `terminal`. `lang`: review only this language. `must_hear`: share of a clip that must sound before it is judged.
    `idle_blank`: seconds without sound or key until the screen goes blank; 0 never. `doubt_below`: words under this
    confidence are marked. `longest_clip`: seconds. `batch`: clips leased at a time. `lease_minutes`: how long a lease
    lasts without a sign of life. `most_days`: for how long clips of this store may be checked out at most.
    `critical_hold_days`: how long a critical clip's key is kept. `keep_days`: how long a text stays in
    the reviewer's own journal once the store has it; 0 for ever. `sync_seconds`: how often the screen sends and
    fetches. `unsynced_warn`: from so many unsent lines on the screen warns.
    """

    store: str | None = None
    master_key: str | None = None
    home: str | None = None
    reviewer: str | None = None
    keymap: str | None = None
    sound: str = "auto"
    theme: str = "dark"
    lang: str | None = None
    must_hear: Share = 0.8
    idle_blank: Seconds = 120.0
    doubt_below: Share = 0.5
    longest_clip: Seconds = 600.0
    batch: Count = 20
    lease_minutes: Annotated[float, msgspec.Meta(gt=0)] = 15.0
    most_days: Annotated[float, msgspec.Meta(gt=0)] = 7.0
    critical_hold_days: Seconds = 7.0
    keep_days: Seconds = 30.0
    sync_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0
    unsynced_warn: Count = 500
    marks: Marks = Marks()

    @property
    def home_path(self) -> Path:
        """The folder that holds journals and the default store."""
        if self.home:
            return Path(self.home).expanduser().absolute()
        from platformdirs import user_data_path

        return user_data_path("earmark", appauthor=False)

    @property
    def store_url(self) -> str:
        """The store's URL: the one set, else an embedded SQLite store in the home folder."""
        return self.store or f"sqlite:///{self.home_path / 'store'}"

    @property
    def store_shown(self) -> str:
        """The store's URL as it may be shown: a password in it left out."""
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(self.store_url)
        except ValueError:
            return "the store"
        if parts.password is None and not parts.query:
            return self.store_url
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def reviewer_name(self) -> str:
        """In whose name decisions are made: the one set, else the login name."""
        return self.reviewer or getpass.getuser()


CHOICES = {"theme": THEMES, "sound": SOUNDS}
PREFIX = "EARMARK_"


class SettingsError(Exception):
    """A setting is unknown or has a value it cannot have; the message names it, its place and what would do."""


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where `config.toml` is read: `EARMARK_CONFIG`, else the user's configuration folder."""
    if given := environ.get("EARMARK_CONFIG"):
        return Path(given).expanduser()
    from platformdirs import user_config_path

    return user_config_path("earmark", appauthor=False) / "config.toml"


def user_keymap(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The user's own `keymap.toml` beside the configuration, laid over whichever keymap is chosen; None when there is
    none.
    """
    path = config_path(environ).with_name("keymap.toml")
    return path if path.is_file() else None


def read_settings(overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. `overrides` are the command line's; None there means not given.

    Raises `SettingsError` for an unknown setting, naming the nearest known one, and for a value out of range.
    """
    merged: dict[str, Any] = {}
    path = config_path(environ)
    merged.update(_from_file(path))
    known = Settings.__struct_fields__
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        key = name[len(PREFIX) :].lower()
        if key == "marks":
            raise SettingsError(f"{name}: the marks are set in the configuration file alone, {path}.")
        if key not in known:
            raise SettingsError(f"{name}: there is no such setting{_nearest(key, 'EARMARK_')}.")
        if value != "":
            merged[key] = _checked(name, key, value)
    for key, value in (overrides or {}).items():
        if value is not None:
            merged[key] = _checked("--" + key.replace("_", "-"), key, value)
    return Settings(**merged)


NOT_SETTINGS = frozenset(
    {
        "EARMARK_CONFIG",
        "EARMARK_GOLDENS",
        "EARMARK_LONG",
        "EARMARK_PARTIAL",
        "EARMARK_PLAYER",
        "EARMARK_SEED",
        "EARMARK_SHARED",
    }
)
"""Names with our prefix that are not settings: the file itself, the receivers' player, and the tests'."""


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    for key in data:
        if key not in Settings.__struct_fields__:
            raise SettingsError(f"{path}: there is no setting {key!r}{_nearest(key, '')}.")
    return {key: _checked(f"{path}: {key}", key, value) for key, value in data.items()}


EXPECTED = {
    **dict.fromkeys(("must_hear", "doubt_below"), "a number from 0 to 1"),
    **dict.fromkeys(("idle_blank", "longest_clip", "critical_hold_days", "keep_days"), "a number, 0 or more"),
    **dict.fromkeys(("batch", "unsynced_warn"), "a whole number from 1 on"),
    **dict.fromkeys(("lease_minutes", "most_days"), "a number above 0"),
    "sync_seconds": "a number above 0, at most 60",
    "marks": f"a table of texts ({', '.join(Marks.__struct_fields__)})",
}


def _checked(where: str, key: str, value: Any) -> Any:
    field = next(f for f in msgspec.structs.fields(Settings) if f.name == key)
    if key in CHOICES and value not in CHOICES[key]:
        raise SettingsError(f"{where}: {value!r} is not one of {', '.join(CHOICES[key])}.")
    try:
        return msgspec.convert(value, field.type, strict=not isinstance(value, str))
    except msgspec.ValidationError:
        raise SettingsError(f"{where}: must be {EXPECTED.get(key, 'a text')}, not {value!r}.") from None


def _nearest(key: str, prefix: str) -> str:
    close = difflib.get_close_matches(key.lower(), Settings.__struct_fields__, n=1, cutoff=0.3)
    if not close:
        return ""
    return f" (did you mean {prefix}{close[0].upper() if prefix else close[0]}?)"
