"""A keymap: which key does what in which context."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from earmark.keymaps.actions import ACTIONS, Action, Context
from earmark.keymaps.check import check, merged
from earmark.keymaps.fault import Fault, KeymapError
from earmark.keymaps.files import BUILT_IN, DEFAULT, Layer, built_in, from_disk, unknown_keymap
from earmark.keymaps.keys import printable, typed
from earmark.keymaps.layouts import distance, latin


class Keymap(NamedTuple):
    """A checked keymap. `bindings` gives, for each context, the action's id by key, in the spelling of `keys.spell`."""

    name: str
    bindings: Mapping[Context, Mapping[str, str]]

    def lookup(self, context: Context, key: str, character: str | None = None) -> Action | None:
        """What a key press does in `context`, or `None`.

        `key` and `character` are those of Textual's key event. The context's own keys come first, then those that are
        heard anywhere. In review, a key of another layout does what the same key does in the Latin one. In edit, a key
        that types a character is always text.
        """
        pressed = typed(key, character)
        if context is Context.EDIT and printable(pressed):
            return None
        found = self._bound(context, pressed)
        if found is None and context is Context.REVIEW and (same := latin(pressed)):
            found = self._bound(context, typed(same, same))
        return found

    def keys_for(self, action: str) -> tuple[str, ...]:
        """The keys of an action, by its id, the first being the one to show where there is room for one."""
        bindings = self.bindings[ACTIONS[action].context]
        return tuple(key for key, bound in bindings.items() if bound == action)

    def nearest(self, character: str) -> tuple[Action, ...]:
        """The at most two review actions whose letters lie nearest to a letter that has no action, the nearest first.

        A letter of another layout counts where its key lies, one with an accent as its base letter; `()` for what is
        no letter of a keyboard. Nearness is that of QWERTY.
        """
        import unicodedata

        letter = unicodedata.normalize("NFD", latin(character) or character)[:1]
        places = ((distance(letter, key), key, action) for key, action in self.bindings[Context.REVIEW].items())
        ranked = sorted((far, key, action) for far, key, action in places if far is not None)
        return tuple(ACTIONS[action] for action in dict.fromkeys(action for _, _, action in ranked))[:2]

    def _bound(self, context: Context, key: str) -> Action | None:
        for heard in (context, Context.ANYWHERE):
            action = self.bindings[heard].get(key)
            if action is not None:
                return ACTIONS[action]
        return None


def load(name_or_path: str | Path | None = None, user_file: Path | None = None) -> Keymap:
    """A keymap by the name of a built-in one or by the path of a file, with the user's own file laid over it.

    Without a name, the keymap is the one that `user_file` names as its base; that base counts for nothing where a name
    is given. Raises `KeymapError` with every fault if there is any.
    """
    user = from_disk(user_file) if user_file is not None else None
    chosen = name_or_path if name_or_path is not None else (user and user.base) or DEFAULT
    layers = _chosen(chosen)
    if user is not None:
        layers.append(user)
    faults = check(layers)
    if faults:
        raise KeymapError(faults)
    bindings: dict[Context, dict[str, str]] = {context: {} for context in Context}
    for action, keys in merged(layers).items():
        bindings[ACTIONS[action].context] |= dict.fromkeys(keys, action)
    return Keymap(
        Path(chosen).stem, MappingProxyType({context: MappingProxyType(keys) for context, keys in bindings.items()})
    )


def _chosen(name_or_path: str | Path) -> list[Layer]:
    """The layers of a built-in keymap, or of a file over its base."""
    if isinstance(name_or_path, str):
        if name_or_path in BUILT_IN:
            return [built_in(name_or_path)]
        if not (name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path):
            raise KeymapError([Fault("keymap", None, unknown_keymap(name_or_path))])
    layer = from_disk(Path(name_or_path).expanduser())
    return [built_in(layer.base or DEFAULT), layer]
