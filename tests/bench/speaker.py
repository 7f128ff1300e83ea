"""Key to sound and key to silence at the other end of a line, with screen and sound through a real sshd.

Everything plays into a PulseAudio null sink, and its monitor tells (see `sound.py`). Four parts:

- on the loopback, for each receiver, against a bare `paplay` at the workstation;
- on the loopback, from what ends a sitting to silence: `q`, a window that is closed, an SSH client that is killed, and
  a screen that goes blank while a loop plays: there it is told from the moment at which the blank screen has come;
- on a line of 200 ms there and back and 256 kbit/s each way, which screen and sound share, against the round trip of a
  byte through an SSH connection of its own; the clips are as large as speech is;
- on the loopback with the workstation's sound server forwarded by `ssh -R` and miniaudio on the host.

Packets are lost only where the kernel offers netem; where it does not, that is said.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from measure import Row, both, load_speech, runs, show, workplace
from sound import CLIP_SECONDS, bare, fine_blocks, make_clips, onset, pass_time, press, silence

from line import Line
from soundlab import Pulse, Recording
from terminal.console import Console
from workstation import EARMARK, Host, Workstation

RECEIVERS = [("dash", "paplay"), ("bash", "paplay"), ("python3", "paplay"), ("dash", "aplay"), ("python3", "aplay")]
SLOW_RECEIVERS = [("dash", "paplay"), ("python3", "paplay")]
DELAY, RATE = 0.1, 32_000
"""Seconds one way, and bytes a second each way."""

LATE = 900.0
"""Milliseconds that stand for all that is later."""

SPREAD = 100
"""How loud the noise is, for clips that are as large as speech."""


class Place(NamedTuple):
    """Where it is measured."""

    folder: Path
    host: Host
    station: Workstation
    recording: Recording
    env: dict[str, str]


def screen(
    place: Place, way: str, home: Path, sound: str, *options: str, settings: str = "", blank: int = 0
) -> Console:
    """The review screen through SSH, in a store that is fresh."""
    bytecode = place.env["PYTHONPYCACHEPREFIX"]
    review = (
        f"env EARMARK_MUST_HEAR=0 EARMARK_IDLE_BLANK={blank} PYTHONPYCACHEPREFIX={bytecode} {settings}"
        f" {EARMARK} --home {home} review --sound {sound}"
    )
    return Console(["ssh", "-tt", *options, way, review], place.station.environment)


def fresh(place: Place, name: str, count: int, spread: int = 4000) -> Path:
    """A home with so many clips of noise."""
    clips = place.folder / f"{name}-clips"
    clips.mkdir()
    load_speech(place.folder / name, place.env, make_clips(clips, count, spread))
    return place.folder / name


def measure(
    place: Place, console: Console, count: int, *, listen: float, then: float, beside: bool
) -> dict[str, list[float]]:
    """Accept and pause so many times, `listen` seconds into a clip; a bare player beside each, if wanted."""
    heard: dict[str, list[float]] = {name: [] for name in ("sounds", "silent", "bare sounds", "bare silent")}
    console.wait("0:01 / ", 60)
    pass_time(console, listen)
    for _ in range(count):
        accepted = press(console, "\r", then=1.0)
        try:
            heard["sounds"].append(onset(place.recording, accepted))
        except IndexError:  # nothing came: it counts as late, and there is nothing to silence
            heard["sounds"].append(LATE)
            pass_time(console, 2 * CLIP_SECONDS)
        paused = press(console, " ", then=then)
        heard["silent"].append(silence(place.recording, paused))
        if beside:
            began, ended = bare(console, next(place.folder.glob("*-clips/0000.wav")), place.env)
            heard["bare sounds"].append(onset(place.recording, began))
            heard["bare silent"].append(silence(place.recording, ended))
        press(console, " ", then=listen)
    return heard


def on_loopback(place: Place, shell: str, player: str, count: int) -> list[Row]:
    name = f"{shell}-{player}"
    home = fresh(place, name, count + 3)
    with (
        place.station.listen(shell, player, answers=True),
        screen(place, "far", home, "speaker") as console,
    ):
        heard = measure(place, console, count, listen=0.8, then=0.5, beside=True)
    what = f"{shell} with {player}, loopback"
    return [
        *both(f"{what}: accept to sound", heard["sounds"], heard["bare sounds"], unit="ms", most=40),
        *both(f"{what}: key to silence", heard["silent"], heard["bare silent"], unit="ms", most=30),
    ]


def leaving(place: Place, shell: str, player: str, count: int) -> list[Row]:
    """From what ends a sitting to silence."""
    home = fresh(place, f"{shell}-{player}-left", 3)
    ways: dict[str, Callable[[Console], object]] = {
        "q to silence": lambda console: console.type("q"),
        "window closed to silence": lambda console: console.hang_up(),
        "SSH client killed to silence": lambda console: console.kill(),
    }
    heard: dict[str, list[float]] = {what: [] for what in (*ways, "blank to silence")}
    with place.station.listen(shell, player, answers=True):
        for _ in range(count):
            for what, leave in ways.items():
                with screen(place, "far", home, "speaker") as console:
                    console.wait("0:01 / ", 60)
                    left = time.monotonic()
                    leave(console)
                    heard[what].append(silence(place.recording, left))
            with screen(place, "far", home, "speaker", blank=3) as console:
                console.wait("0:01 / ", 60)
                console.type("l")
                console.wait("Blank and silent", 60)
                heard["blank to silence"].append(silence(place.recording, time.monotonic()))
    return [
        row
        for what, times in heard.items()
        for row in both(f"{shell} with {player}, loopback: {what}", times, unit="ms", most=50)
    ]


def on_a_slow_line(place: Place, shell: str, player: str, count: int) -> list[Row]:
    home = fresh(place, f"{shell}-{player}-slow", count + 3, SPREAD)
    line = Line(place.host.sshd.port, delay=DELAY, rate=RATE)
    place.host.along(f"slow-{shell}", line.port)
    try:
        with (
            place.station.listen(shell, player, answers=True, host=f"slow-{shell}"),
            screen(place, f"slow-{shell}", home, "speaker") as console,
        ):
            console.wait("0:01 / ", 60)
            trips = round_trips(place, f"slow-{shell}", count)
            # A clip is heard to its end, as a person does: meanwhile the next one travels.
            heard = measure(place, console, count, listen=CLIP_SECONDS, then=0.8, beside=False)
    finally:
        line.close()
    what = f"{shell} with {player}, 200 ms and 256 kbit/s"
    trip = sorted(trips)[len(trips) // 2]
    return [
        *both(f"{what}: accept to sound", heard["sounds"], trips, unit="ms", most=trip + 50),
        *both(f"{what}: key to silence", heard["silent"], trips, unit="ms", most=trip + 50),
    ]


def round_trips(place: Place, way: str, count: int) -> list[float]:
    """Milliseconds that a byte takes there and back through a connection of its own."""
    trips = []
    with subprocess.Popen(
        ["ssh", "-T", way, "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=place.station.environment,
        bufsize=0,
    ) as echo:
        assert echo.stdin and echo.stdout
        for _ in range(count + 1):
            began = time.monotonic()
            echo.stdin.write(b"x")
            echo.stdout.read(1)
            trips.append((time.monotonic() - began) * 1000)
            time.sleep(0.1)
        echo.stdin.close()
    return trips[1:]


def forwarded(place: Place, pulse: Pulse, count: int) -> list[Row]:
    """The workstation's sound server reached from the host."""
    home = fresh(place, "forwarded", count + 3)
    port = 24713
    options = ("-R", f"127.0.0.1:{port}:{pulse.socket}")
    settings = f"PULSE_SERVER=tcp:127.0.0.1:{port}"
    with screen(place, "far", home, "miniaudio", *options, settings=settings) as console:
        heard = measure(place, console, count, listen=0.8, then=0.5, beside=True)
    what = "PULSE_SERVER forwarded, miniaudio, loopback"
    return [
        *both(f"{what}: accept to sound", heard["sounds"], heard["bare sounds"], unit="ms"),
        *both(f"{what}: key to silence", heard["silent"], heard["bare silent"], unit="ms"),
    ]


