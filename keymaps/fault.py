"""What can be wrong with a keymap, told to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Fault(NamedTuple):
    """One thing that is wrong: in which file, in which line where that is known (from 1), and what to do."""

    file: str
    line: int | None
    reason: str

    @property
    def message(self) -> str:
        """The whole in one line."""
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: {self.reason}"


class KeymapError(Exception):
    """A keymap that cannot be used. `faults` are all that were found, in the order of the file."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(fault.message for fault in faults))
        self.faults = tuple(faults)
