"""The gate as a process: its streams, its signals, and what sshd tells it about who asked for what."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import PurePath
from types import FrameType

from earmark.queue.store.gate.server import reading, serve, writing
from earmark.queue.store.interface import PersonalStore, ReviewStore, StoreError


def run(
    store_url: str,
    reviewer: str | None,
    *,
    named: bool,
    lease_seconds: float,
    critical_hold: float,
    most_lease: float,
    longest: float | None = None,
    master_key: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Serve one client over standard input and output; says with which code to exit.

    `reviewer` None is whose account this is: as the system has it, not as the environment says. `named` means that
    whoever set the gate up said which store it leads to; else the client may have, and is not compared. `longest` is
    the longest lease that can be asked for over this way in (s), whatever the store's own policy allows. Raises
    `StoreError` for a client that wants something else than a gate, or that is a person at a terminal.
    """
    if sys.platform == "win32":
        raise StoreError("a gate needs Linux, macOS or another Unix: Windows changes the bytes on its standard streams")
    wanted = environ.get("SSH_ORIGINAL_COMMAND")
    if wanted is not None and not is_for_gate(wanted):
        raise StoreError("this key is for reviewing with Earmark and for nothing else: no shell, no files, no commands")
    if sys.stdin is not None and sys.stdin.isatty():
        raise StoreError("a gate talks to Earmark at the other end of ssh, not to people: see 'earmark gate --help'")
    source, sink = os.dup(0), os.dup(1)
    # Whatever else is printed in this process is no frame.
    os.dup2(2, 1)
    for name in ("SIGHUP", "SIGTERM", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave)
    name = reviewer or account()
    return serve(
        partial(_open, store_url, name, lease_seconds, critical_hold, most_lease, master_key, way_in(environ)),
        name,
        reading(source),
        writing(sink),
        store_url=store_url if named else None,
        longest=longest,
    )


def is_for_gate(command: str) -> bool:
    """Whether the command that a client asked sshd for is `earmark gate`, whatever follows: none of it counts."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    return len(words) >= 2 and PurePath(words[0]).name == "earmark" and words[1] == "gate"


def account() -> str:
    """The name of the account that this process runs under."""
    try:
        import pwd
    except ImportError:  # Windows
        import getpass

        return getpass.getuser()
    return pwd.getpwuid(os.getuid()).pw_name


def way_in(environ: Mapping[str, str]) -> str:
    """How somebody came to this gate, for the store's audit: `gate ssh` with the address that sshd gives
    (SSH_CONNECTION), or `gate` alone.
    """
    import ipaddress

    try:
        address, _, _ = environ.get("SSH_CONNECTION", "").partition(" ")
        return f"gate ssh {ipaddress.ip_address(address)}"
    except ValueError:
        return "gate ssh" if "SSH_CONNECTION" in environ else "gate"


def _open(
    url: str,
    reviewer: str,
    lease_seconds: float,
    critical_hold: float,
    most_lease: float,
    master_key: str | None,
    via: str,
) -> ReviewStore:
    from earmark.queue.store.open import open_store

    store = open_store(
        url,
        lease_seconds=lease_seconds,
        critical_hold=critical_hold,
        most_lease=most_lease,
        master_key=master_key,
        via=via,
    )
    if isinstance(store, PersonalStore) and store.reviewer != reviewer:
        # The client cannot mend it, and would hear of it only when it leases.
        knows = "as nobody who reviews" if store.reviewer is None else f"as {store.reviewer}"
        store.close()
        raise StoreError(
            f"this way in is {reviewer}'s, but the store knows its login {knows}: whoever runs the host must name the "
            "same person in --store and in --as"
        )
    return store


def _leave(number: int, _: FrameType | None) -> None:
    # An open transaction is rolled back on the way out; what had been answered stays.
    raise SystemExit(128 + number)
