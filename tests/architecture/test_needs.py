"""A proof that cannot be given here is no proof: it is left out for whoever asks for that, and for nobody else."""

from __future__ import annotations

import pytest

from needs import need, without


@pytest.mark.parametrize("asked", [None, "", "0"])
def test_what_the_machine_lacks_counts_as_failed(asked: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARMARK_PARTIAL", raising=False)
    if asked is not None:
        monkeypatch.setenv("EARMARK_PARTIAL", asked)
    with pytest.raises(pytest.fail.Exception, match="no such-program here"):
        need("such-program")


def test_it_is_left_out_and_listed_for_who_asked_for_what_can_be_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_PARTIAL", "1")
    with pytest.raises(pytest.skip.Exception, match="no sound card"):
        without("no sound card")
