"""A batch and its store meet: withdrawals first, then results, then the rest of the clips goes back."""

from __future__ import annotations

from earmark.queue.journal import Journal
from earmark.queue.offline.batch_file import BatchError, BatchFolder
from earmark.queue.offline.clock import Clocks
from earmark.queue.store.interface import Head, ReviewStore
from earmark.queue.sync import Sent, erase_withdrawn, send


def withdraw(batch: BatchFolder, journal: Journal | None, store: ReviewStore) -> int:
    """Destroy here what was withdrawn meanwhile, in the batch and in the journal; says of how many clips there was
    something.

    Comes before anything else, at each contact. Without the journal, whose lock is the batch's too, the clips go and
    the plan stays: somebody may be checking out at this moment. Raises `StoreError`, `JournalError`.
    """
    _know(batch, store)
    gone = set(store.withdrawn()[1])
    here = gone & {slot.clip for slot in batch.plan.slots}
    if journal is None:
        return sum(batch.destroy(clip) for clip in sorted(here))
    batch.remove(here)
    erase_withdrawn(journal, here)
    return len(here) + erase_withdrawn(journal, gone - here)


def meet(batch: BatchFolder, journal: Journal, store: ReviewStore, now: Clocks) -> tuple[int, Sent]:
    """Withdraw, and send what was decided; says how many clips went, and what was sent. Raises `StoreError`,
    `JournalError`.

    Clips that the store does not count as this reviewer's any more (skipped, or marked critical by somebody else) are
    destroyed here too.
    """
    gone = withdraw(batch, journal, store)
    # Over a long line, asking for the cursor first would be a wait of its own.
    seen = batch.seen
    chain = journal.chain_at(seen.arrived) if seen.device == journal.device else None
    sent = send(journal, store, since=None if chain is None else Head(seen.arrived, chain))
    clips = [slot.clip for slot in batch.plan.slots]
    batch.remove(set(clips) - store.renew(batch.header.reviewer, clips))
    batch.note_contact(now, journal.device, sent.head.seq)
    return gone, sent


def give_back(batch: BatchFolder, store: ReviewStore) -> int:
    """Give the leases back and destroy the batch; says how many clips went back. Raises `StoreError`."""
    _know(batch, store)
    slots = batch.plan.slots
    store.release(batch.header.reviewer, [slot.clip for slot in slots])
    batch.shred()
    return len(slots)


def _know(batch: BatchFolder, store: ReviewStore) -> None:
    """A batch is found by a store's URL, and that may lead elsewhere by now: another store knows none of its clips, and
    what was decided is in no journal of that one's. Raises `BatchError`.
    """
    header = batch.header
    if store.id != header.store:
        raise BatchError(
            f"{header.url} leads to another store now than the one that the clips here were checked out from. Nothing "
            "was sent and nothing destroyed; what you decided is safe in the journal. Let it lead there again, or give "
            "that store's present URL with --store"
        )
