"""A stand-in of the Hub: an HTTP server with repositories that are dicts of files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Repository:
    """A repository of the Hub.

    Parameters
    ----------
    commits : commit -> path -> content; the last one is that of ``main``.
    gated : whether it refuses files to those who have no access.
    cuts : how often the connection ends in the middle of a file of weights; -1 for always.
    sizes : path -> the size that is claimed in place of the real one.
    pause : seconds between the parts of a file.
    gone : paths that are listed, but not provided.
    """

    commits: dict[str, dict[str, bytes]]
    gated: bool = False
    cuts: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    pause: float = 0.0
    gone: set[str] = field(default_factory=set)

    def entries(self, commit: str) -> list[dict[str, Any]]:
        """The files as the Hub lists them."""
        listed = []
        for path, content in self.commits[commit].items():
            size = self.sizes.get(path, len(content))
            entry: dict[str, Any] = {"type": "file", "path": path, "size": size}
            entry["oid"] = sha1(content).hexdigest()
            if path.endswith((".safetensors", ".gguf", ".bin")):
                lfs = {"oid": sha256(content).hexdigest(), "size": size, "pointerSize": 134}
                entry["lfs"] = lfs
            listed.append(entry)
        return listed


def of_folder(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


class StandIn:
    """The server: its address, its repositories by name, and what it was asked."""

    def __init__(self, url: str, repositories: dict[str, Repository]) -> None:
        self.url, self.repositories = url, repositories
        self.asked: list[str] = []


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[StandIn]:
    """A stand-in that runs until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            place = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {place}")
            parts = place.strip("/").split("/")
            if parts[:2] in (["api", "models"], ["api", "datasets"]):
                self.about("/".join(parts[2:4]), parts[4:])
                return
            parts = parts[1:] if parts[0] == "datasets" else parts
            if parts[2:3] != ["resolve"]:
                self.refuse(404, "", "Not found")
            else:
                self.file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))

        def do_POST(self) -> None:
            """Answer what is asked of single paths of a data set."""
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            repository = hub.repositories["/".join(parts[2:4])]
            commit = self.commit(repository, parts[5]) or ""
            found = [each for each in repository.entries(commit) if each["path"] in asked["paths"]]
            self.answer(json.dumps(found).encode())

        def about(self, name: str, rest: list[str]) -> None:
            repository = hub.repositories.get(name)
            if repository is None:
                return self.refuse(401, "RepoNotFound", "Repository not found")
            if rest == ["auth-check"]:
                return self.refuse(403, "GatedRepo", f"Access to model {name} is restricted.")
            commit = self.commit(repository, rest[1] if rest else "main")
            if commit is None:
                return self.refuse(404, "RevisionNotFound", "Invalid rev id")
            entries = repository.entries(commit)
            if rest[:1] == ["tree"]:
                return self.tree(entries, "/".join(rest[2:]))
            about = {
                "id": name,
                "sha": commit,
                "gated": "manual" if repository.gated else False,
                "cardData": {"license": "apache-2.0"},
                "siblings": [
                    {"rfilename": each["path"], "size": each["size"], "blobId": each["oid"]}
                    for each in entries
                ],
            }
            return self.answer(json.dumps(about).encode())

        def tree(self, entries: list[dict[str, Any]], folder: str) -> None:
            """Answer with the files and folders directly in a folder, or with all below it."""
            start = f"{folder}/" if folder else ""
            below = [each for each in entries if each["path"].startswith(start)]
            if folder and not below:
                return self.refuse(404, "EntryNotFound", "Entry not found")
            if "recursive=true" not in self.path.lower():
                names = dict.fromkeys(each["path"][len(start) :].split("/")[0] for each in below)
                files = {each["path"]: each for each in below}
                below = [
                    files.get(start + name)
                    or {"type": "directory", "path": start + name, "oid": "0" * 40, "size": 0}
                    for name in names
                ]
            return self.answer(json.dumps(below).encode())

        @staticmethod
        def commit(repository: Repository, revision: str) -> str | None:
            if revision == "main":
                return list(repository.commits)[-1]
            return revision if revision in repository.commits else None

        def file(self, name: str, revision: str, path: str) -> None:
            repository = hub.repositories[name]
            if repository.gated:
                words = f"Access to model {name} is restricted. You must have access to it."
                return self.refuse(403, "GatedRepo", words)
            commit = self.commit(repository, revision) or ""
            content = repository.commits[commit].get(path)
            if content is None or path in repository.gone:
                return self.refuse(404, "EntryNotFound", "Entry not found")
            headers = {"X-Repo-Commit": commit, "ETag": f'"{sha256(content).hexdigest()}"'}
            headers["X-Linked-Size"] = str(len(content))
            asked = self.headers.get("Range", "")
            start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            cut = None
            if self.command == "GET" and path.endswith(".safetensors") and repository.cuts:
                repository.cuts -= 1
                cut = len(content) // 4
            status = 206 if start else 200
            return self.answer(content[start:], status, headers, cut, repository.pause)

        def refuse(self, status: int, code: str, words: str) -> None:
            headers = {"X-Error-Code": code, "X-Error-Message": words}
            self.answer(json.dumps({"error": words}).encode(), status, headers)

        def answer(
            self,
            body: bytes,
            status: int = 200,
            headers: dict[str, str] | None = None,
            cut: int | None = None,
            pause: float = 0.0,
        ) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            try:
                for at in range(0, len(body[:cut]), 1 << 16):
                    self.wfile.write(body[:cut][at : at + (1 << 16)])
                    time.sleep(pause)
            except OSError:
                pass  # the other side has gone
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub = StandIn(f"http://127.0.0.1:{server.server_port}", repositories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
