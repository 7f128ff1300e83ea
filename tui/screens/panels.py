"""What the help, the history, the end of the queue and the hint line say."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate

from rich.cells import cell_len

from earmark.keymaps.actions import ACTIONS, Context
from earmark.keymaps.keymap import Keymap
from earmark.keymaps.keys import display
from earmark.queue.session import Place, Session
from earmark.tui.settings import Marks
from earmark.tui.widgets.lines import Piece

REVIEW_HINTS = ("play_pause", "accept", "edit", "critical", "unintelligible", "skip", "escalate", "undo", "help")
SUMMARY_HINTS = ("history", "previous", "undo", "help", "quit")
EDIT_HINTS = ("edit.save", "edit.leave", "edit.hear_again", "edit.play_pause", "anywhere.critical")


def shown(keymap: Keymap, action: str) -> str:
    """The key to name for an action, as people read it; empty where it has none."""
    keys = keymap.keys_for(action)
    return display(keys[0]) if keys else ""


def hint_line(keymap: Keymap, context: Context, panel: str | None, width: int) -> list[Piece]:
    """The keys that matter now, as many as fit the width (cells)."""
    if panel in ("help", "history"):
        pairs = [("↑ ↓", "move"), *([("enter", "open")] if panel == "history" else []), ("esc", "close")]
    else:
        names = SUMMARY_HINTS if panel == "summary" else REVIEW_HINTS
        ids = EDIT_HINTS if context is Context.EDIT else [f"review.{name}" for name in names]
        pairs = [(shown(keymap, action), ACTIONS[action].label) for action in ids if keymap.keys_for(action)]
    # The last pair, the help, stays whatever the width; of the others the first ones that fit beside it.
    room = width - _cells(*pairs[-1])
    fitting = [*accumulate(_cells(*pair) + 2 for pair in pairs[:-1])]
    kept = [pair for pair, used in zip(pairs[:-1], fitting, strict=True) if used <= room] + pairs[-1:]
    return [
        piece
        for i, (key, does) in enumerate(kept)
        for piece in (("  " if i else "", ""), (key, "accent"), (f" {does}", ""))
    ]


def _cells(key: str, does: str) -> int:
    return cell_len(key) + 1 + cell_len(does)


def help_lines(keymap: Keymap, marks: Marks, width: int) -> list[list[Piece]]:
    """The keys of review, the project's own definition of each mark, then the other keys. `width` in cells."""
    lines: list[list[Piece]] = [[("KEYS", "accent"), (f"  keymap {keymap.name}", "muted")]]
    lines += _keys_of(keymap, Context.REVIEW, "while reviewing", width)
    lines += [[], [("WHAT THE MARKS MEAN", "accent")]]
    for name, text in (
        ("critical", marks.critical),
        ("unintelligible", marks.unintelligible),
        ("skip", marks.skipped),
        ("disturbing", marks.escalated),
    ):
        lines.append([(name, "strong")])
        lines += [[(f"  {line}", "")] for line in textwrap.wrap(text, max(20, width - 2))]
    lines.append([])
    lines += _keys_of(keymap, Context.EDIT, "while editing", width)
    lines += _keys_of(keymap, Context.ANYWHERE, "at any time", width)
    return lines


KEY_COLUMN = 17


def _keys_of(keymap: Keymap, context: Context, heading: str, width: int) -> list[list[Piece]]:
    lines: list[list[Piece]] = [[(heading, "muted")]]
    for action in ACTIONS.values():
        keys = "  ".join(display(key) for key in keymap.keys_for(action.id))
        if action.context is not context or not keys:
            continue
        first, *rest = textwrap.wrap(action.does, max(20, width - KEY_COLUMN))
        lines.append([(f"{keys:<{KEY_COLUMN - 1}} ", "strong"), (first, "")])
        lines += [[(" " * KEY_COLUMN + line, "")] for line in rest]
    return lines


def history_lines(places: Sequence[Place], width: int) -> list[list[Piece]]:
    """The decisions of this sitting, the latest first; no text of a critical clip. `width` in cells."""
    if not places:
        return [[("Nothing decided in this sitting yet.", "muted")]]
    lines: list[list[Piece]] = [[("THIS SITTING", "accent"), (f"  {len(places)} decided, the latest first", "muted")]]
    for place in places:
        latest = place.latest
        if latest is None:
            continue
        verdict = latest.verdict.value
        text = "" if verdict == "critical" else (place.clip.hypothesis.text if latest.text is None else latest.text)
        told = datetime.fromisoformat(latest.at).astimezone().strftime("%H:%M")
        lines.append([(f"{told}  {verdict:<15}", ""), (text[:width], "muted")])
    return lines


def summary_lines(session: Session, saved: int, keymap: Keymap, why: str) -> list[list[Piece]]:
    """How the sitting went, why nothing is left, and what can be done now."""
    counts = Counter(place.latest.verdict.value for place in session.places if place.decided and place.latest)
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    lines: list[list[Piece]] = [
        [("NOTHING IS LEFT HERE", "accent")],
        [(f"Decided here: {told or 'nothing yet'}.", "")],
        [(f"{saved} saved in this sitting.", "muted")],
        [(why, "muted")],
        [],
    ]
    now = ["review.history", "review.previous", "review.undo"] if counts else []
    rows = [*now, "review.quit"]
    return lines + [[(f"{shown(keymap, action):<10} ", "strong"), (ACTIONS[action].does, "")] for action in rows]
