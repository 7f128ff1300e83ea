"""A store at the other end of a gate. Whatever is asked is safe to ask twice, so that a cut costs one more question.

Several threads may ask; their questions take turns, in order of arrival. A clip's sound is fetched in parts, a turn
each: a push waits for one part at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from earmark.queue.seal import KEY_BYTES
from earmark.queue.store.gate import messages
from earmark.queue.store.gate.channel import PATIENCE, Channel, Conversation, Lost
from earmark.queue.store.gate.messages import MOST_NAMED, MOST_PUSHED, Hello, Requests, Sound, is_id
from earmark.queue.store.gate.turns import Turns
from earmark.queue.store.interface import (
    Counts,
    Head,
    Leased,
    Pushed,
    Quarantined,
    Refused,
    SignInAgain,
    StoreError,
    StoreUnreachable,
)

Given = TypeVar("Given")

MOST_SOUND = 1 << 28
"""Bytes of the longest sound that is taken from a host."""

_Gone = tuple[int, tuple[str, ...]]
_key_in: Callable[[bytes], bytes] = msgspec.msgpack.Decoder(bytes).decode
_head_in: Callable[[bytes], Head] = msgspec.msgpack.Decoder(Head).decode
_pushed_in: Callable[[bytes], Pushed] = msgspec.msgpack.Decoder(Pushed).decode
_quarantined_in: Callable[[bytes], tuple[Quarantined, ...]] = msgspec.msgpack.Decoder(tuple[Quarantined, ...]).decode
_withdrawn_in: Callable[[bytes], _Gone] = msgspec.msgpack.Decoder(_Gone).decode
_leased_in: Callable[[bytes], list[Leased]] = msgspec.msgpack.Decoder(list[Leased]).decode
_held_in: Callable[[bytes], frozenset[str]] = msgspec.msgpack.Decoder(frozenset[str]).decode
_nothing_in: Callable[[bytes], None] = msgspec.msgpack.Decoder(None).decode
_sound_in: Callable[[bytes], Sound] = msgspec.msgpack.Decoder(Sound).decode
_counts_in: Callable[[bytes], Counts] = msgspec.msgpack.Decoder(Counts).decode


class Way(Protocol):
    """How a gate is reached."""

    def open(self) -> Channel:
        """A stream to a fresh gate, without ever asking anybody anything. Raises `StoreError`."""
        ...

    def open_without_sign_in(self) -> bool:
        """Whether somebody has signed in, as far as this machine can tell without asking the host. Raises
        `StoreUnreachable`.
        """
        ...

    def sign_in(self, *, prompt: bool) -> None:
        """Sign in at the host; with `prompt` it may ask on the terminal. Raises `StoreError`."""
        ...


class GateStore:
    """`RemoteReviewStore` over a gate.

    `wanted` is the store that the gate should lead to, where the user named one; `reviewer` in whose name they mean to
    come, where they said so. Raises `StoreUnreachable` (or `SignInAgain`) where the gate cannot be reached, and
    `StoreError` where it refuses.
    """

    def __init__(
        self, way: Way, *, wanted: str | None = None, reviewer: str | None = None, patience: float = PATIENCE
    ) -> None:
        self._way = way
        self._hello = Hello(messages.VERSION, reviewer, wanted)
        self._patience = patience
        self._turns = Turns()
        self._closed = False
        self._signed_out = False
        self._channel: Channel | None = None
        self._talk: Conversation | None = None
        with self._turns:
            welcome = self._conversation().welcome
        self.id = welcome.store
        self.reviewer = welcome.reviewer

    # What a reviewer may ask

    def public_key(self) -> bytes:
        key = self._ask(messages.PublicKey(), _key_in)
        if len(key) != KEY_BYTES:
            raise StoreError("the host gives no key that could be one")
        return key

    def head(self, device: str) -> Head:
        return self._ask(messages.Head(device), _head_in)

    def push(self, device: str, reviewer: str, lines: Sequence[bytes]) -> Pushed:
        self._only(reviewer)
        aside: list[Quarantined] = []
        pushed = Pushed(Head())
        for part in _parts(lines, MOST_PUSHED) if lines else [[]]:
            pushed = self._ask(messages.Push(device, part), _pushed_in)
            aside += pushed.quarantined
            if pushed.fork:
                break
        return Pushed(pushed.head, _told(aside), pushed.fork)

    def quarantined(self, device: str) -> tuple[Quarantined, ...]:
        return _told(self._ask(messages.Quarantined(device), _quarantined_in))

    def withdrawn(self, after: int = 0) -> tuple[int, tuple[str, ...]]:
        return self._ask(messages.Withdrawn(after), _withdrawn_in)

    def lease(
        self,
        reviewer: str,
        count: int,
        *,
        lang: str | None = None,
        first: Sequence[str] = (),
        seconds: float | None = None,
    ) -> list[Leased]:
        self._only(reviewer)
        return _sound_leases(self._ask(messages.Lease(count, lang, list(first)[:MOST_NAMED], seconds), _leased_in))

    def reopen(self, reviewer: str, clips: Sequence[str]) -> list[Leased]:
        self._only(reviewer)
        return _sound_leases(
            [one for part in _parts(clips) for one in self._ask(messages.Reopen(part), _leased_in)],
        )

    def renew(self, reviewer: str, clips: Sequence[str]) -> frozenset[str]:
        self._only(reviewer)
        held: frozenset[str] = frozenset()
        for part in _parts(clips):
            held |= self._ask(messages.Renew(part), _held_in)
        return held

    def release(self, reviewer: str, clips: Sequence[str]) -> None:
        self._only(reviewer)
        for part in _parts(clips):
            self._ask(messages.Release(part), _nothing_in)

    def audio(self, reviewer: str, clip: str) -> bytes:
        self._only(reviewer)
        whole = bytearray()
        while True:
            sound = self._ask(messages.Audio(clip, len(whole)), _sound_in)
            whole += sound.part
            if sound.total > MOST_SOUND or len(whole) > sound.total or not (sound.part or sound.total == len(whole)):
                raise StoreError(f"the host sends no sound of clip {clip} that could be one")
            if len(whole) == sound.total:
                return bytes(whole)

    def counts(self, reviewer: str) -> Counts:
        self._only(reviewer)
        return self._ask(messages.Counts(), _counts_in)

    def close(self) -> None:
        self.hang_up()

    # What only a store elsewhere needs

    def sign_in(self) -> None:
        """Ask the host, on the terminal if it must be, to let us in again. Raises `StoreError`."""
        self._way.sign_in(prompt=True)
        self._signed_out = False

    def hang_up(self) -> None:
        """End it, also while another thread waits for an answer: that one gets `StoreUnreachable`."""
        self._closed = True
        for open_one in (self._talk, self._channel):  # a conversation may be just beginning
            if open_one is not None:
                open_one.close()

    # How

    def _only(self, reviewer: str) -> None:
        if reviewer != self.reviewer:
            raise Refused(f"this way in is {self.reviewer}'s alone: nothing goes through it in another name")

    def _ask(self, request: Requests, decode: Callable[[bytes], Given]) -> Given:
        body = messages.encode(request)
        with self._turns:
            try:
                answer = self._conversation().ask(body)
            except Lost as lost:
                # Once more over a fresh connection; whether the first question arrived makes no difference.
                answer = self._again(body, lost)
        try:
            return decode(answer)
        except messages.NONSENSE:
            raise StoreError("the gate's answer makes no sense: are both Earmarks of the same version?") from None

    def _again(self, body: bytes, lost: Lost) -> bytes:
        if self._closed:
            raise StoreUnreachable("the connection to the host is closed") from lost
        return self._conversation().ask(body)

    def _conversation(self) -> Conversation:
        """The one that is going on, or a new one."""
        talk = self._talk
        if talk is not None and not talk.ended:
            return talk
        if self._closed:
            raise StoreUnreachable("the connection to the host is closed")
        if self._signed_out and not self._way.open_without_sign_in():
            # The host would count every try as a failed sign-in, and may lock the account for it.
            raise SignInAgain("the host asks for a sign-in")
        try:
            self._channel = self._way.open()
            if self._closed:  # while we were at it
                self._channel.close()
            talk = Conversation(self._channel, self._hello, patience=self._patience)
        except SignInAgain:
            self._signed_out = True
            raise
        self._signed_out = False
        self._check(talk)
        self._talk = talk
        return talk

    def _check(self, talk: Conversation) -> None:
        store, reviewer = talk.welcome.store, talk.welcome.reviewer
        sound = is_id(store) and reviewer == reviewer.strip() and reviewer.isprintable()
        same = self._talk is None or (store, reviewer) == (self.id, self.reviewer)
        if not (sound and same):
            talk.close()
            raise StoreError("the host leads to another store or reviewer than before: leave, and open it anew")


def _told(aside: Sequence[Quarantined]) -> tuple[Quarantined, ...]:
    """The reasons are the host's words, and are kept and shown: cleaned, and no longer than words need be."""
    return tuple(Quarantined(one.seq, messages.words_of(one.reason)) for one in aside)


def _parts(given: Sequence[Given], most: int = MOST_NAMED) -> Iterator[list[Given]]:
    for start in range(0, len(given), most):
        yield list(given[start : start + most])


def _sound_leases(leased: list[Leased]) -> list[Leased]:
    """What a host leases, as far as it can be true: names become parts of lines and messages, lengths are drawn."""
    for one in leased:
        clip = one.clip
        if not (is_id(clip.id) and is_id(one.lease) and 0 < clip.duration < 1e6 and clip.rate > 0):
            raise StoreError("the host leases a clip that cannot be one")
        if not math.isfinite(one.expires):
            raise StoreError("the host leases a clip for ever")
    return leased
