"""A real Chromium without a window, driven through its DevTools protocol."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it does not start as root with one
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
PATIENCE = 30.0
"""Seconds for anything that a page is to do."""


class Browser:
    """A browser with a profile of its own in `folder`, which stays there afterwards."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        told = folder / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not (told.exists() and told.read_text().count("\n")):
            assert self._process.poll() is None, f"chromium ended with {self._process.returncode}"
            assert time.monotonic() < deadline, "chromium did not start"
            time.sleep(0.05)
        port, path = told.read_text().split()
        self._wires = contextlib.ExitStack()
        self._wire = self._connect(f"ws://127.0.0.1:{port}{path}")
        self._base = f"ws://127.0.0.1:{port}/devtools/page/"

    def _connect(self, url: str) -> ClientConnection:
        return self._wires.enter_context(connect(url, max_size=None, open_timeout=PATIENCE))

    def open(self, url: str) -> Tab:
        """A new tab in which a person entered this address; back once it has loaded."""
        target = _ask(self._wire, 0, "Target.createTarget", {"url": "about:blank"})["targetId"]
        tab = Tab(self._connect(self._base + target))
        tab.go(url)
        return tab

    def close(self) -> None:
        """End it as a person does, so that it writes what it keeps."""
        _ask(self._wire, 0, "Browser.close", {})
        try:
            self._process.wait(PATIENCE)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, with all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._wires.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Tab:
    """One page."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._asked = 0
        self.ask("Page.enable")

    def ask(self, method: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol, and its result."""
        self._asked += 1
        return _ask(self._wire, self._asked, method, parameters)

    def go(self, url: str) -> None:
        """Enter this address, and wait until the page is there."""
        self.ask("Page.navigate", url=url, transitionType="typed")
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def reload(self) -> None:
        """What F5 does."""
        self.evaluate("window.before = true")
        self.ask("Page.reload")
        self.wait("!window.before && document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, awaited."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression is true in the page; its value."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
            if value := found["result"].get("value"):
                return value
            assert time.monotonic() < deadline, f"waited for {script}; the page says: {self.text()}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """A click as a person's mouse makes it, so that the browser counts it as one."""
        place = self.evaluate(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def text(self) -> str:
        """What a person reads there."""
        return str(self.evaluate("document.body.innerText"))


def _ask(wire: ClientConnection, number: int, method: str, parameters: Mapping[str, Any]) -> Any:
    wire.send(json.dumps({"id": number, "method": method, "params": parameters}))
    while True:
        answer = json.loads(wire.recv(timeout=PATIENCE))
        if answer.get("id") == number:  # the rest are events
            assert "error" not in answer, answer
            return answer["result"]
