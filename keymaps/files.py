"""Read one keymap file: its syntax, its types, the names of its actions and the spelling of its keys.

    base = "vim"                  # the built-in keymap that this one differs from; without it, default

    [review]
    accept = ["a", "enter"]       # an action's keys in place of the base's; one key may stand without the brackets
    loop = []                     # no key

An action may be written with its whole id too: `"review.accept"`. Whatever is wrong becomes a fault, never an
exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from earmark.keymaps.actions import ACTIONS, Context
from earmark.keymaps.fault import Fault
from earmark.keymaps.keys import quote, spell

BUILT_IN = ("default", "vim", "emacs", "transcriber")
"""The keymaps that come with Earmark."""

DEFAULT = "default"


class Layer(NamedTuple):
    """What one file says.

    `keys` holds the keys of each action that it names, in the spelling of `keys.spell`. `unsure` are actions of which a
    key could not be read. `lines` gives the line (from 1) of each action, where it was found.
    """

    file: str
    base: str | None
    keys: Mapping[str, tuple[str, ...]]
    unsure: frozenset[str]
    lines: Mapping[str, int]
    faults: tuple[Fault, ...]

    def fault(self, action: str, reason: str) -> Fault:
        """A fault of this file about an action."""
        return Fault(self.file, self.lines.get(action), reason)


def built_in(name: str) -> Layer:
    """The built-in keymap of that name, one of `BUILT_IN`."""
    # Not importlib.resources: it takes four times as long to import, and that on the way to the first paint.
    from pkgutil import get_data

    data = get_data("earmark.keymaps", f"{name}.toml")
    if data is None:
        raise FileNotFoundError(f"{name}.toml is missing from the installed package")
    return parse(data.decode(), f"{name}.toml")


def from_disk(path: Path) -> Layer:
    """A keymap file of the user's."""
    file = quote(str(path), 400)[1:-1]
    try:
        # The signature is dropped because editors on Windows write one and TOML knows none.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return _broken(file, None, f"cannot be read ({error.strerror}); check the name and the rights")
    except ValueError:
        return _broken(file, None, "is not UTF-8 text; save it as UTF-8")
    return parse(text, file)


def parse(text: str, file: str) -> Layer:
    """Read the text of a keymap; `file` is the name to tell people."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _broken(file, _line_in(str(error)), f"this is not TOML: {quote(str(error), 200)[1:-1]}")
    except (ValueError, RecursionError):
        return _broken(file, None, "this is not TOML that can be read: a number or a list in it is far too long")

    lines = _lines(text)
    keys: dict[str, tuple[str, ...]] = {}
    unsure: set[str] = set()
    faults: list[Fault] = []
    base = document.pop("base", None)
    if base is not None and base not in BUILT_IN:
        faults.append(Fault(file, lines.get("base"), unknown_keymap(base)))
        base = None
    for path, value in _entries(document):
        line = lines.get(path)
        if path not in ACTIONS:
            faults.append(Fault(file, line, _unknown_action(path)))
            continue
        if path in keys:
            faults.append(Fault(file, line, f"{path} is given keys twice; keep one of the two"))
        spelled, reasons = _keys(value)
        keys[path] = spelled
        if reasons:
            unsure.add(path)
            faults.extend(Fault(file, line, f"{path}: {reason}") for reason in reasons)
    return Layer(file, base, keys, frozenset(unsure), lines, tuple(faults))


def unknown_keymap(name: object) -> str:
    """The sentence for a name that no built-in keymap has."""
    known = ", ".join(BUILT_IN)
    if not isinstance(name, str):
        return f"base must be the name of a built-in keymap in quotes ({known})"
    return f"there is no keymap {quote(name)} (built in are {known}){_meant(name, BUILT_IN)}"


def _broken(file: str, line: int | None, reason: str) -> Layer:
    """A layer of a file of which nothing could be read."""
    return Layer(file, None, {}, frozenset(), {}, (Fault(file, line, reason),))


def _entries(document: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every entry with the action's id, however deep dots in the names have put it."""
    for name, value in document.items():
        path = _full(prefix, name)
        if isinstance(value, dict) and path not in ACTIONS:
            yield from _entries(value, path)
        else:
            yield path, value


def _full(table: str, name: str) -> str:
    """The id of what is called `name` in `table`; in `[review]`, both `accept` and `"review.accept"` are fine."""
    if not table or name.startswith(f"{table}.") or (name == table and table in list(Context)):
        return name
    return f"{table}.{name}"


def _keys(value: object) -> tuple[tuple[str, ...], list[str]]:
    """The keys that an action is given, and what is wrong with the others."""
    written = value if isinstance(value, list) else [value]
    keys: list[str] = []
    reasons: list[str] = []
    for one in written:
        if not isinstance(one, str):
            reasons.append('keys are written in quotes, as "a" or ["a", "enter"]')
            continue
        try:
            keys.append(spell(one))
        except ValueError as error:
            reasons.append(str(error))
    return tuple(dict.fromkeys(keys)), list(dict.fromkeys(reasons))


def _unknown_action(path: str) -> str:
    context = path.partition(".")[0]
    if path in ("base", *Context):
        return f"[{path}] must be a table of actions and keys"
    tables = ", ".join(f"[{known}]" for known in Context)
    where = "" if context in list(Context) else f" (actions stand in {tables})"
    return f"{quote(path)} is no action{where}{_meant(path, ACTIONS)}"


def _meant(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _lines(text: str) -> dict[str, int]:
    """The line of each entry, found by its name: the TOML reader of Python keeps no positions."""
    table = ""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.replace('"', "").replace("'", "").strip()
        if bare.startswith("["):
            table = bare[1:].partition("]")[0].strip()
        elif "=" in bare:
            found.setdefault(_full(table, bare.partition("=")[0].strip()), number)
    return found


def _line_in(message: str) -> int | None:
    """The line that Python's TOML reader names in its message."""
    import re

    match = re.search(r"at line (\d+)", message)
    return int(match[1]) if match else None
