"""`earmark speaker` between a program and a receiver of the test's own: only whole frames come out, come what may."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from earmark.tui.sound.speaker import relay as relaying
from earmark.tui.sound.speaker.frames import MAGIC, MOST_BYTES, Frame, FrameReader, sound
from earmark.tui.sound.speaker.relay import Relay
from earmark.tui.sound.speaker.rendezvous import Meeting
from farend import until

HELLO = "HELLO 1 paper/test delta,gzip,pcm"
STREAM = (
    Frame(MAGIC),
    Frame("O k1 16000 pcm 6000"),
    sound("k1", bytes(range(250)) * 24),
    Frame("P 7 k1 0 3000"),
    Frame("S"),
    Frame("K 3"),
    Frame("F k1"),
)


class Line:
    """A relay on a thread of its own, the receiver's ends of its two pipes, and the program that it meets."""

    def __init__(self, *, text: bool = False, garbage: bytes = b"") -> None:
        source, self.back = os.pipe()
        self.out, target = os.pipe()
        self._theirs = [source, target]
        self.said: list[str] = []
        self.ended: list[str] = []
        self.meeting = Meeting()
        self.received = bytearray()
        self.reading = threading.Event()
        self.reading.set()
        os.write(target, garbage)
        relay = Relay(source, target, text=text, say=self.said.append)
        self._threads = [
            threading.Thread(target=lambda: self._run(relay), daemon=True),
            threading.Thread(target=self._read, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, relay: Relay) -> None:
        self.ended.append(relay.run())
        for end in self._theirs:
            os.close(end)

    def _read(self) -> None:
        while True:
            self.reading.wait()
            block = os.read(self.out, 4096) if self.out >= 0 else b""
            if not block:
                return
            self.received += block

    def program(self) -> socket.socket:
        """The program's end of the connection, once the relay has come and said who it is."""
        found: list[socket.socket] = []
        until(lambda: found or found.extend(filter(None, [self.meeting.accept()])))
        found[0].setblocking(True)
        found[0].settimeout(20)
        assert read(found[0], 10) == b"SPEAKER 1\n"
        return found[0]

    def after_magic(self) -> bytes:
        """What came after the word with which the frames begin."""
        return bytes(self.received).partition(f"\n{MAGIC}\n".encode())[2]

    def frames(self) -> list[Frame]:
        """The frames that came, without those that keep the way open."""
        return [frame for frame in FrameReader().feed(self.after_magic()) if frame.line != "K 0"]

    def hang_up(self, *, back: bool = True, out: bool = True) -> None:
        """Close the receiver's ends: what it says, and what it hears."""
        if back and self.back >= 0:
            os.close(self.back)
            self.back = -1
        if out and self.out >= 0:
            os.close(self.out)
            self.out = -1

    def close(self) -> None:
        self.reading.set()
        if not self.ended:
            os.write(self.back, f"{HELLO}\n".encode())
            self.hang_up(out=False)  # one that has spoken and hangs up is gone
        until(lambda: self.ended)
        self._threads[1].join(20)
        self.hang_up()
        self.meeting.close()


@pytest.fixture
def line(state: object) -> Iterator[Line]:
    line = Line()
    yield line
    line.close()


def read(program: socket.socket, count: int) -> bytes:
    """The next so many bytes that the program gets."""
    data = b""
    while len(data) < count:
        block = program.recv(count - len(data))
        assert block, data
        data += block
    return data


def send(program: socket.socket, *frames: Frame) -> None:
    program.sendall(b"".join(frame.binary() for frame in frames))


def test_frames_and_lines_are_passed_on(line: Line) -> None:
    program = line.program()
    send(program, *STREAM)
    until(lambda: line.frames() == list(STREAM[1:]), lambda: line.received)
    os.write(line.back, b"garbage \xff\x00\nA\nB 7\n")
    assert read(program, 6) == b"A\nB 7\n"
    program.close()


@pytest.mark.usefixtures("state")
def test_the_text_form_has_lines_of_ascii_only() -> None:
    line = Line(text=True)
    program = line.program()
    send(program, *STREAM)
    expected = b"".join(frame.text() for frame in STREAM[1:])
    until(lambda: expected in line.received, lambda: line.received)
    assert line.received.isascii()
    send(program, Frame("Q another"))
    until(lambda: line.ended)
    program.close()
    line.close()


@pytest.mark.usefixtures("state")
def test_the_frames_begin_on_a_line_of_their_own_whatever_a_start_up_file_printed() -> None:
    line = Line(garbage=b"Welcome! \x1b[1mno end of the line")
    program = line.program()
    send(program, *STREAM)
    until(lambda: line.frames() == list(STREAM[1:]))
    assert bytes(line.received).startswith(b"Welcome! \x1b[1mno end of the line\nEARMARK-SOUND 1\n")
    send(program, Frame("Q another"))
    until(lambda: line.ended)
    program.close()
    line.close()


def test_a_program_that_dies_anywhere_leaves_whole_frames_and_an_order_to_forget(line: Line) -> None:
    stream = b"".join(frame.binary() for frame in STREAM)
    boundaries = [len(b"".join(frame.binary() for frame in STREAM[:count])) for count in range(1, len(STREAM) + 1)]
    places = sorted({0, *boundaries, *(at - 1 for at in boundaries), *(at + 3 for at in boundaries[:-1])})
    for place in places:
        whole = max((count for count, at in enumerate(boundaries, 1) if at <= place), default=0)
        before = len(line.frames())
        program = line.program()
        program.sendall(stream[:place])
        program.close()
        expected = [*STREAM[1 : max(1, whole)], Frame("R")]
        until(lambda before=before, expected=expected: line.frames()[before:] == expected, line.frames)  # type: ignore[misc]
    assert "The sitting is over." in line.said
    assert not line.ended


def test_a_program_that_writes_no_frames_is_left(line: Line) -> None:
    program = line.program()
    program.sendall(b"D k1 99999999\n" + b"x" * 1000)
    until(lambda: line.frames() == [Frame("R")], line.frames)
    again = line.program()
    send(again, Frame("S"))
    until(lambda: line.frames()[-1] == Frame("S"))
    program.close()
    again.close()


def test_a_program_that_dies_while_it_is_joined_is_waited_for(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, theirs = socket.socketpair()
    theirs.close()
    real, tried = relaying.join, [gone]
    monkeypatch.setattr(relaying, "join", lambda: tried.pop() if tried else real())
    line.program().close()
    until(lambda: not tried)
    program = line.program()
    send(program, Frame("S"))
    until(lambda: line.frames()[-1] == Frame("S"))
    program.close()


def test_the_next_sitting_is_told_who_plays(line: Line) -> None:
    first = line.program()
    os.write(line.back, f"{HELLO}\n".encode())
    assert read(first, len(HELLO) + 1) == f"{HELLO}\n".encode()
    first.close()
    second = line.program()
    assert read(second, len(HELLO) + 1) == f"{HELLO}\n".encode()
    second.close()


def test_while_nobody_reviews_the_way_is_kept_open(line: Line) -> None:
    line.program().close()
    line.meeting.close()
    until(lambda: line.after_magic().endswith(b"K 0\n"))
    assert line.said[-1].startswith("Waiting for a sitting")
    line.meeting = Meeting()


def test_one_that_takes_over_says_so_and_does_not_trouble_the_receiver_with_it(line: Line) -> None:
    program = line.program()
    send(program, Frame("T"), Frame("S"))
    until(lambda: line.frames()[-1:] == [Frame("S")])
    assert Frame("T") not in line.frames()
    assert line.said[-1] == "It takes over from another speaker of yours, which has ended."
    program.close()


def test_another_speaker_ends_this_one_with_words(line: Line) -> None:
    program = line.program()
    send(program, Frame("S"), Frame("Q another speaker of yours has taken over"))
    until(lambda: line.ended)
    assert line.ended == ["The end: another speaker of yours has taken over."]
    until(lambda: line.frames()[-1:] == [Frame("Q another speaker of yours has taken over")])
    program.close()


def test_a_receiver_that_does_not_read_stops_the_sound_and_gets_all_of_it_later(line: Line) -> None:
    program = line.program()
    line.reading.clear()
    frames = [sound(f"k{number}", bytes([number]) * MOST_BYTES) for number in range(200)]
    program.settimeout(0.5)
    sent = 0
    stream = memoryview(b"".join(frame.binary() for frame in frames))
    with contextlib.suppress(TimeoutError):
        while sent < len(stream):
            sent += program.send(stream[sent:])
    # What waits is in the buffers of two pipes and a socket: nothing is heaped up in between.
    assert sent < len(stream) / 2
    line.reading.set()
    program.settimeout(20)
    program.sendall(stream[sent:])
    until(lambda: line.frames() == frames)
    program.close()


@pytest.mark.parametrize("hello", [True, False])
@pytest.mark.usefixtures("state")
def test_a_receiver_that_is_gone_ends_the_speaker(hello: bool) -> None:
    line = Line()
    program = line.program()
    if hello:
        os.write(line.back, f"{HELLO}\n".encode())
        line.hang_up(out=False)
    else:
        # One that never answered may have no way back: it is gone once nobody takes its frames.
        line.hang_up(out=False)
        send(program, Frame("S"))
        until(lambda: line.frames() == [Frame("S")])
        assert not line.ended
        line.reading.clear()
        send(program, Frame("K 1"))
        until(lambda: line.frames()[-1] == Frame("K 1"))
        line.hang_up()
    until(lambda: line.ended)
    assert line.ended == ["The receiver is gone."]
    program.close()
    line.close()


def test_a_flood_from_the_receiver_reaches_the_program_as_lines_only(line: Line) -> None:
    program = line.program()
    sender = threading.Thread(
        target=lambda: [os.write(line.back, b"\xff\x00\x1b" * 20_000) for _ in range(20)], daemon=True
    )
    sender.start()
    sender.join(20)
    os.write(line.back, b"\nA\n")
    assert read(program, 2) == b"A\n"
    program.close()
