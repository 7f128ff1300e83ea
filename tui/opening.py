"""Open a sitting: store, journal, first clips, then the screen."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import click

from earmark.queue.batch import Batch
from earmark.queue.decision import Verdict
from earmark.queue.journal import Journal, JournalError
from earmark.queue.journal.reading import decision_of
from earmark.queue.session import Session
from earmark.queue.store.interface import OfflineReviewStore, StoreError
from earmark.queue.sync import Sent, send
from earmark.tui.commands.common import batch_of, journal_folder, open_review_store_of
from earmark.tui.commands.outlet import unfiltered
from earmark.tui.settings import Settings, user_keymap
from earmark.tui.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from earmark.queue.store.interface import Leased, ReviewStore
    from earmark.tui.app import EarmarkApp
    from earmark.tui.sound.player import Player, PlayerEvent
    from earmark.tui.sound.track import Track


def sit_down(
    settings: Settings,
    *,
    greeting: str = "",
    limit: int | None = None,
    recall: bool = False,
    key_file: Path | None = None,
) -> None:
    """Run the review screen until it is left. Raises what `open_sitting` does, before the screen opens."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.ClickException("the review screen needs a terminal; run it in one, over SSH with `ssh -t`.")
    # Thousands of objects are made until the first paint and none is garbage: looking for it would take a tenth of the
    # time.
    gc.disable()
    app = open_sitting(settings, greeting=greeting, limit=limit, recall=recall, key_file=key_file)
    with unfiltered():
        app.run(mouse=False)
    sitting = app.reviewing.sitting
    if words := words_of(sitting.untold):
        click.echo(words, err=True)
    if app.farewell:
        raise click.ClickException(app.farewell)
    if app.return_code:
        raise click.exceptions.Exit(app.return_code)
    later = " `earmark checkin` sends what you decided." if sitting.offline else ""
    click.echo(f"{sitting.saved} saved, {sitting.sync.unsent} not sent yet.{later}", err=True)


def open_sitting(
    settings: Settings,
    *,
    greeting: str,
    limit: int | None = None,
    recall: bool = False,
    key_file: Path | None = None,
) -> EarmarkApp:
    """The program on the screen, ready to run, with its first clips. `recall` shows what was decided in earlier
    sittings again. Where clips are checked out, the sitting is offline; `key_file` opens them in place of the one that
    they were locked with.

    Raises `StoreError`, `JournalError` (busy, corrupt) or `KeymapError`; then nothing is left open.
    """
    from earmark.keymaps.keymap import load

    keymap = load(settings.keymap, user_keymap())
    # Before anything is drawn.
    store, journal, settings = open_desk(settings, key_file)
    news = ""
    try:
        session = Session(settings.reviewer_name, must_hear=settings.must_hear)
        batch = Batch(store, settings.reviewer_name, decode, size=settings.batch, lang=settings.lang, limit=limit)
        recovered = journal.recovered  # what is sent may have the journal opened anew
        sent = send_left_over(journal, store)
        news = news_of(recovered, journal.recovered) if sent is None else news_of(words_of(sent), recovered)
        drafts = journal.drafts()
        leased = batch.fill(first=list(drafts))
        session.extend(leased, drafts=drafts, revisions=revisions(journal, leased))
        away = isinstance(store, OfflineReviewStore)
        recall_decided(session, journal, batch, journal.clips() if recall or away else drafts.keys(), drafts)
        if not session.places and not store.counts(settings.reviewer_name).clips:
            raise click.ClickException(
                f"{settings.store_shown} is empty: put clips in with `earmark load MANIFEST`, or try `earmark demo`."
            )
        # The screen is imported last: whatever is wrong with store or journal is said without waiting for it.
        from earmark.tui.app import EarmarkApp
        from earmark.tui.sitting import Sitting

        sitting = Sitting(
            session,
            journal,
            batch,
            store,
            sync_seconds=settings.sync_seconds,
            lease_seconds=settings.lease_minutes * 60,
            keep_days=settings.keep_days,
            head=sent.head if sent is not None else None,
        )
        silent = "Sound is off (--sound none)." if settings.sound == "none" else None
        return EarmarkApp(
            sitting,
            partial(make_player, settings.sound),
            keymap,
            settings,
            greeting=greeting,
            news=news,
            silent=silent,
        )
    except BaseException:
        if news:
            click.echo(news, err=True)  # no later opening says it again
        journal.close()
        store.close()
        raise


