"""`earmark doctor`: what works here, what does not, and what to do."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator

import click

from earmark.tui.commands.common import Invocation, batch_of, invocation, journal_folder, open_review_store_of, plural
from earmark.tui.commands.doctor_sound import Finding, sound
from earmark.tui.settings import Settings, config_path

SIGNS = {"ok": "✓", "note": "·", "bad": "✗"}


@click.command()
@invocation
def doctor(given: Invocation) -> None:
    """Look at sound, terminal, store, journal, disk and clock; say what works, what does not, and what to do.

    Each way out for sound plays a short tone. Over SSH the lines are printed that bring sound to your end. The exit
    code is 1 when reviewing cannot work.

    \b
    Examples:
      earmark doctor
    """
    settings = given.settings()
    bad = False
    width = shutil.get_terminal_size().columns
    for look in (_settings, _terminal, _store, _disk, _clock, _sound):
        for finding in look(settings):
            bad |= finding.state == "bad"
            if finding.state == "line":
                # To be copied: whole, however wide the window is.
                click.echo(f"  {finding.about}:\n    {finding.found}")
                continue
            head = f"{SIGNS[finding.state]} {finding.about:<9} "
            for text, first in ((finding.found, head), (finding.remedy, " " * len(head))):
                if text:
                    click.echo(textwrap.fill(text, width, initial_indent=first, subsequent_indent=" " * len(head)))
    if bad:
        raise click.exceptions.Exit(1)


def _settings(settings: Settings) -> Iterator[Finding]:
    from earmark.keymaps.keymap import load
    from earmark.tui.settings import user_keymap

    path = config_path()
    yield Finding("ok", "settings", str(path) if path.exists() else f"defaults ({path} is not there, and need not be)")
    keymap = load(settings.keymap, user_keymap())
    yield Finding("ok", "keys", f"keymap {keymap.name}")


def _terminal(settings: Settings) -> Iterator[Finding]:
    term = os.environ.get("TERM", "")
    if not sys.stdout.isatty():
        yield Finding(
            "note", "terminal", "standard output is no terminal", "Run this in the terminal in which you will review."
        )
    else:
        size = shutil.get_terminal_size()
        small = size.columns < 80 or size.lines < 24
        remedy = "Make the window at least 80 columns by 24 rows." if small else ""
        yield Finding(
            "note" if small else "ok", "terminal", f"{term or 'unnamed'}, {size.columns}×{size.lines}", remedy
        )
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        yield Finding(
            "bad",
            "terminal",
            f"the locale's encoding is {sys.stdout.encoding}",
            "Set LANG=C.UTF-8 or another UTF-8 locale.",
        )
    if os.environ.get("SSH_CONNECTION"):
        yield Finding("note", "terminal", "reached over SSH", "`ssh -C` makes the screen much lighter on a slow line.")


def _sound(settings: Settings) -> Iterator[Finding]:
    return sound(settings.sound)


def _store(settings: Settings) -> Iterator[Finding]:
    from earmark.queue.journal.reading import arrived, standing
    from earmark.queue.journal.verify import verify
    from earmark.queue.store.interface import StoreError

    batch = batch_of(settings)
    if batch is not None:
        from earmark.tui.offline import told

        yield Finding("ok", "offline", told(batch))
    try:
        store, settings = open_review_store_of(settings)
    except StoreError as error:
        if batch is not None:
            yield Finding("note", "store", str(error), "Until then `earmark review` works with the clips checked out.")
            return
        yield Finding("bad", "store", str(error), "Check --store, EARMARK_STORE or `store` in config.toml.")
        return
    try:
        if batch is not None:
            from earmark.queue.offline.checkin import withdraw

            try:
                withdraw(batch, None, store)
            except StoreError as error:
                yield Finding("bad", "offline", str(error))
        counts = store.counts(settings.reviewer_name)
        waiting = f"{plural(counts.clips, 'clip')}, {counts.at_hand:,} of them at hand for {settings.reviewer_name}"
        remedy = "" if counts.clips else "Put clips in with `earmark load MANIFEST`, or try `earmark demo`."
        yield Finding("ok" if counts.clips else "note", "store", f"{settings.store_shown}: {waiting}", remedy)
        folder = journal_folder(settings, store.id)
        if folder.is_dir():
            own = standing(folder)
            unsent = max(0, own.seq - (arrived(folder, store.head(own.device)) if own.device else 0))
            faults = verify(folder).faults
            yield Finding(
                "bad" if faults else "ok",
                "journal",
                f"{plural(own.seq, 'line')}, {unsent} unsent, {plural(len(faults), 'fault')}",
                "See `earmark journal verify`." if faults else "",
            )
    finally:
        store.close()


def _disk(settings: Settings) -> Iterator[Finding]:
    import tempfile

    home = settings.home_path
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            times = []
            for _ in range(10):
                file.write(b"x" * 400)
                file.flush()
                began = time.perf_counter()
                os.fsync(file.fileno())
                times.append(time.perf_counter() - began)
    except OSError as error:
        yield Finding("bad", "disk", f"{home}: {error.strerror}", "Choose a folder you may write to with --home.")
        return
    free = shutil.disk_usage(home).free
    yield Finding(
        "bad" if free < 50 << 20 else "ok",
        "disk",
        f"{home}: {free / 2**30:.1f} GiB free, a durable write takes {sorted(times)[5] * 1000:.1f} ms",
        "Make room: decisions cannot be saved on a full disk." if free < 50 << 20 else "",
    )


def _clock(settings: Settings) -> Iterator[Finding]:
    now = time.time()
    sane = 1.76e9 < now < 4.1e9
    told = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    yield Finding(
        "ok" if sane else "bad", "time", told, "" if sane else "Set the clock: leases and times would be wrong."
    )
