"""A real browser, driven through its own pipe: no driver, no port, no network."""

from __future__ import annotations

import base64
import fcntl
import functools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60.0


PACKAGE = ("apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium")


def found() -> str | None:
    """The browser of this machine; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str | None:
    """Why there is no browser, after one try to install Debian's; None if there is one."""
    with open(Path(tempfile.gettempdir()) / "gdexp-tests-browser.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        return None if found() else _install()


@functools.cache
def _install() -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "there is no Chromium: apt-get install chromium"
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    words = {"env": quiet, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    for command in (PACKAGE, ("apt-get", "update", "-q"), PACKAGE):
        try:
            done = subprocess.run(command, timeout=300, **words)
        except subprocess.TimeoutExpired:
            return f"there is no Chromium, and {' '.join(command)} took longer than 5 minutes"
        if found():
            return None
    return f"there is no Chromium, and it could not be installed: {done.stderr[-300:]}"


class Browser:
    """A page of headless Chromium, and all that it said and asked for."""

    def __init__(self, folder, width: int = 1200, height: int = 900):
        ours, theirs = os.pipe(), os.pipe()  # commands to it, answers from it
        self._write, self._read = ours[1], theirs[0]
        self._width, self._height = width, height

        # as its file descriptors 3 and 4, whatever numbers these have here; not by a function
        # between fork and exec, which a process with JAX's threads should not have
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (ours[0], theirs[1])]
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}',
                found(),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-pipe",
                f"--user-data-dir={folder}",
                "about:blank",
            ],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (ours[0], theirs[1], *ends):
            os.close(end)
        self._number, self._waiting = 0, b""
        self.events: list[dict] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        made = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = made["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    _session: str | None = None

    def ask(self, method: str, **parameters):
        """The answer to a command of Chrome's DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            told = self._next()
            if told.get("id") == self._number:
                if "error" in told:
                    raise AssertionError(f"{method}: {told['error']}")
                return told["result"]
            self.events.append(told)
        raise AssertionError(f"{method}: no answer in {SECONDS} s")

    def _next(self) -> dict:
        while b"\0" not in self._waiting:
            some = os.read(self._read, 2**20)
            if not some:
                raise AssertionError("the browser ended")
            self._waiting += some
        message, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(message)

    def open(self, path) -> None:
        """Opens a file and waits until it has drawn all its figures."""
        self.ask("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.documentElement?.dataset.drawn !== undefined")

    def run(self, script: str):
        """The value of an expression in the page."""
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def wait(self, script: str) -> None:
        end = time.monotonic() + SECONDS
        while not self.run(script):
            assert time.monotonic() < end, f"not in {SECONDS} s: {script}"
            time.sleep(0.05)

    def said(self) -> list[str]:
        """What the page wrote to its console, and what went wrong in it."""
        self.run("0")  # all that was said before has come
        told = []
        for event in self.events:
            if event["method"] == "Runtime.consoleAPICalled":
                told.append(str([a.get("value") for a in event["params"]["args"]]))
            elif event["method"] == "Runtime.exceptionThrown":
                told.append(str(event["params"]["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                told.append(event["params"]["entry"]["text"])
        return told

    def asked_for(self) -> list[str]:
        """The addresses it asked for, but the page's own and data."""
        self.run("0")
        urls = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(("file:", "data:", "blob:", "about:"))]

    def picture(self, path, height: int | None = None) -> None:
        """Writes what is shown, or the page down to `height`, as PNG."""
        clip = {"x": 0, "y": 0, "width": self._width, "height": height or self._height, "scale": 1}
        told = self.ask(
            "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True
        )
        path.write_bytes(base64.b64decode(told["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._write)
        os.close(self._read)