def open_desk(settings: Settings, key_file: Path | None) -> tuple[ReviewStore, Journal, Settings]:
    """The store, or the batch that was checked out from it, the journal, and the settings with the reviewer whom the
    store knows. Whatever ssh or the batch asks, it asks here.
    """
    away = batch_of(settings)
    if away is not None:
        from earmark.tui.offline import open_offline, theirs

        settings = theirs(settings, away)
        return *open_offline(away, settings, key_file), settings
    store, settings = open_review_store_of(settings)
    try:
        journal = Journal.open(journal_folder(settings, store.id), settings.reviewer_name, app=VERSION)
    except BaseException:
        store.close()
        raise
    return store, journal, settings


def send_left_over(journal: Journal, store: ReviewStore) -> Sent | None:
    """Send what a sitting that was killed, or had lost the store, could not: else its clips would be leased again, as
    if nobody had decided them. None where that cannot be done now.
    """
    try:
        return send(journal, store)
    except (JournalError, StoreError):
        return None  # the sitting's own sync tries again, and says what is wrong


def news_of(*told: str) -> str:
    """What the reviewer should know of the opening, the weightiest first: two lines have room for it."""
    return " ".join(f"{words.rstrip('.')}." for words in dict.fromkeys(told) if words)


def words_of(sent: Sent) -> str:
    """What the reviewer should know of a sync; "" for nothing."""
    if count := len(sent.quarantined):
        return f"The store set {count} of your lines aside; `earmark journal show --quarantine` says why."
    return GOES_ON if sent.renewed else ""


GOES_ON = "The store knew other lines under this journal's number: it goes on under a new one, nothing is lost."
"""What to say of a journal that was copied, or put back from a copy."""


def make_player(preference: str, report: Callable[[PlayerEvent], None]) -> Player:
    """A player for the ways out that are preferred; imported only now, after the first paint."""
    from earmark.tui.sound.player import Player
    from earmark.tui.sound.sinks.choose import ways

    sinks, speaker = ways(preference)
    return Player(report, sinks, speaker=speaker)


def decode(flac: bytes) -> Track:
    """From the store's FLAC to what is played, made ready: evening out its loudness must not wait till it is wanted."""
    from earmark.queue.audio import decode as frames
    from earmark.tui.sound.track import Track

    track = Track(*frames(flac))
    track.ready()
    return track


def revisions(journal: Journal, leased: Iterable[Leased]) -> dict[str, int]:
    """How many decisions the reviewer has made before on clips that come up again, after a retraction say."""
    return {clip: entry.revision for clip, entry in journal.latest(item.clip.id for item in leased).items()}


def recall_decided(
    session: Session, journal: Journal, batch: Batch[Track], clips: Iterable[str], drafts: Mapping[str, str]
) -> None:
    """Put clips decided in earlier sittings before those that wait, with what was decided and what was left unfinished;
    critical ones stay away.
    """
    latest = {
        clip: entry
        for clip, entry in journal.latest(clips).items()
        # What an earlier batch has sealed nobody can read here any more.
        if entry.verdict not in (Verdict.CRITICAL, Verdict.RETRACTED) and not entry.sealed
    }
    for leased in batch.recall(list(latest)) if latest else ():
        session.recall(leased, decision_of(latest[leased.clip.id]), drafts.get(leased.clip.id))
