"""A stand-in of the Hub that takes pushes: repositories, preupload, LFS objects and commits."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".parquet", ".safetensors")
WRITER, READER = "hf_writer", "hf_reader"


@dataclass
class Hub:
    """What the stand-in holds, and what it was asked.

    Parameters
    ----------
    repositories : ``datasets/owner/name`` -> path -> content.
    private : the same names -> whether it is private.
    objects : sha256 -> content of large files.
    cuts : method and kind of place, such as ``"PUT lfs"`` -> how often its connection is cut.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def sent(self, what: str) -> int:
        """How many requests begin so."""
        return sum(each.startswith(what) for each in self.asked)


def oid(content: bytes) -> str:
    return sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers requests of ``huggingface_hub`` as its documentation of the Hub says."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        return

    def handle_request(self) -> None:
        place = unquote(urlsplit(self.path).path).strip("/")
        kinds = ("commit", "preupload", "batch", "create", "validate", "tree")
        found = next((kind for kind in kinds if kind in place.split("/")), "info")
        found = "validate" if place.endswith("validate-yaml") else found
        kind = "lfs" if place.startswith("lfs/") else found
        what = f"{self.command} {kind}"
        self.hub.asked.append(f"{what} {place}")
        size = int(self.headers.get("Content-Length") or 0)
        if self.hub.cuts.get(what, 0):
            self.hub.cuts[what] -= 1
            self.rfile.read(size // 2)
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(size)
        if kind == "lfs":
            self.hub.objects[place.rpartition("/")[2]] = body
            self.answer({})
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", WRITER, READER):
            words = "Invalid credentials in Authorization header"
            self.answer({"error": words}, 401, {"X-Error-Message": words})
        elif self.command == "POST" and kind != "validate" and token != WRITER:
            words = "You don't have the rights to write here"
            self.answer({"error": words}, 403 if token else 401, {"X-Error-Message": words})
        else:
            getattr(self, kind)(place, body)

    do_GET = do_POST = do_PUT = handle_request

    def answer(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def files(self, place: str) -> dict[str, bytes] | None:
        """The files of the repository in ``api/datasets/owner/name/...``."""
        name = "/".join(place.removeprefix("api/").split("/")[:3])
        found = self.hub.repositories.get(name)
        if found is None:
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            self.answer({"error": "Repository not found"}, 404, headers)
        return found

    def info(self, place: str, body: bytes) -> None:
        if self.files(place) is not None:
            name = "/".join(place.removeprefix("api/").split("/")[:3])
            about = {"id": name.partition("/")[2], "sha": "1" * 40, "siblings": []}
            self.answer(about | {"private": self.hub.private[name]})

    def tree(self, place: str, body: bytes) -> None:
        files = self.files(place)
        if files is None:
            return
        entries = []
        for path, content in files.items():
            entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content)}
            entry["oid"] = oid(content)
            if path.endswith(LARGE):
                large = {"oid": sha256(content).hexdigest(), "size": len(content)}
                entry["lfs"] = large | {"pointerSize": 134}
            entries.append(entry)
        self.answer(entries)

    def create(self, place: str, body: bytes) -> None:
        wanted = json.loads(body)
        name = f"{wanted.get('type', 'model')}s/{wanted['organization']}/{wanted['name']}"
        if name in self.hub.repositories:
            self.answer({"error": "You already created this repo", "url": self.hub.url}, 409)
            return
        self.hub.repositories[name] = {".gitattributes": b"*.parquet filter=lfs\n"}
        self.hub.private[name] = wanted.get("visibility") == "private"
        self.answer({"url": f"{self.hub.url}/{name.removeprefix('models/')}"})

    def validate(self, place: str, body: bytes) -> None:
        self.answer({"errors": [], "warnings": []})

    def preupload(self, place: str, body: bytes) -> None:
        files = self.files(place)
        if files is None:
            return
        answered = []
        for each in json.loads(body)["files"]:
            path = each["path"]
            mode = "lfs" if path.endswith(LARGE) else "regular"
            entry = {"path": path, "uploadMode": mode, "shouldIgnore": False}
            if path in files:
                content = files[path]
                entry["oid"] = sha256(content).hexdigest() if mode == "lfs" else oid(content)
            answered.append(entry)
        self.answer({"files": answered})

    def batch(self, place: str, body: bytes) -> None:
        objects = []
        for each in json.loads(body)["objects"]:
            entry = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.objects:
                href = f"{self.hub.url}/lfs/{each['oid']}"
                entry["actions"] = {"upload": {"href": href, "header": {}}}
            objects.append(entry)
        self.answer({"transfer": "basic", "objects": objects})

    def commit(self, place: str, body: bytes) -> None:
        files = self.files(place)
        if files is None:
            return
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.hub.objects[value["oid"]]
                assert sha256(content).hexdigest() == value["oid"]
                files[value["path"]] = content
        name = "/".join(place.split("/")[1:4]).removeprefix("models/")
        self.answer(
            {"commitUrl": f"{self.hub.url}/{name}/commit/{'1' * 40}", "commitOid": "1" * 40}
        )


@contextmanager
def serve() -> Iterator[Hub]:
    """A stand-in that runs until the end of the block."""
    hub = Hub()
    handler = type("Bound", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
