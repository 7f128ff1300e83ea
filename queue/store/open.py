"""From a store's URL to the store. Only the module for the URL's scheme is imported."""

from __future__ import annotations

from pathlib import Path

from earmark.queue.store.interface import ReviewStore, Store, StoreError

LEASE_SECONDS = 15 * 60.0
CRITICAL_HOLD = 7 * 24 * 3600.0
MOST_LEASE = 7 * 24 * 3600.0

_SCHEMES = ("sqlite", "postgresql", "ssh")


def open_store(
    url: str,
    *,
    lease_seconds: float = LEASE_SECONDS,
    critical_hold: float = CRITICAL_HOLD,
    most_lease: float = MOST_LEASE,
    master_key: str | None = None,
    via: str | None = None,
) -> Store:
    """The store that `url` names; an SQLite store is made when it is not there.

    `sqlite:///PATH` is a folder on this machine, PATH being all that follows the third slash: relative as in
    `sqlite:///clips/store`, from the root as in `sqlite:////srv/store`, or with `~` for one's home.

    `postgresql://USER@HOST/DATABASE` is a store that `earmark store init` made there; `master_key` names the file with
    the key that its audio keys are sealed under, or is `command:` and a command that prints it.

    `lease_seconds` is how long a lease lasts unless renewed, `most_lease` the longest that anybody gets who asks for
    more, `critical_hold` how long after a critical mark the clip's audio key is destroyed, all in seconds; in
    PostgreSQL the store's own policy says the last two. `via` is how somebody came here, for a team's audit. Raises
    `StoreError`; also for `ssh://`, which leads to no more than a `ReviewStore`.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        shown = _shown(url)
        such = f", such as sqlite:///{url}" if shown == url else " or postgresql://USER@HOST/DATABASE"
        raise StoreError(f"'{shown}' is no store's URL; write sqlite:///PATH{such}")
    if scheme not in _SCHEMES:
        raise StoreError(f"unknown kind of store '{_shown(scheme)}'; {_nearest(scheme)}")
    if scheme == "postgresql":
        return _postgres(url, lease_seconds, master_key, via)
    if scheme == "ssh":
        raise StoreError(
            f"'{_shown(url)}' is for reviewing: load, export and withdraw on the store's own host, or name the store "
            "itself"
        )
    if not rest.startswith("/") or not rest.strip("/"):
        raise StoreError(f"'{_shown(url)}' names no folder; write sqlite:///PATH with three slashes (four for /PATH)")

    from earmark.queue.store.sqlite import SqliteStore

    try:
        folder = Path(rest[1:]).expanduser()
    except RuntimeError:
        raise StoreError(f"'{url}': there is no such user's home; write the path in full") from None
    return SqliteStore(folder, lease_seconds=lease_seconds, critical_hold=critical_hold, most_lease=most_lease)


def open_review_store(
    url: str,
    *,
    reviewer: str | None = None,
    prompt: bool = True,
    lease_seconds: float = LEASE_SECONDS,
    critical_hold: float = CRITICAL_HOLD,
    most_lease: float = MOST_LEASE,
    master_key: str | None = None,
) -> ReviewStore:
    """As `open_store`, for reviewing alone: `url` may be `ssh://[user@]host[:port][/store]` too.

    There the gate says who the reviewer is, and refuses whoever means to be somebody else than `reviewer`; with
    `prompt`, ssh may ask on the terminal for what it needs to sign in.
    """
    if url.startswith("ssh://"):
        from earmark.queue.store.gate.ssh import open_ssh

        return open_ssh(url, reviewer=reviewer, prompt=prompt)
    return open_store(
        url, lease_seconds=lease_seconds, critical_hold=critical_hold, most_lease=most_lease, master_key=master_key
    )


def _postgres(url: str, lease_seconds: float, master_key: str | None, via: str | None) -> Store:
    try:
        from earmark.queue.store.postgres import PostgresStore
    except ImportError:
        raise StoreError("a store in PostgreSQL needs psycopg: pip install 'earmark[postgres]'") from None
    return PostgresStore(url, lease_seconds=lease_seconds, master_key=master_key, via=via)


def _shown(url: str) -> str:
    from earmark.queue.store.gate.address import without_user

    return without_user(url)


def _nearest(scheme: str) -> str:
    import difflib

    near = difflib.get_close_matches(scheme, _SCHEMES, 1, 0.5)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(_SCHEMES)}"
