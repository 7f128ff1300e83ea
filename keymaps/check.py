"""Refuse what would leave a reviewer with a dead key, a wrong key or no key.

Each of these would pass in silence otherwise: the toolkit drops one of two actions on a key, a letter bound in the edit
context never reaches the text, and a key that the terminal does not send does nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from earmark.keymaps.actions import ACTIONS, Context
from earmark.keymaps.fault import Fault
from earmark.keymaps.files import Layer
from earmark.keymaps.keys import printable, quote
from earmark.keymaps.terminals import why_not

_TEXT_KEYS = frozenset(("left", "right", "up", "down", "home", "end", "pageup", "pagedown", "backspace", "delete"))


def check(layers: Sequence[Layer]) -> tuple[Fault, ...]:
    """Everything that is wrong with keymap files laid one over the other, the first one complete.

    The faults of reading come first, then what each file asks for and cannot have, then what is wrong with the
    whole.
    """
    faults = [fault for layer in layers for fault in layer.faults]
    for layer in layers:
        for action, keys in layer.keys.items():
            context = ACTIONS[action].context
            reasons = ((key, refuse(context, key)) for key in keys)
            faults += [layer.fault(action, f"{action}: {quote(key)} {reason}") for key, reason in reasons if reason]
    return (*faults, *_clashes(layers), *_missing(layers))


def merged(layers: Sequence[Layer]) -> dict[str, tuple[str, ...]]:
    """The keys of every action, a later layer's in place of an earlier one's, in the order of the registry."""
    keys = {action: keys for layer in layers for action, keys in layer.keys.items()}
    return {action: keys.get(action, ()) for action in ACTIONS}


def refuse(context: Context, key: str) -> str | None:
    """Why no action of that context may have that key, as the rest of a sentence about it; `None` if one may."""
    if context is not Context.REVIEW and printable(key):
        return "is text while the text is edited; choose a function key or a ctrl key"
    if context is not Context.REVIEW and key in _TEXT_KEYS:
        return "moves or deletes in the text while it is edited; choose a function key or a ctrl key"
    reason = why_not(key)
    return f"cannot be relied on in a terminal: {reason}; choose another key" if reason else None


def _clashes(layers: Sequence[Layer]) -> list[Fault]:
    """One fault for each key that two actions share where both are heard."""
    keys = merged(layers)
    shared: dict[tuple[str, ...], None] = {}
    for context in (Context.REVIEW, Context.EDIT):
        owners: dict[str, list[str]] = {}
        for action in ACTIONS.values():
            if action.context in (context, Context.ANYWHERE):
                for key in keys[action.id]:
                    owners.setdefault(key, []).append(action.id)
        shared |= {(key, *actions): None for key, actions in owners.items() if len(actions) > 1}
    faults = []
    for key, *actions in shared:
        layer = _last(layers, actions)
        named = next((action for action in actions if action in layer.keys), actions[0])
        both = " and of ".join(actions)
        faults.append(
            layer.fault(named, f"{quote(key)} is the key of {both}; give one of them another key, or [] for none")
        )
    return faults


def _missing(layers: Sequence[Layer]) -> list[Fault]:
    """One fault for each action that must have a key and has none."""
    keys = merged(layers)
    unsure = {action for layer in layers for action in layer.unsure}
    without = [a.id for a in ACTIONS.values() if a.required and not keys[a.id] and a.id not in unsure]
    reason = "has no key, and the screen cannot be worked without it; give it one"
    return [_last(layers, [action]).fault(action, f"{action} {reason}") for action in without]


def _last(layers: Sequence[Layer], actions: Sequence[str]) -> Layer:
    """The last layer that says anything of these actions: it is the one to change."""
    return next((layer for layer in reversed(layers) if any(action in layer.keys for action in actions)), layers[-1])
