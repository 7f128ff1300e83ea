"""What the status line says, and what it leaves out where there is no room for all."""

from __future__ import annotations

from earmark.queue.session import Progress
from earmark.tui.sitting import SyncState
from earmark.tui.widgets.lines import Piece, cells, spread

Group = list[Piece]


def status_line(
    progress: Progress, saved: int, sync: SyncState, sound: Piece, unsynced_warn: int, offline: str, width: int
) -> list[Piece]:
    """Progress and pace at the left; saved, unsent and the way out for sound at the right. `offline` says until when
    there need be no store: then nothing unsent is a reason to worry. `width` in cells.
    """
    many = sync.unsent >= unsynced_warn and not offline
    unsent = f"{'! ' if many or sync.trouble else ''}unsent {sync.unsent}"
    left: dict[str, Group] = {
        "name": [("Earmark ", "accent"), (" ", "")],
        "counts": [(f"{progress.decided} decided · {progress.at_hand} to go", "")],
        "pace": [(f" · {progress.pace:.0f} clips/h", "muted")] if progress.pace is not None else [],
    }
    right: dict[str, Group] = {
        "sign in": [("! sign in again", "warn")] if sync.sign_in else [],
        "offline": [(offline, "accent")] if offline else [],
        "saved": [
            (f"saved {saved}", "good" if saved else "muted"),
            (" · ", "muted"),
            (unsent, "warn" if many or sync.trouble else "muted"),
        ],
        "sound": [sound],
    }
    # What is saved and unsent stays longest; the pace goes first, then the way out for sound where it works.
    going = ["pace", *(["sound"] if sound[1] == "muted" else []), "name", "counts", "offline", "sound", "sign in"]
    while True:
        first = [piece for group in left.values() for piece in group]
        last = _joined([group for group in right.values() if group])
        if cells(first) + cells(last) + (1 if first else 0) <= width or not going:
            return spread(first, last, width) if first else last
        gone = going.pop(0)
        left.pop(gone, None)
        right.pop(gone, None)


def _joined(groups: list[Group]) -> list[Piece]:
    return [piece for i, group in enumerate(groups) for piece in ([(" · ", "muted")] if i else []) + group]
