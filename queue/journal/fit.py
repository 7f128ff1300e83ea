"""What may be written as a journal line at all. Pure."""

from __future__ import annotations

import math

from earmark.queue.decision import HAS_TEXT, Decision, Verdict

MOST_TEXT = 100_000
"""The longest text, or note, in bytes of UTF-8."""


class Unfit(ValueError):
    """An entry that cannot be written as a line. The message is the reason; it never holds any of the text."""


def check_decision(decision: Decision) -> None:
    if decision.lease is not None:
        check_strings(decision.lease)
    if not all(math.isfinite(n) for n in (decision.heard, decision.seconds, decision.pressed or 0.0)):
        raise Unfit("a number of the decision is not finite")
    if decision.verdict is Verdict.CRITICAL:
        return  # text and note are dropped, so that nothing in them can hold a critical mark back
    if (decision.text is not None) is not (decision.verdict in HAS_TEXT):
        raise Unfit(f"a decision '{decision.verdict}' {'without' if decision.text is None else 'with'} a text")
    for text in (decision.text, decision.note):
        if text is not None:
            check_text(text)


def check_text(text: str) -> None:
    check_strings(text)
    if len(text) > MOST_TEXT or len(text.encode()) > MOST_TEXT:
        raise Unfit(f"the text is longer than {MOST_TEXT // 1000} kB")


def check_strings(*strings: str) -> None:
    for string in strings:
        if "\0" in string:  # legal in JSON, but not in every database
            raise Unfit("the text holds a NUL character")
        try:
            string.encode()
        except UnicodeEncodeError:  # its message and its arguments quote the text
            raise Unfit("the text holds half a surrogate pair, which UTF-8 cannot") from None