def netem() -> bool:
    """Whether the kernel can lose packets."""
    tried = "ip link set lo up && tc qdisc add dev lo root netem loss 1%"
    return subprocess.run(["unshare", "-n", "sh", "-c", tried], capture_output=True, check=False).returncode == 0


@contextmanager
def prepared() -> Iterator[tuple[Place, Pulse]]:
    with workplace() as (folder, env), ExitStack() as stack:
        pulse = Pulse(folder)
        pulse.start()
        stack.callback(pulse.stop)
        host = Host(folder / "host")
        stack.callback(host.stop)
        station = Workstation(folder / "station", host, pulse.environment)
        stack.enter_context(fine_blocks(pulse))
        recording = stack.enter_context(pulse.recording())
        yield Place(folder, host, station, recording, {**env, **pulse.environment}), pulse


def main() -> None:
    count = runs(__doc__ or "", 30)
    with prepared() as (place, pulse):
        # It takes a while: each part is shown when it is done.
        for shell, player in RECEIVERS:
            show(on_loopback(place, shell, player, count))
        for shell, player in SLOW_RECEIVERS:
            show(leaving(place, shell, player, max(3, count // 3)))
        show(forwarded(place, pulse, count))
        for shell, player in SLOW_RECEIVERS:
            show(on_a_slow_line(place, shell, player, max(3, count // 2)))
    print(f"\nLost packets: {'not part of this run' if netem() else 'not tried, this kernel has no netem'}.")


if __name__ == "__main__":
    main()
