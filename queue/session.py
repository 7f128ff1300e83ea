"""One sitting: where I am, what I decided, how to take it back, how far and how fast.

Pure: no clock, no disk, no sound. The sitting builds decisions and is told when they are durable (`commit`); until then
nothing has moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from earmark.queue.clip import Clip, Hypothesis
from earmark.queue.decision import HAS_TEXT, NEEDS_HEARING, Decision, Verdict
from earmark.queue.heard import Heard as SoFar
from earmark.queue.store.interface import Leased
from earmark.queue.text import same_text


class Heard(msgspec.Struct, frozen=True):
    """What the player says of a clip when it is decided.

    `share` of the clip that sounded (0 to 1), `plays` how often playing was started, `position` the second at which the
    playhead stood, `audible` whether there is a way out for sound at all.
    """

    share: float = 0.0
    plays: int = 0
    position: float = 0.0
    audible: bool = True


class Stamp(msgspec.Struct, frozen=True):
    """Where a decision's name and time come from: an id (UUIDv7), a told time (RFC 3339, UTC) and a monotonic
    second.
    """

    id: str
    at: str
    now: float


class Place(msgspec.Struct):
    """A clip of this sitting and what became of it.

    `kept` is text that was typed and not saved, with its caret (code points). `heard` (which stretches) and `plays` are
    those of earlier visits in this sitting: who goes back to a clip need not hear it all again. `offered` is true until
    the reviewer has been told that the text is one left unfinished in an earlier sitting.
    """

    leased: Leased
    latest: Decision | None = None
    revision: int = 0
    kept: str | None = None
    caret: int = 0
    sealed: bool = False
    offered: bool = False
    opened: float = 0.0
    keys: int = 0
    heard: SoFar = msgspec.field(default_factory=SoFar)
    plays: int = 0

    @property
    def clip(self) -> Clip:
        return self.leased.clip

    def offer(self, draft: str | None) -> None:
        """Take up a text that was left unfinished, the caret behind it."""
        if draft is not None:
            self.kept, self.caret, self.offered = draft, len(draft), True

    def seal(self) -> None:
        """The critical mark can no longer be taken back: nothing of the clip stays in memory."""
        clip = msgspec.structs.replace(self.clip, hypothesis=Hypothesis(""), peaks=b"")
        self.leased = msgspec.structs.replace(self.leased, clip=clip)
        self.sealed = True

    @property
    def decided(self) -> bool:
        return self.latest is not None and self.latest.verdict is not Verdict.RETRACTED

    @property
    def critical(self) -> bool:
        """Whether it is under a critical mark: then it is not shown again, unless the mark is taken back."""
        return self.latest is not None and self.latest.verdict is Verdict.CRITICAL

    @property
    def shown(self) -> str:
        """The text on the screen: what was typed, else what was decided, else what the machine heard."""
        if self.kept is not None:
            return self.kept
        if self.latest is not None and self.latest.text is not None:
            return self.latest.text
        return self.clip.hypothesis.text


class Progress(msgspec.Struct, frozen=True):
    """How far this sitting is: clips decided, clips at hand, and clips an hour over the last decisions (None at
    first).
    """

    decided: int
    at_hand: int
    pace: float | None


PACE_OVER = 20
"""The pace is that of the last so many decisions: what a reviewer does now, not what the morning was like."""

PACE_FROM = 4
"""So many clips say nothing of a pace yet."""


class Session:
    """The clips of a sitting in their order, and the one on the screen.

    `must_hear` is the share (0 to 1) of a clip that must have sounded before accept, save and unintelligible go
    through; 0 turns it off.
    """

    def __init__(self, reviewer: str, *, must_hear: float = 0.8) -> None:
        self.reviewer = reviewer
        self.must_hear = must_hear
        self.places: list[Place] = []
        self._index: int | None = None
        self._by_clip: dict[str, int] = {}
        self._undo: list[tuple[str, Decision | None]] = []
        self._times: list[float] = []

    # -- clips come and go -------------------------------------------------------------------------------------------

    def extend(
        self, leased: Iterable[Leased], *, drafts: Mapping[str, str] = {}, revisions: Mapping[str, int] = {}
    ) -> int:
        """Put clips behind those at hand, each once. Says how many are new.

        `drafts` are texts left unfinished, `revisions` how many decisions this reviewer has made on a clip before.
        """
        new = 0
        for item in leased:
            if item.clip.id in self._by_clip:
                continue
            place = Place(item, revision=revisions.get(item.clip.id, 0))
            place.offer(drafts.get(item.clip.id))
            self._by_clip[item.clip.id] = len(self.places)
            self.places.append(place)
            new += 1
        return new

    def recall(self, leased: Leased, latest: Decision, draft: str | None = None) -> None:
        """Put a clip decided in an earlier sitting before those that wait, with what was decided on it and, where its
        revision was left unfinished, the text of that.
        """
        if leased.clip.id in self._by_clip:
            return
        place = Place(leased, latest=latest, revision=latest.revision)
        place.offer(draft)
        self.places.insert(0, place)
        self._by_clip = {place.clip.id: i for i, place in enumerate(self.places)}

    def withdraw(self, clips: Iterable[str]) -> bool:
        """Forget withdrawn clips. True when the one on the screen was among them; then `advance` or `open` another."""
        gone = {clip for clip in clips if clip in self._by_clip}
        if not gone:
            return False
        here = self.current
        lost_current = here is not None and here.clip.id in gone
        self.places = [place for place in self.places if place.clip.id not in gone]
        self._by_clip = {place.clip.id: i for i, place in enumerate(self.places)}
        self._undo = [(clip, before) for clip, before in self._undo if clip in self._by_clip]
        if lost_current or here is None:
            self._index = None
        else:
            self._index = self._by_clip[here.clip.id]
        return lost_current

    # -- where I am --------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Place | None:
        """The place on the screen; None when nothing is left to decide."""
        return None if self._index is None else self.places[self._index]

    def waiting(self) -> list[Place]:
        """The places without a decision, in order."""
        return [place for place in self.places if not place.decided]

    def advance(self, now: float) -> Place | None:
        """Go to the first clip without a decision, or with a text that was left unfinished."""
        waiting = (i for i, place in enumerate(self.places) if not place.decided or place.kept is not None)
        index = next(waiting, None)
        return self._go(index, now)

    def previous(self, now: float) -> Place | None:
        """Go to the clip before this one, in the order they were opened; None (and nothing moves) when there is
        none.
        """
        start = len(self.places) if self._index is None else self._index
        index = next((i for i in range(start - 1, -1, -1) if not self.places[i].critical), None)
        return None if index is None else self._go(index, now)

    def go(self, clip: str, now: float) -> Place | None:
        """Go to a clip of this sitting by its id; None when it is not here any more."""
        index = self._by_clip.get(clip)
        if index is None or self.places[index].critical:
            return None
        return self._go(index, now)

    def _go(self, index: int | None, now: float) -> Place | None:
        self._index = index
        if index is None:
            return None
        place = self.places[index]
        place.opened, place.keys = now, 0
        return place

    # -- deciding ----------------------------------------------------------------------------------------------------

    def keep(self, text: str, caret: int) -> None:
        """Keep what was typed on the clip on the screen, unsaved; the machine's own text unchanged is nothing to
        keep.
        """
        place = self._here()
        before = place.latest.text if place.latest is not None and place.latest.text is not None else None
        base = before if before is not None else place.clip.hypothesis.text
        place.kept = None if text == base else text
        place.caret = caret

    def held_back(self, verdict: Verdict, heard: Heard) -> float | None:
        """The share still to be heard before this verdict may be given; None when it may be given now."""
        if not heard.audible or verdict not in NEEDS_HEARING or self.must_hear <= 0:
            return None
        missing = self.must_hear - heard.share
        return missing if missing > 1e-9 else None

    def settled(self, text: str) -> bool:
        """True when the clip on the screen already has exactly this text from the reviewer: there is nothing to
        decide.
        """
        latest = self._here().latest
        return latest is not None and latest.verdict in HAS_TEXT and latest.text == text

    def decide(self, verdict: Verdict, heard: Heard, stamp: Stamp, *, text: str | None = None) -> Decision:
        """The decision for the clip on the screen; nothing moves until it is committed.

        A text that says the same as the machine's counts as accepted, whatever was pressed. A critical mark carries no
        text.
        """
        place = self._here()
        machine = place.clip.hypothesis.text
        if verdict in HAS_TEXT:
            said = machine if text is None else text
            verdict = Verdict.ACCEPTED if same_text(said, machine) else Verdict.CORRECTED
        else:
            said = None
        critical = verdict is Verdict.CRITICAL
        return Decision(
            id=stamp.id,
            at=stamp.at,
            reviewer=self.reviewer,
            clip=place.clip.id,
            lease=place.leased.lease,
            revision=place.revision + 1,
            verdict=verdict,
            text=said,
            shown=None if critical else machine,
            heard=round(heard.share, 3),
            plays=heard.plays,
            seconds=round(max(0.0, stamp.now - place.opened), 2),
            keys=place.keys,
            pressed=round(heard.position, 2) if critical else None,
        )

    def has(self, clip: str) -> bool:
        """Whether a clip is in the sitting: one that was withdrawn, or whose lease was lost, is not any more."""
        return clip in self._by_clip

    @property
    def last(self) -> str | None:
        """The id of the decision that would be taken back next; None when there is none."""
        if not self._undo:
            return None
        latest = self.places[self._by_clip[self._undo[-1][0]]].latest
        return None if latest is None else latest.id

    def retract(self, stamp: Stamp) -> Decision | None:
        """The decision that takes the last one back; None when there is none, or a critical mark is no longer to be
        taken back. Taking a revision back gives the verdict that it revised once more.
        """
        if not self._undo:
            return None
        clip, before = self._undo[-1]
        place = self.places[self._by_clip[clip]]
        if place.sealed:
            return None
        if before is not None and before.verdict is not Verdict.RETRACTED:
            return msgspec.structs.replace(
                before, id=stamp.id, at=stamp.at, revision=place.revision + 1, lease=place.leased.lease
            )
        return Decision(
            id=stamp.id,
            at=stamp.at,
            reviewer=self.reviewer,
            clip=place.clip.id,
            lease=place.leased.lease,
            revision=place.revision + 1,
            verdict=Verdict.RETRACTED,
        )

    def commit(self, decision: Decision, now: float, *, taking_back: bool = False) -> Place | None:
        """The decision is durable: move. Says which place is on the screen now; taking one back leads to its clip."""
        index = self._by_clip.get(decision.clip)
        if index is None:
            return self.current  # withdrawn while the line was on its way to the disk
        place = self.places[index]
        if taking_back:
            self._undo.pop()
            # The text that was saved is offered again, but never what stood under a critical mark.
            text = place.latest.text if place.latest is not None else None
            place.latest, place.revision = decision, decision.revision
            retracted = decision.verdict is Verdict.RETRACTED
            place.kept = text if retracted and text not in (None, place.clip.hypothesis.text) else None
            if self._times:
                self._times.pop()
            return self._go(index, now)
        for clip, _ in self._undo:
            earlier = self.places[self._by_clip[clip]]
            if earlier.critical:
                earlier.seal()
        before = place.latest
        if decision.verdict is Verdict.CRITICAL:
            # Taking the mark back brings back clip and hypothesis, never what was typed, in whichever decision.
            before = None
            self._undo = [(clip, None if clip == decision.clip else earlier) for clip, earlier in self._undo]
        self._undo.append((decision.clip, before))
        place.latest, place.revision, place.kept, place.caret = decision, decision.revision, None, 0
        self._times.append(now)
        return self.advance(now)

    def _here(self) -> Place:
        if self._index is None:
            raise LookupError("no clip is on the screen")
        return self.places[self._index]

    # -- how it goes -------------------------------------------------------------------------------------------------

    def history(self) -> Sequence[Place]:
        """The places decided in this sitting, the latest first, each once."""
        clips = dict.fromkeys(clip for clip, _ in reversed(self._undo))
        places = (self.places[self._by_clip[clip]] for clip in clips)
        return [place for place in places if place.decided]

    def sealed(self) -> list[str]:
        """Clips under a critical mark that can no longer be taken back: nothing of them is needed here any more."""
        return [place.clip.id for place in self.places if place.sealed]

    def progress(self) -> Progress:
        """How far and how fast."""
        done = sum(place.decided for place in self.places)
        times = self._times[-PACE_OVER - 1 :]
        pace = None
        if len(times) > PACE_FROM and times[-1] > times[0]:
            pace = 3600 * (len(times) - 1) / (times[-1] - times[0])
        return Progress(decided=done, at_hand=len(self.places) - done, pace=pace)
