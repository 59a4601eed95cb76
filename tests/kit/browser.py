# SPDX-License-Identifier: Apache-2.0
"""A page opened from the local disk in a Chromium without a window, driven through its debugging pipe: no network, no packages."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE = 1200  # looks at a page, a twentieth of a second apart, before a test gives up


class Browser:
    """One page; use it in a ``with``."""

    def __init__(self, page: Path, user: Path) -> None:
        """``user``: an empty folder for what the browser keeps."""
        (read_here, self._write), (self._read, write_here) = os.pipe(), os.pipe()
        # The browser reads commands from descriptor 3 and answers on 4, each message ended by a zero byte.
        command = ["bash", "-c", f'exec "$@" 3<&{read_here} 4>&{write_here}', "-", str(CHROMIUM), *QUIET]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={user}", "about:blank"],
            pass_fds=(read_here, write_here), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_here)
        os.close(write_here)
        self._n, self._met, self._session = 0, b"", {}
        target = self.ask("Target.createTarget", url=page.as_uri())["targetId"]
        self._session = {"sessionId": self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session = {}
        self.ask("Browser.close")
        self._process.wait(60)
        os.close(self._read)
        os.close(self._write)

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """The result of one command of the DevTools protocol."""
        self._n += 1
        message = {"id": self._n, "method": method, "params": params, **self._session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._n:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives in the page, as JSON; None for nothing."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The first true value of an expression, looked at again and again."""
        for _ in range(PATIENCE):
            if found := self.value(expression):
                return found
            time.sleep(0.05)
        raise AssertionError(expression)

    def choose(self, element: str, path: Path) -> None:
        """Choose a file or a folder in the ``<input type=file>`` of that id, as a person would."""
        found = self.ask("Runtime.evaluate", expression=f"document.getElementById({element!r})")["result"]
        self.ask("DOM.setFileInputFiles", files=[str(path)], objectId=found["objectId"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._met:
            piece = os.read(self._read, 1 << 16)
            assert piece, "the browser went away"
            self._met += piece
        message, _, self._met = self._met.partition(b"\0")
        return json.loads(message)
