"""One sitting: going, deciding, taking back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from earmark.queue.clip import Clip, Hypothesis
from earmark.queue.decision import Decision, Verdict
from earmark.queue.session import Heard, Session, Stamp
from earmark.queue.store.interface import Leased

ALL = Heard(share=1.0, plays=1, position=2.5)
NOTHING = Heard(share=0.0)


def leased(name: str, text: str = "what the machine heard") -> Leased:
    return Leased(lease=f"lease-{name}", clip=Clip(name, 3.0, 16000, Hypothesis(text), "en"), expires=1e12)


def sitting(*names: str, must_hear: float = 0.8) -> Session:
    session = Session("r", must_hear=must_hear)
    session.extend(leased(name) for name in names)
    session.advance(0.0)
    return session


ids = itertools.count()


def stamp(now: float = 1.0) -> Stamp:
    return Stamp(f"id-{next(ids)}", "2026-11-23T12:00:00.000Z", now)


def give(session: Session, verdict: Verdict, *, text: str | None = None, now: float = 1.0) -> Decision:
    decision = session.decide(verdict, ALL, stamp(now), text=text)
    session.commit(decision, now)
    return decision


def here(session: Session) -> str | None:
    return session.current.clip.id if session.current else None


def test_nothing_moves_before_the_decision_is_durable() -> None:
    session = sitting("a", "b")
    decision = session.decide(Verdict.SKIPPED, ALL, stamp())
    assert here(session) == "a"
    assert session.progress().decided == 0
    session.commit(decision, 1.0)
    assert here(session) == "b"
    assert session.progress().decided == 1


def test_a_text_saved_unchanged_counts_as_accepted() -> None:
    session = sitting("a", "b", "c")
    assert give(session, Verdict.CORRECTED, text="what  the machine heard ").verdict is Verdict.ACCEPTED
    assert give(session, Verdict.CORRECTED, text="what they heard").verdict is Verdict.CORRECTED
    assert give(session, Verdict.ACCEPTED, text="what I typed").verdict is Verdict.CORRECTED


def test_a_critical_mark_carries_no_text_and_the_second_it_was_pressed() -> None:
    session = sitting("a", "b")
    session.keep("my secret 4711", 5)
    decision = give(session, Verdict.CRITICAL)
    assert (decision.text, decision.shown, decision.note, decision.pressed) == (None, None, None, 2.5)
    assert session.places[0].kept is None


def test_taking_a_critical_mark_back_restores_the_clip_and_never_what_was_typed() -> None:
    session = sitting("a", "b")
    session.keep("my secret 4711", 5)
    give(session, Verdict.CRITICAL)
    back = session.retract(stamp())
    assert back is not None
    session.commit(back, 2.0, taking_back=True)
    assert here(session) == "a"
    assert session.current is not None
    assert session.current.shown == "what the machine heard"


def test_a_clip_under_a_critical_mark_is_not_shown_again() -> None:
    session = sitting("a", "b", "c")
    give(session, Verdict.SKIPPED)
    give(session, Verdict.CRITICAL)
    assert session.go("b", 2.0) is None
    place = session.previous(2.0)
    assert place is not None and place.clip.id == "a"


def test_the_next_decision_seals_a_critical_mark() -> None:
    session = sitting("a", "b", "c")
    give(session, Verdict.CRITICAL)
    give(session, Verdict.SKIPPED)
    first = session.retract(stamp())
    assert first is not None and first.clip == "b"
    session.commit(first, 3.0, taking_back=True)
    assert session.retract(stamp()) is None
    assert session.sealed() == ["a"]
    assert session.places[0].clip.hypothesis.text == ""
    assert session.go("a", 4.0) is None
    assert session.previous(4.0) is None


def test_taking_back_offers_the_saved_text_again() -> None:
    session = sitting("a", "b")
    give(session, Verdict.CORRECTED, text="what they heard")
    back = session.retract(stamp())
    assert back is not None and (back.verdict, back.revision) == (Verdict.RETRACTED, 2)
    session.commit(back, 2.0, taking_back=True)
    assert session.current is not None and session.current.kept == "what they heard"
    assert give(session, Verdict.SKIPPED).revision == 3


def test_taking_a_revision_back_gives_the_verdict_that_it_revised() -> None:
    session = sitting("a", "b")
    give(session, Verdict.CORRECTED, text="mine")
    session.previous(2.0)
    give(session, Verdict.UNINTELLIGIBLE)
    back = session.retract(stamp())
    assert back is not None and (back.verdict, back.text, back.revision) == (Verdict.CORRECTED, "mine", 3)
    place = session.commit(back, 3.0, taking_back=True)
    assert place is not None and place.clip.id == "a" and place.decided
    again = session.retract(stamp())
    assert again is not None and (again.verdict, again.revision) == (Verdict.RETRACTED, 4)


def test_must_hear_holds_back_only_what_says_that_one_has_heard() -> None:
    session = sitting("a")
    for verdict in (Verdict.ACCEPTED, Verdict.CORRECTED, Verdict.UNINTELLIGIBLE):
        assert session.held_back(verdict, Heard(share=0.5)) == pytest.approx(0.3)
        assert session.held_back(verdict, Heard(share=0.8)) is None
        assert session.held_back(verdict, Heard(share=0.0, audible=False)) is None
    for verdict in (Verdict.CRITICAL, Verdict.SKIPPED, Verdict.ESCALATED):
        assert session.held_back(verdict, NOTHING) is None
    assert sitting("a", must_hear=0.0).held_back(Verdict.ACCEPTED, NOTHING) is None


def test_a_settled_text_needs_no_second_decision() -> None:
    session = sitting("a", "b")
    give(session, Verdict.CORRECTED, text="mine")
    session.previous(2.0)
    assert session.settled("mine")
    assert not session.settled("other")
    assert give(session, Verdict.CORRECTED, text="other").revision == 2
    assert here(session) == "b"


def test_withdrawn_clips_vanish_and_the_one_on_the_screen_too() -> None:
    session = sitting("a", "b", "c")
    give(session, Verdict.SKIPPED)
    assert session.withdraw(["c", "unknown"]) is False
    assert session.withdraw(["b"]) is True
    assert session.current is None
    assert session.advance(2.0) is None
    back = session.retract(stamp())
    assert back is not None and back.clip == "a"


def test_a_draft_comes_back_with_its_clip() -> None:
    session = Session("r")
    session.extend([leased("a")], drafts={"a": "half a sen"})
    place = session.advance(0.0)
    assert place is not None and (place.shown, place.caret) == ("half a sen", 10)


def test_recalled_clips_stand_before_those_that_wait() -> None:
    session = sitting("new")
    latest = Decision(id="1", at="", reviewer="r", clip="old", verdict=Verdict.ACCEPTED, revision=4, text="t")
    session.recall(leased("old"), latest)
    assert here(session) == "new" or session.advance(1.0) is not None
    session.advance(1.0)
    place = session.previous(2.0)
    assert place is not None and place.clip.id == "old" and place.shown == "t"
    assert give(session, Verdict.SKIPPED).revision == 5


def test_revisions_go_on_where_an_earlier_sitting_left_them() -> None:
    session = Session("r")
    session.extend([leased("a")], revisions={"a": 2})
    session.advance(0.0)
    assert give(session, Verdict.SKIPPED).revision == 3


def test_an_unfinished_revision_of_a_decided_clip_is_offered_first() -> None:
    session = Session("r")
    session.extend([leased("new")])
    latest = Decision(id="1", at="", reviewer="r", clip="old", verdict=Verdict.CORRECTED, revision=1, text="t")
    session.recall(leased("old"), latest, "half a rev")
    place = session.advance(0.0)
    assert place is not None and (place.clip.id, place.shown) == ("old", "half a rev")
    give(session, Verdict.CORRECTED, text="half a revision")
    assert here(session) == "new"


def test_the_pace_is_that_of_the_last_decisions() -> None:
    session = sitting(*(str(i) for i in range(30)))
    for i in range(25):
        give(session, Verdict.SKIPPED, now=10.0 * i)
    pace = session.progress().pace
    assert pace == pytest.approx(360.0)


class AnySitting(RuleBasedStateMachine):
    """Whatever is pressed in whatever order: every decision is a revision, and none is counted twice."""

    def __init__(self) -> None:
        super().__init__()
        self.session = sitting(*"abcdef")
        self.made: list[Decision] = []

    @precondition(lambda self: self.session.current is not None)
    @rule(verdict=st.sampled_from([v for v in Verdict if v is not Verdict.RETRACTED]), text=st.text(max_size=8))
    def decide(self, verdict: Verdict, text: str) -> None:
        self.made.append(give(self.session, verdict, text=text))

    @rule()
    def undo(self) -> None:
        back = self.session.retract(stamp())
        if back is not None:
            self.session.commit(back, 1.0, taking_back=True)
            self.made.append(back)
            assert here(self.session) == back.clip

    @rule()
    def previous(self) -> None:
        self.session.previous(1.0)

    @precondition(lambda self: self.session.current is not None)
    @rule(text=st.text(max_size=8))
    def keep(self, text: str) -> None:
        self.session.keep(text, 0)

    @rule(clip=st.sampled_from("abcdef"))
    def withdraw(self, clip: str) -> None:
        if self.session.withdraw([clip]):
            self.session.advance(1.0)

    @invariant()
    def counts_agree(self) -> None:
        latest = {decision.clip: decision.verdict for decision in self.made}
        at_hand = {place.clip.id for place in self.session.places}
        decided = sum(verdict is not Verdict.RETRACTED for clip, verdict in latest.items() if clip in at_hand)
        assert self.session.progress().decided == decided
        assert self.session.progress().at_hand == len(at_hand) - decided

    @invariant()
    def revisions_count_up(self) -> None:
        seen: dict[str, int] = {}
        for decision in self.made:
            assert decision.revision == seen.get(decision.clip, 0) + 1
            seen[decision.clip] = decision.revision

    @invariant()
    def no_critical_mark_holds_text(self) -> None:
        assert all(d.text is None and d.shown is None for d in self.made if d.verdict is Verdict.CRITICAL)


TestAnySitting = AnySitting.TestCase
TestAnySitting.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
