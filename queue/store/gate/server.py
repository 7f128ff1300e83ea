"""The gate: one reviewer's requests, read from a stream, asked of a store, and answered. It believes nothing it reads.

One request at a time, each bounded in size, type and number, and no more a second than a person's program needs. What
is no request ends the connection, with words. Nothing can be asked but what `ReviewStore` has, and in nobody else's
name than the one that the gate was started for.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from earmark.queue.store.gate import messages
from earmark.queue.store.gate.frames import (
    MAGIC,
    MOST_ANSWERED,
    MOST_ASKED,
    BadFrame,
    Ended,
    Read,
    packed,
    read_frame,
)
from earmark.queue.store.gate.messages import MOST_NAMED, PART, Hello, Requests, Sound, Welcome
from earmark.queue.store.gate.rate import Bucket
from earmark.queue.store.interface import Leased, ReviewStore, StoreError

WELL = 0
BAD = 76
"""The exit code after a frame that was none (`EX_PROTOCOL` of sysexits.h)."""

MOST_OF_HELLO = 1 << 13

Write = Callable[[bytes], None]
"""Takes all that it is given, or raises `Gone`."""


class Gone(Exception):
    """Nobody is there to be answered any more."""


def serve(
    open_store: Callable[[], ReviewStore],
    reviewer: str,
    read: Read,
    write: Write,
    *,
    store_url: str | None = None,
    longest: float | None = None,
    bucket: Bucket | None = None,
) -> int:
    """Answer until the stream ends; says with which code the program should exit.

    `store_url` is what the store is called here, to compare with the store that the client expects; `longest` bounds
    the leases that a client asks for (s). Whatever else goes
    wrong is raised, after a goodbye that does not tell what it was.
    """
    try:
        write(MAGIC)
        try:
            return _served(open_store, reviewer, read, write, store_url, longest, bucket or Bucket())
        except (BadFrame, StoreError) as error:
            write(packed(messages.goodbye(str(error))))
            return BAD
        except Exception as error:
            if not isinstance(error, (Ended, Gone)):
                write(packed(messages.goodbye(f"a fault of the gate's own ({type(error).__name__})")))
            raise
    except (Ended, Gone):
        return WELL


def _served(
    open_store: Callable[[], ReviewStore],
    reviewer: str,
    read: Read,
    write: Write,
    url: str | None,
    longest: float | None,
    bucket: Bucket,
) -> int:
    first = read_frame(read, MOST_OF_HELLO)
    if first is None:
        return WELL
    _check(_hello(first), reviewer, url)
    store = open_store()
    try:
        write(packed(messages.ANSWER + messages.encode(Welcome(messages.VERSION, store.id, reviewer))))
        gate = _Gate(store, reviewer, longest)
        while (body := read_frame(read, MOST_ASKED)) is not None:
            bucket.take()
            write(packed(gate.answer(_request(body))))
    finally:
        store.close()
    return WELL


def _hello(body: bytes) -> Hello:
    try:
        return messages.hello_in(body)
    except messages.NONSENSE:
        raise BadFrame("the first frame is no greeting of Earmark's") from None


def _request(body: bytes) -> Requests:
    # What a decoder says of a fault may hold what was sent: it stays here.
    try:
        return messages.request_in(body)
    except messages.NONSENSE:
        raise BadFrame("a frame that is no request, or one beyond its bounds") from None


def _check(hello: Hello, reviewer: str, url: str | None) -> None:
    """Whether the client comes for what this gate leads to. Raises `BadFrame` in words for the client's user."""
    if hello.version != messages.VERSION:
        older = "the host's" if hello.version > messages.VERSION else "this machine's"
        raise BadFrame(
            f"the host's gate speaks version {messages.VERSION}, this machine's Earmark version {hello.version}: "
            f"upgrade {older}"
        )
    if hello.reviewer not in (None, reviewer):
        raise BadFrame(f"this way in is for {reviewer} alone: leave --reviewer out, or use a key of your own")
    if hello.store is not None and url is not None and not _same_store(hello.store, url):
        raise BadFrame("this key leads to another store than the URL names: leave out what follows the host")


def _same_store(wanted: str, url: str) -> bool:
    """Whether the store that a client asks for is this one, be it named by its URL or by the end of its path."""
    if wanted == url:
        return True
    name, path = (text.partition("://")[2].strip("/").split("/") for text in (wanted, url))
    return path[-len(name) :] == name and name != [""]


class _Gate:
    """Requests to answers, for one reviewer."""

    def __init__(self, store: ReviewStore, reviewer: str, longest: float | None) -> None:
        self._store = store
        self._reviewer = reviewer
        self._longest = longest
        self._sound: tuple[str, bytes] | None = None
        """The clip whose sound is on its way, in parts, and its sound."""

    def answer(self, request: Requests) -> bytes:
        """The body of the answer."""
        try:
            body = messages.ANSWER + self._asked(request)
        except StoreError as error:
            return messages.failure(error)
        if len(body) > MOST_ANSWERED:
            return messages.failure(StoreError("the answer is too long for this way: ask at the store's own host"))
        return body

    def _asked(self, request: Requests) -> bytes:
        store, reviewer, encode = self._store, self._reviewer, messages.encode
        match request:
            case messages.PublicKey():
                return encode(store.public_key())
            case messages.Head(device):
                return encode(store.head(device))
            case messages.Push(device, lines):
                return encode(store.push(device, reviewer, lines))
            case messages.Quarantined(device):
                return encode(store.quarantined(device))
            case messages.Withdrawn(after):
                return encode(store.withdrawn(after))
            case messages.Lease(count, lang, first, seconds):
                count = min(count, MOST_NAMED)
                if seconds is not None and self._longest is not None:
                    seconds = min(seconds, self._longest)
                return _fitting(store.lease(reviewer, count, lang=lang, first=first, seconds=seconds))
            case messages.Reopen(clips):
                return _fitting(store.reopen(reviewer, clips))
            case messages.Renew(clips):
                return encode(store.renew(reviewer, clips))
            case messages.Release(clips):
                store.release(reviewer, clips)
                return encode(None)
            case messages.Audio(clip, start):
                return encode(self._part(clip, start))
            case messages.Counts():
                return encode(store.counts(reviewer))

    def _part(self, clip: str, start: int) -> Sound:
        """A part of a clip's sound. The store is asked at the first part, and again where another clip came between."""
        held, self._sound = self._sound, None
        whole = held[1] if held is not None and held[0] == clip and start else self._store.audio(self._reviewer, clip)
        part = whole[start : start + PART]
        if start + len(part) < len(whole):
            self._sound = (clip, whole)
        return Sound(len(whole), part)


def _fitting(leased: list[Leased]) -> bytes:
    """As many of the leases as fit into one answer. The others stay the reviewer's, and come with the next ones."""
    kept: list[msgspec.Raw] = []
    size = 16
    for one in leased:
        encoded = messages.encode(one)
        size += len(encoded)
        if size > MOST_ANSWERED:
            break
        kept.append(msgspec.Raw(encoded))
    return messages.encode(kept)


def reading(descriptor: int) -> Read:
    """Reads a file descriptor; one that cannot be read has ended."""

    def read(most: int) -> bytes:
        try:
            return os.read(descriptor, most)
        except OSError:
            return b""

    return read


def writing(descriptor: int) -> Write:
    """Writes all of it to a file descriptor."""

    def write(data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            raise Gone from None

    return write
