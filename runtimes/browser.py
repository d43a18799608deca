"""onnxruntime-web in a headless Chromium: what it says to each of many models."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).parent
PAGE = HERE / "inside" / "probe.html"
PACKAGE = "onnxruntime-web"
# WebGPU on the CPU, so that no graphics card is needed; a browser in a container cannot make a sandbox of its own.
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
)


class BrowserError(Exception):
    """The browser could not be had, or did not answer; the message says which."""


def installed(folder: Path) -> Path:
    """The distribution folder of onnxruntime-web, which npm puts into `folder` where it is not there yet."""
    found = folder / "node_modules" / PACKAGE / "dist"
    if not found.is_dir():
        if shutil.which("npm") is None:
            raise BrowserError("npm is not on the PATH: install Node.js")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", str(folder), PACKAGE], check=True, capture_output=True)
    return found


def answers(
    dist: Path, bundle: str, provider: str, models: Sequence[bytes], strict: bool = False, wait: float = 600
) -> tuple[str, list[str]]:
    """(version of onnxruntime-web, what it said to each model: "" where it was loaded).

    bundle: the file of `dist` that is imported. provider: "wasm" or "webgpu". strict: a node that falls back to the
    CPU is an error. wait: seconds for 500 models at most.
    """
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise BrowserError("chromium is not on the PATH: apt-get install chromium")
    posted: queue.Queue[tuple[str, str]] = queue.Queue()
    probes = json.dumps([base64.b64encode(model).decode() for model in models]).encode()
    handler = functools.partial(_Handler, posted=posted, probes=probes, directory=str(dist))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked = f"bundle={bundle}&provider={provider}&strict={int(strict)}"
        with tempfile.TemporaryDirectory() as profile:
            command = [browser, *_FLAGS, f"--user-data-dir={profile}"]
            command.append(f"http://127.0.0.1:{server.server_port}/?{asked}")
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                return _waited(posted, wait)
            finally:
                process.terminate()
                process.wait()
                server.shutdown()


def _waited(posted: queue.Queue[tuple[str, str]], wait: float) -> tuple[str, list[str]]:
    while True:
        try:
            path, body = posted.get(timeout=wait)
        except queue.Empty:
            raise BrowserError(f"the browser said nothing for {wait:.0f} s") from None
        if path == "/failed":
            raise BrowserError(f"the page failed: {body}")
        if path == "/done":
            done = json.loads(body)
            return str(done["version"]), list(done["said"])


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map: ClassVar = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def __init__(
        self, *args: Any, posted: queue.Queue[tuple[str, str]], probes: bytes, directory: str
    ) -> None:
        self.posted, self.probes = posted, probes
        super().__init__(*args, directory=directory)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer(PAGE.read_bytes(), "text/html")
        elif path == "/probes.json":
            self._answer(self.probes, "application/json")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self._answer(b"", "text/plain")
        self.posted.put((self.path, body))

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass
