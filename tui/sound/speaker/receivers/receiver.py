#!/usr/bin/env python3
"""Earmark's receiver in plain Python: plays what `earmark speaker` sends, with a player that is there already.

    python3 -c "$(ssh HOST earmark speaker --receiver python | sed -n '/^#!/,$p')" [SSH OPTIONS] HOST
                                                           starts ssh itself and answers
    ssh -T HOST earmark speaker | python3 receiver.py      cannot answer: what is heard is estimated

Needs Python 3.8 and nothing else. Sound lives in memory and in pipes, never in a file. EARMARK_PLAYER names the player.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
import zlib
from array import array
from itertools import accumulate
from typing import IO, Dict, List, Optional

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

REMOTE = "earmark speaker"
PAGE = 4096
MAGIC = b"EARMARK-SOUND 1"
SILENCE = 15.0  # seconds without a frame after which nothing is played any more: the host asks every two
PLAYERS = {
    "paplay": "paplay --raw --format=s16le --channels=1 --rate={} --latency-msec=50",
    "pw-play": "pw-play --raw --format=s16 --channels=1 --rate={} -",
    "aplay": "aplay -q -t raw -f S16_LE -c 1 -r {} -",
    "play": "play -q -t raw -e signed -b 16 -c 1 -r {} --buffer 640 -",
    "ffplay": "ffplay -v quiet -nodisp -autoexit -f s16le -ar {} -i -",
}


def say(words: str) -> None:
    print("earmark: " + words, file=sys.stderr, flush=True)


def start(player: str, rate: int) -> "subprocess.Popen[bytes]":
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        PLAYERS[player].format(rate).split(), stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, bufsize=0
    )


def find_player() -> Optional[str]:
    """The first player that plays 50 ms of silence."""
    for player in os.environ.get("EARMARK_PLAYER", " ".join(PLAYERS)).split():
        if player in PLAYERS and shutil.which(player):
            process = start(player, 16000)
            try:
                process.communicate(bytes(1600), timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
            if process.wait() == 0:
                return player
    return None


def unpack(data: bytes, codec: str) -> bytes:
    """What arrived, as 16-bit little-endian frames. `delta`: second differences plus 128, low bytes, then high ones."""
    if codec == "pcm":
        return data
    if codec == "gzip":
        return zlib.decompress(data, 31)
    halves = zlib.decompress(data)
    pairs = bytearray(len(halves))
    pairs[0::2] = halves[: len(halves) // 2]
    pairs[1::2] = halves[len(halves) // 2 :]
    twice = array("H", bytes(pairs))
    if sys.byteorder == "big":
        twice.byteswap()
    once = accumulate(value - 128 for value in twice)
    frames = array("H", [value & 0xFFFF for value in accumulate(once)])
    if sys.byteorder == "big":
        frames.byteswap()
    return frames.tobytes()


class Piece:
    def __init__(self, rate: int, codec: str) -> None:
        self.rate, self.codec, self.data = rate, codec, bytearray()
        self.pcm: Optional[bytes] = None

    def frames(self) -> bytes:
        if self.pcm is None:
            self.pcm, self.data = unpack(bytes(self.data), self.codec), bytearray()
        return self.pcm


class Receiver:
    def __init__(self, player: str, back: Optional[IO[bytes]]) -> None:
        self.player, self.back = player, back
        self.pieces: Dict[str, Piece] = {}
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.heard: Optional[float] = None
        self.lock = threading.Lock()

    def answer(self, line: str) -> None:
        if self.back is not None:
            try:
                self.back.write(line.encode() + b"\n")
                self.back.flush()
            except (OSError, ValueError):
                pass  # the connection is gone: seen where one reads from it

    def stop(self) -> None:
        with self.lock:
            process, self.process = self.process, None
        if process is not None:
            process.kill()

    def play(self, generation: str, piece: Piece, first: int, last: int) -> None:
        self.stop()
        try:
            sound = memoryview(piece.frames())[2 * first : 2 * last]
            process = self.process = start(self.player, piece.rate)
        except (OSError, zlib.error) as error:
            self.answer(f"X {generation} {error}")
            return
        threading.Thread(target=self.feed, args=(generation, process, sound), daemon=True).start()

    def feed(self, generation: str, process: "subprocess.Popen[bytes]", sound: memoryview) -> None:
        assert process.stdin
        try:
            if fcntl is not None:  # a pipe of one page: the second goes in once the player takes the first
                fcntl.fcntl(process.stdin, getattr(fcntl, "F_SETPIPE_SZ", 1031), PAGE)
        except OSError:
            pass  # not on this system: it counts as begun a little early
        pages, whole = 0, False
        try:
            while sound:
                sound = sound[process.stdin.write(sound[:PAGE]) :]
                pages += 1
                if pages == 2:
                    self.begins(generation, process)
            if pages < 2:
                self.begins(generation, process)
            whole = True
        except OSError:
            pass  # stopped, or the player ended before it had all
        process.stdin.close()
        code = process.wait()
        with self.lock:
            mine = self.process is process
            if mine:
                self.process = None
        if mine:
            self.answer(f"E {generation}" if whole and code == 0 else f"X {generation} {self.player} ended with {code}")

    def begins(self, generation: str, process: "subprocess.Popen[bytes]") -> None:
        with self.lock:
            mine = self.process is process
        if mine:
            self.answer("B " + generation)

    def receive(self, source: IO[bytes]) -> bool:
        """Frames until the connection ends (False) or another receiver takes over (True)."""
        for line in iter(source.readline, b""):
            if line.strip() == MAGIC:
                break
        else:
            return False
        say(f"connected; sound goes out by {self.player}. Keep this window open.")
        self.answer(f"HELLO 1 python/{self.player} delta,gzip,pcm")
        self.heard = time.monotonic()
        threading.Thread(target=self.watch, daemon=True).start()
        try:
            for line in iter(source.readline, b""):
                self.heard = time.monotonic()
                word, *rest = line.decode("ascii").split()
                if word == "Q":
                    say(" ".join(rest))
                    return True
                self.take(word, rest, source)
            return False
        except (KeyError, IndexError, ValueError):
            say("the host sent something that is no frame")
            return False
        finally:
            self.heard = None
            self.stop()

    def watch(self) -> None:
        while (heard := self.heard) is not None:
            if time.monotonic() - heard > SILENCE:
                self.stop()
            time.sleep(1.0)

    def take(self, word: str, rest: List[str], source: IO[bytes]) -> None:
        if word == "O":
            self.pieces[rest[0]] = Piece(int(rest[1]), rest[2])
        elif word == "D":
            data = source.read(int(rest[1]))
            if rest[0] in self.pieces:
                self.pieces[rest[0]].data += data
            self.answer("A")
        elif word == "P":
            self.play(rest[0], self.pieces[rest[1]], int(rest[2]), int(rest[3]))
        elif word == "S":
            self.stop()
        elif word == "F":
            self.pieces.pop(rest[0], None)
        elif word == "R":
            self.stop()
            self.pieces.clear()
        elif word == "K":
            self.answer("K " + rest[0])


def main(arguments: List[str]) -> int:
    player = find_player()
    if player is None:
        say("no player here plays: tried " + os.environ.get("EARMARK_PLAYER", ", ".join(PLAYERS)))
        return 1
    if not arguments:
        return 0 if Receiver(player, None).receive(sys.stdin.buffer) else 1
    options = ["-T", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]
    while True:
        ssh = subprocess.Popen(["ssh", *options, *arguments, REMOTE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert ssh.stdout
        over = Receiver(player, ssh.stdin).receive(ssh.stdout)
        ssh.kill()
        ssh.wait()
        if over:
            return 0
        say("the connection ended; trying again in three seconds (Ctrl-C ends)")
        time.sleep(3)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
