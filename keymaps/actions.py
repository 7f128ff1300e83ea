"""The one registry of actions: what a key can do, and in which context.

Help, the hint line, the README's table and the checks all read it, so none of them can drift from another.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Context(StrEnum):
    """Where a key is heard: while reviewing, while editing the text, or in both."""

    REVIEW = "review"
    EDIT = "edit"
    ANYWHERE = "anywhere"


class Action(NamedTuple):
    """Something a key can do.

    `id` is `context.name`. `does` finishes the sentence "this key is to …", for help and README. `label` is the short
    form for the hint line, at most 12 characters. `required` actions must have a key in every keymap, because without
    it the screen could not be worked, or not be left.
    """

    id: str
    context: Context
    label: str
    does: str
    required: bool = False


def _actions(context: Context, *rows: tuple[str, str, str], required: str) -> list[Action]:
    """The actions of one context from rows of (name, label, does); `required` names those that must have a key."""
    must = required.split()
    return [Action(f"{context}.{name}", context, label, does, name in must) for name, label, does in rows]


ACTIONS = MappingProxyType(
    {
        action.id: action
        for action in (
            *_actions(
                Context.REVIEW,
                ("play_pause", "play", "play or pause"),
                ("replay", "replay", "play again from the start"),
                ("back", "back", "go one second back"),
                ("forward", "on", "go one second on"),
                ("slower", "slower", "play slower"),
                ("faster", "faster", "play faster"),
                ("loop", "loop", "play round and round, or stop that"),
                ("accept", "accept", "accept the text and go to the next clip"),
                ("edit", "edit", "edit the text"),
                ("critical", "critical", "mark as critical: the text is dropped, the clip is taken away"),
                ("unintelligible", "unclear", "mark as unintelligible"),
                ("skip", "skip", "skip this clip"),
                ("escalate", "disturbing", "mark as disturbing; the next clip waits for a key"),
                ("undo", "undo", "take the last decision back"),
                ("previous", "previous", "go to the previous clip"),
                ("history", "history", "show what was decided in this sitting"),
                ("sign_in", "sign in", "sign in again at the store's host, when it asks for it"),
                ("help", "help", "show the keys and what each mark means"),
                ("quit", "quit", "end the sitting"),
                required="accept critical quit",
            ),
            *_actions(
                Context.EDIT,
                ("hear_again", "last 2 s", "hear the last two seconds again"),
                ("save", "save", "save the text and go to the next clip"),
                ("leave", "leave", "leave the text as it stands, caret kept"),
                ("back", "back", "go one second back"),
                ("forward", "on", "go one second on"),
                ("play_pause", "play", "play or pause"),
                ("replay", "replay", "play again from the start"),
                ("slower", "slower", "play slower"),
                ("faster", "faster", "play faster"),
                ("undo", "undo", "undo the last change of the text"),
                ("redo", "redo", "redo the change that was undone"),
                required="save leave",
            ),
            *_actions(
                Context.ANYWHERE,
                ("critical", "critical", "mark as critical, from the text too: what was typed is dropped"),
                ("quit", "quit", "end the sitting; a text being edited is kept as a draft"),
                required="critical",
            ),
        )
    }
)
"""Every action by its id, in the order in which help shows them."""
