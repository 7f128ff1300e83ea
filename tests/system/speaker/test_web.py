"""`earmark speaker --web` in a real browser, which plays into a sound server whose output is recorded."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from browser import Browser, Tab
from earmark.tui.sound.prepare import prepare
from needs import need
from terminal.console import Console, earmark
from terminal.home import Home, decide, leave, opened

CLIPS = ("en-librivox-0870", "en-librivox-0880", "en-librivox-0890")
RATE = 16000
FINE = 16  # parts of a frame to which two sounds are laid over each other
STRETCH = RATE // 10  # frames that are compared at once
LOUD = 500  # of 32768
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/([\w-]+)")


def until(condition: Callable[[], object], what: object, seconds: float = 30.0) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.02)


class Served:
    """`earmark speaker --web`, and what it told the person who started it."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self._told = home.folder / f"told-{time.monotonic_ns()}"
        with self._told.open("wb") as told:
            self.process = subprocess.Popen(
                earmark("speaker", "--web", *arguments),
                env=home.whole_env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
            )
        self.says("http://")

    @property
    def told(self) -> str:
        return self._told.read_text()

    def says(self, words: str, times: int = 1) -> None:
        until(lambda: self.told.count(words) >= times, lambda: f"waited for {words!r}, it said:\n{self.told}")

    @property
    def address(self) -> str:
        """The newest address."""
        return [found[0] for found in ADDRESS.finditer(self.told)][-1]

    @property
    def port(self) -> int:
        return int(ADDRESS.findall(self.told)[-1][0])

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        """What somebody else than the browser gets."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.body = answer.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def cookie(self) -> str:
        """Open the address as a browser does; what it brings from then on."""
        answer = self.get("/" + self.address.rpartition("/")[2])
        assert answer.status == 200
        return (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def page(self, cookie: str, how: str = "click", name: str = "0" * 32, **headers: str) -> ClientConnection:
        """A connection for sound such as the page makes."""
        return connect(
            f"ws://127.0.0.1:{self.port}/sound/{how}/{name}",
            origin=headers.pop("origin", f"http://127.0.0.1:{self.port}"),  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie, **headers},
            open_timeout=20,
        )

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


@pytest.fixture
def home(tmp_path: Path, shared: Path) -> Home:
    """A reviewer who has three clips to hear, and no sound but that of a speaker elsewhere."""
    home = Home(tmp_path / "home", EARMARK_SOUND="speaker", EARMARK_MUST_HEAR="0", EARMARK_IDLE_BLANK="0")
    rows = [json.loads(line) for line in (shared / "speech/manifest.jsonl").read_text().splitlines()]
    chosen = [row for row in rows if row["id"] in CLIPS]
    for row in chosen:
        row["audio_filepath"] = str(shared / "speech" / row["audio_filepath"])
    manifest = home.folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in chosen))
    loaded = home.run("load", "--root", str(shared / "speech"), str(manifest))
    assert loaded.returncode == 0, loaded.stderr
    return home


@pytest.fixture
def served(home: Home) -> Iterator[Served]:
    served = Served(home)
    yield served
    served.process.kill()
    served.process.wait()


@pytest.fixture
def browser(recording: Any, tmp_path: Path) -> Iterator[Browser]:
    need("chromium")
    with Browser(tmp_path / "profile", {"HOME": str(tmp_path)}) as browser:
        yield browser


def begun(browser: Browser, served: Served) -> Tab:
    """The page, after its click."""
    tab = browser.open(served.address)
    shows(tab, "start")
    tab.click("#go")
    shows(tab, "waiting", "quiet", "playing")
    return tab


def shows(tab: Tab, *states: str) -> None:
    """Wait until the page is in one of these states."""
    tab.wait(f"{json.dumps(states)}.includes(document.body.dataset.state)")


def holds(tab: Tab) -> int:
    """How many pieces of sound the page has."""
    return int(tab.evaluate("pieces.size"))


def review(home: Home) -> Console:
    console = home.console("review")
    opened(console)
    return console


def expected(shared: Path, clip: str) -> Any:
    samples, rate = soundfile.read(shared / f"speech/audio/en/{clip}.wav", dtype="int16")
    assert rate == RATE
    return np.frombuffer(prepare(samples, RATE).pcm, "<i2").astype(float)


def products(heard: Any, played: Any, fine: int = 1) -> Any:
    """The products of two sounds for each lag of the first, a `fine`th of a frame apart."""
    size = 1 << (heard.size + played.size).bit_length()
    across = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size))
    return np.fft.irfft(across, size * fine) * fine


def found(heard: Any, played: Any) -> list[tuple[int, float]]:
    """Where stretches of `played` are in what was heard, in order: the frame of each in both, to a part of a frame.

    Each must be the same to a correlation above 0.99. A busy machine may let the server or the recorder drop a block
    or two: most stretches must be found.
    """
    energy = np.concatenate([[0.0], np.cumsum(np.square(heard))])
    loudness = np.sqrt(energy[STRETCH:] - energy[:-STRETCH]) + LOUD
    places, tried = [], 0
    for start in range(0, played.size - STRETCH + 1, STRETCH):
        stretch = played[start : start + STRETCH]
        if np.abs(stretch).max() < LOUD:
            continue  # of near-silence the rounding is a large part
        tried += 1
        at = max(0, int((products(heard, stretch)[: loudness.size] / loudness).argmax()) - 1)
        near = heard[at : at + STRETCH + 2]
        fine = products(near, stretch, FINE)[: 2 * FINE]
        later = int(fine.argmax())
        there = near[round(later / FINE) :][:STRETCH]
        if fine[later] > 0.99 * np.linalg.norm(there) * np.linalg.norm(stretch):
            places.append((start, at + later / FINE))
    assert len(places) > 0.8 * tried > 0, (len(places), tried)
    assert [at for _, at in places] == sorted(at for _, at in places)
    return places


def sounding(samples: Any) -> Any:
    """What was recorded, without the silence around it."""
    loud = np.flatnonzero(samples)
    return samples[loud[0] : loud[-1] + 1].astype(float)


def silent(recording: Any) -> None:
    """Wait until it is."""
    until(lambda: not recording.between(time.monotonic() - 0.1, time.monotonic() + 0.2).any(), "it still sounds")


def test_what_the_page_plays_is_the_clip_and_stop_is_silence(
    home: Home, served: Served, browser: Browser, recording: Any, shared: Path
) -> None:
    tab = begun(browser, served)
    assert tab.evaluate("codecs") == "flac,pcm"
    with review(home) as console:
        served.says("Joined the sitting")
        console.wait("speaker web")
        for number, clip in enumerate(CLIPS):
            shows(tab, "playing")
            shows(tab, "quiet")
            silent(recording)
            played = expected(shared, clip)
            console.wait("heard 100%")
            found(sounding(recording.samples), played)

            # From the beginning, stopped on the way, and on from there: nothing sounds between, and nothing is lost.
            recording.restart()
            console.press("r")
            shows(tab, "playing")
            recording.between(time.monotonic(), time.monotonic() + 0.7)
            console.press("space")
            shows(tab, "quiet")
            silent(recording)
            before = recording.samples.size
            first = sounding(recording.samples)
            assert first.size < played.size
            (begins, at), *_ = found(first, played[: first.size - RATE // 10])  # it dies away in the filters on the way
            console.press("space")
            shows(tab, "playing")
            shows(tab, "quiet")
            silent(recording)
            second = sounding(recording.samples[before:])
            (goes_on, at_once), *_ = found(second, played[-second.size + RATE // 10 :])
            stopped = first.size - at + begins
            went_on = played.size - second.size + RATE // 10 + goes_on - at_once
            assert abs(went_on - stopped) < 0.15 * RATE

            recording.restart()
            assert decide(console, "enter") == number + 1
        console.wait(lambda text: "Done" in text or "decided" in text)
        assert leave(console) == 0
    served.says("The sitting is over.")
    shows(tab, "waiting")
    assert holds(tab) == 0
    assert served.end() == 0


def test_what_was_left_never_sounds_again(browser: Browser, recording: Any, tmp_path: Path) -> None:
    """Every sample of one clip is above zero, of the next below: the recording shows whose turn it is."""
    home = Home(tmp_path / "noise", EARMARK_SOUND="speaker", EARMARK_MUST_HEAR="0", EARMARK_IDLE_BLANK="0")
    chance = np.random.default_rng(1)
    rows = []
    for number in range(4):
        level = chance.integers(4000, 8000, 8 * RATE).astype("<i2")
        soundfile.write(home.folder / f"{number}.wav", -level if number % 2 else level, RATE, subtype="PCM_16")
        rows.append({"audio_filepath": f"{number}.wav", "pred_text": f"clip {number}"})
    manifest = home.folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert home.run("load", "--root", str(home.folder), str(manifest)).returncode == 0
    served = Served(home)
    try:
        tab = begun(browser, served)
        with review(home) as console:
            for number, key in enumerate(("enter", "c", "enter")):
                shows(tab, "playing")
                for _ in range(3):
                    console.press("space")
                    console.press("space")
                console.press("r")
                console.settle(0.5, 1.0)  # what is decided sooner was too quick
                # Pressed once: whoever presses again when it takes long decides the next one too.
                console.press(key)
                console.wait(f"saved {number + 1}", 30)
            shows(tab, "playing")
            recording.between(time.monotonic(), time.monotonic() + 0.5)
            console.press("space")
            silent(recording)
            heard = recording.samples.astype(float)
            assert leave(console) == 0
    finally:
        served.process.kill()
        served.process.wait()
    # A browser may have up to 3 ms left of what it was to play, and plays them when it begins again.
    levels = heard[: heard.size // 160 * 160].reshape(-1, 160).mean(1)
    turns = np.sign(levels[np.abs(levels) > LOUD])
    assert turns[np.flatnonzero(np.diff(turns, prepend=0))].tolist() in ([1, -1, 1, -1], [-1, 1, -1, 1])


def test_the_page_shows_its_state_and_nothing_of_the_clip(home: Home, served: Served, browser: Browser) -> None:
    tab = begun(browser, served)
    shows(tab, "waiting")
    with review(home) as console:
        shows(tab, "playing")
        text = tab.text()
        assert "Playing" in text
        seen = tab.evaluate("document.documentElement.outerHTML")
        words = re.findall(r"[a-z]{6,}", console.text().split("MACHINE HEARD")[1].splitlines()[1])
        assert words
        assert not [word for word in words if word in text]
        assert not [row for row in CLIPS if row in seen]
        for (clip,) in home.database().execute("SELECT id FROM clip"):
            assert clip not in seen
        assert tab.evaluate("location.href") == f"http://127.0.0.1:{served.port}/"
        assert tab.evaluate("document.title") == "Earmark: sound"


def test_a_killed_program_leaves_the_page_silent_and_empty_and_the_next_one_is_joined(
    home: Home, served: Served, browser: Browser, recording: Any
) -> None:
    tab = begun(browser, served)
    with review(home) as console:
        shows(tab, "playing")
        assert holds(tab) > 0
        console.kill()
        shows(tab, "waiting")
        assert holds(tab) == 0
        silent(recording)
    with review(home) as console:
        shows(tab, "playing")
        console.wait("speaker web")
        # A critical clip is gone there before the next one plays.
        tab.evaluate(
            "play = ((before) => (...order) => { window.had = [...pieces.keys()]; return before(...order); })(play)"
        )
        keys = tab.evaluate("[...pieces.keys()]")
        assert decide(console, "c") == 1
        had = tab.wait("window.had")
        assert set(keys) - set(had)


def test_the_command_ends_and_the_page_says_so(home: Home, served: Served, browser: Browser, recording: Any) -> None:
    tab = begun(browser, served)
    with review(home) as console:
        shows(tab, "playing")
        port = served.port
        assert served.end() == 0
        assert "Stopped." in served.told
        shows(tab, "lost")
        assert holds(tab) == 0
        silent(recording)
        console.wait("sound waits for it")
        again = Served(home, "--port", str(port))
        try:
            # Its address and its cookie are others: the page cannot come back by itself, and says so.
            shows(tab, "over")
            fresh = begun(browser, again)
            shows(fresh, "playing")
            assert leave(console) == 0
        finally:
            again.process.kill()
            again.process.wait()


def test_a_lost_line_comes_back_by_itself(home: Home, served: Served, browser: Browser, recording: Any) -> None:
    tab = begun(browser, served)
    with review(home) as console:
        shows(tab, "playing")
        tab.evaluate("line.close()")
        served.says("The page is gone")
        served.says("The page is back.")
        console.wait("speaker web")
        shows(tab, "playing")
        shows(tab, "quiet")
        console.wait("heard 100%")


def test_a_second_page_takes_over_and_the_first_lets_it(
    home: Home, served: Served, browser: Browser, recording: Any
) -> None:
    first = begun(browser, served)
    with review(home) as console:
        shows(first, "playing")
        second = browser.open(f"http://127.0.0.1:{served.port}/")
        second.click("#go")
        served.says("Another page takes over.")
        shows(second, "playing")
        shows(first, "taken")
        assert holds(first) == 0
        assert first.evaluate("line === null")
        console.wait("speaker web")
        shows(second, "quiet")
        shows(first, "taken")
        first.click("#go")
        shows(second, "taken")
        shows(first, "waiting", "quiet", "playing")
        console.press("r")
        shows(first, "playing")
        assert holds(second) == 0


def test_another_speaker_takes_over_until_somebody_clicks(home: Home, served: Served, browser: Browser) -> None:
    tab = begun(browser, served)
    with review(home) as console:
        shows(tab, "playing")
        with subprocess.Popen(
            earmark("speaker"),
            env=home.whole_env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as other:
            assert other.stdin
            other.stdin.write(b"HELLO 1 other pcm\n")
            other.stdin.flush()
            served.says("Another speaker of yours has taken over")
            shows(tab, "taken")
            assert holds(tab) == 0
            console.wait("speaker other")
            tab.click("#go")
            console.wait("speaker web")
            assert other.wait(20) == 0
            for stream in (other.stdin, other.stdout, other.stderr):
                assert stream
                stream.close()


def test_a_reload_works_in_the_same_browser(home: Home, served: Served, browser: Browser) -> None:
    address = served.address
    tab = begun(browser, served)
    tab.reload()
    shows(tab, "start")
    served.says("The page is gone")
    tab.click("#go")
    shows(tab, "waiting")
    again = browser.open(address)  # from the browser's history
    shows(again, "start")
    refused = served.get("/" + address.rpartition("/")[2])
    assert refused.status == 403
    assert "newest address" in refused.body  # type: ignore[attr-defined]
    served.says("The address was opened a second time")
    assert served.address != address
    shows(tab, "waiting")


def test_nothing_stays_in_the_browser_but_the_address(
    home: Home, served: Served, recording: Any, tmp_path: Path
) -> None:
    need("chromium")
    profile = tmp_path / "profile"
    token = served.address.rpartition("/")[2].encode()
    with Browser(profile, {"HOME": str(tmp_path)}) as browser:
        tab = begun(browser, served)
        with review(home):
            shows(tab, "playing")
            key = tab.evaluate("[...pieces.keys()][0]").encode()
            cookie = tab.ask("Network.getCookies")["cookies"][0]["value"].encode()
            shows(tab, "quiet")
        browser.close()
    files = [path for path in profile.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if path.name == "History"]
    held = {path: path.read_bytes() for path in files}
    for secret in (key, cookie, b"fLaC", b"A receiver of Earmark's sound"):
        assert not [str(path) for path, data in held.items() if secret in data], secret
    # The address is the browser's own note of where it was; the token in it is spent.
    cached = [str(path) for path, data in held.items() if token in data and "Cache" in str(path.relative_to(profile))]
    assert not cached
    assert served.get(f"/{token.decode()}").status == 403


# Whoever should not get it.


def test_a_wrong_address_a_foreign_host_and_a_foreign_origin_are_refused_with_words(served: Served) -> None:
    path = "/" + served.address.rpartition("/")[2]
    for wrong in ("/", "/x", path[:-1] + "!", path + "/", "/favicon.ico", "/../.." + path):
        answer = served.get(wrong)
        assert answer.status == 403
        assert "address" in answer.body  # type: ignore[attr-defined]
    foreign = served.get(path, Host="rebound.example:8750")
    assert foreign.status == 403
    assert "127.0.0.1" in foreign.body  # type: ignore[attr-defined]
    cookie = served.cookie()
    for headers in ({"origin": "http://evil.example"}, {"origin": f"http://127.0.0.1:{served.port + 1}"}):
        with pytest.raises(InvalidStatus) as refused, served.page(cookie, **headers):
            pass
        assert refused.value.response.status_code == 403
    for without in ("", "earmark=1", cookie[:-1]):
        with pytest.raises(InvalidStatus) as refused, served.page(without):
            pass
        assert refused.value.response.status_code == 403
    with served.page(cookie):
        pass


def test_every_answer_is_kept_by_nobody_and_framed_by_nobody(served: Served) -> None:
    token = served.address.rpartition("/")[2]
    for path, status in ((f"/{token}", 200), ("/nothing", 403)):
        answer = served.get(path)
        assert answer.status == status
        headers = {name.lower(): value for name, value in answer.getheaders()}
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert "server" not in headers
        assert token not in answer.body  # type: ignore[attr-defined]


def test_it_listens_on_the_loopback_address_only(served: Served) -> None:
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    ours = [at for at in listening if at.endswith(f":{served.port:04X}")]
    assert ours == [f"0100007F:{served.port:04X}"]
    with pytest.raises(OSError):
        socket.create_connection(("::1", served.port), timeout=5).close()


def test_garbage_from_a_page_hurts_nobody(home: Home, served: Served) -> None:
    cookie = served.cookie()
    with review(home) as console:
        with served.page(cookie) as page:  # it never says hello
            page.send("garbage")
            with pytest.raises(ConnectionClosed):
                page.recv(timeout=20)
        assert "The page is there" not in served.told
        with served.page(cookie) as page:
            page.send("HELLO 1 web pcm")
            served.says("Joined the sitting")
            console.wait("speaker web")
            for number in range(500):
                page.send(
                    ["A", f"E {number}", "B x", "X", "K", "K -1", "HELLO 1 evil\x1b flac", b"\xff\xfe", "\n\n", ""][
                        number % 10
                    ]
                )
            page.send(b"\x00" * 512)
            console.press("space")
            console.settle()
            assert "evil" not in console.text()
            page.send("x" * 600)  # more than any line
            with pytest.raises(ConnectionClosed):
                while True:
                    page.recv(timeout=20)
        served.says("The page is gone")
        with socket.create_connection(("127.0.0.1", served.port), timeout=20) as raw:
            raw.sendall(b"\x16\x03\x01 garbage\r\n\r\n" * 100)
            while raw.recv(4096):
                pass
        with served.page(cookie, "again") as page:
            page.send("HELLO 1 web pcm")
            console.wait("speaker web")
            assert isinstance(page.recv(timeout=20), bytes)
        assert leave(console) == 0
    assert "Traceback" not in served.told
    assert served.process.poll() is None


def test_a_page_that_was_away_does_not_take_the_sound_from_another(served: Served) -> None:
    cookie = served.cookie()
    with served.page(cookie, name="1" * 32) as first:
        first.send("HELLO 1 web pcm")
        assert first.recv(timeout=20) == b"K 0\n"
    with served.page(cookie, name="2" * 32) as second:
        second.send("HELLO 1 web pcm")
        assert second.recv(timeout=20) == b"K 0\n"
        with served.page(cookie, "again", name="1" * 32) as first:
            first.send("HELLO 1 web pcm")
            assert bytes(first.recv(timeout=20)).startswith(b"Q ")
        assert second.recv(timeout=20) == b"K 0\n"
        with served.page(cookie, "again", name="2" * 32) as same:
            same.send("HELLO 1 web pcm")
            assert same.recv(timeout=20) == b"K 0\n"
            until(lambda: bytes(second.recv(timeout=20)).startswith(b"Q "), "it was told nothing")


# The command.


def test_the_words_are_the_lines_to_type(home: Home) -> None:
    home.env["SSH_CONNECTION"] = "192.0.2.7 50000 198.51.100.9 2222"
    served = Served(home)
    try:
        port = served.port
        assert f"ssh -p 2222 -L {port}:127.0.0.1:{port} " in served.told
        assert "@198.51.100.9\n" in served.told
        assert "PuTTY" in served.told
    finally:
        served.process.kill()
        served.process.wait()


def test_a_port_in_use_and_options_that_do_not_go_together(home: Home, served: Served) -> None:
    taken = home.run("speaker", "--web", "--port", str(served.port))
    assert taken.returncode == 1
    assert taken.stderr == (
        f"Error: port {served.port} of this host is in use: give another one with --port, or none to have one chosen\n"
    )
    for wrong in (("--port", "8000"), ("--web", "--text"), ("--web", "--receiver", "sh")):
        assert home.run("speaker", *wrong).returncode == 2
    second = Served(home)
    assert second.port != served.port
    assert second.end() == 0


def test_it_ends_with_the_connection_that_started_it(home: Home) -> None:
    """A remote command without a terminal: no signal comes, its input ends."""
    with subprocess.Popen(
        earmark("speaker", "--web"), env=home.whole_env, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdin and command.stderr
        while b"http://" not in command.stderr.readline():
            pass
        command.stdin.close()
        assert command.wait(20) == 0
    assert os.WIFEXITED(command.returncode)
