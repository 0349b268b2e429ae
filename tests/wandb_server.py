"""As much of a W&B server as `wandb sync` asks for: GraphQL, the stream of history, uploads.

It listens on loopback only, keeps what arrives, and ends with the `with` that began it. It was
written from the requests that W&B's own program sends; a query it does not know is an error.
"""

import contextlib
import gzip
import http.server
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

ENTITY = "someone"


class Server:
    """What has arrived, and how the server behaves.

    `behaviour` is one of: well, error (500 to all), hang (no answer), close (in the middle of one).
    """

    def __init__(self, behaviour: str = "well"):
        self.behaviour = behaviour
        self.runs: dict[str, dict[str, Any]] = {}  # by id: what upserts told of it
        self.lines: dict[str, dict[int, str]] = {}  # of streamed files, by their number
        self.files: dict[str, bytes] = {}  # of the run
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []  # operations and paths
        self.unknown: list[str] = []
        self.ended = threading.Event()
        self.url = ""

    @property
    def history(self) -> list[dict[str, Any]]:
        lines = self.lines.get("wandb-history.jsonl", {})
        return [json.loads(lines[number]) for number in sorted(lines)]

    @property
    def summary(self) -> dict[str, Any]:
        lines = self.lines.get("wandb-summary.json", {})
        return json.loads(lines[max(lines)]) if lines else {}

    def answer(self, operation: str, given: dict[str, Any]) -> Any:
        """The data that a query or mutation is answered by."""
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
        known = getattr(self, f"_{name}", None)
        if known is None:
            self.unknown.append(operation)
            raise KeyError(operation)
        return known(given)

    def stream(self, body: dict[str, Any]) -> None:
        """Lines of history, summary and output."""
        for name, chunk in (body.get("files") or {}).items():
            lines = self.lines.setdefault(name, {})
            lines |= dict(enumerate(chunk["content"], chunk["offset"]))
        if body.get("complete"):
            self.ended.set()

    def upload(self, path: str, content: bytes) -> None:
        kind, _, name = unquote(path).removeprefix("/upload/").partition("/")
        if kind == "file":
            self.files[name] = content
            return
        artifact, _, name = name.partition("/")
        self.artifacts[artifact][kind][name] = content

    def _server_features_query(self, _):
        return {"serverInfo": {"features": []}}

    def _viewer(self, _):
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        return {"viewer": {"id": "1", "entity": ENTITY, "username": ENTITY, "teams": teams}}

    def _run_resume_status(self, _):
        return {"model": {"id": "1", "name": "p", "entity": {"id": "1", "name": ENTITY}}}

    def _upsert_bucket(self, given):
        run = self.runs.setdefault(given["name"], {})
        run |= {key: value for key, value in given.items() if value is not None}
        project = {"id": "1", "name": given.get("project"), "entity": {"id": "1", "name": ENTITY}}
        bucket = {"id": "1", "name": given["name"], "displayName": run.get("displayName")}
        bucket |= {"project": project, "historyLineCount": 0, "config": "{}"}
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _create_run_files(self, given):
        files = [{"name": n, "uploadUrl": self._to(f"file/{n}")} for n in given["files"]]
        return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}

    def _xxhash_digests_enabled(self, _):
        return {"entity": {"xxhashDigestsEnabled": False}}

    def _create_artifact(self, given):
        named = given["input"]
        made = f"artifact-{len(self.artifacts)}"
        self.artifacts[made] = {"named": named, "entry": {}, "manifest": {}, "committed": False}
        sequence = {"latestArtifact": None}
        artifact = {"id": made, "state": "PENDING", "artifactSequence": sequence}
        return {"createArtifact": {"artifact": artifact}}

    def _create_artifact_manifest(self, given):
        return {"createArtifactManifest": {"artifactManifest": self._manifest(given["artifactID"])}}

    def _update_artifact_manifest(self, given):
        made = given["artifactManifestID"].removeprefix("manifest-")
        return {"updateArtifactManifest": {"artifactManifest": self._manifest(made)}}

    def _create_artifact_files(self, given):
        edges = []
        for file in given["input"]["artifactFiles"]:
            made, name = file["artifactID"], file["name"]
            node = {"storagePath": name, "uploadUrl": self._to(f"entry/{made}/{name}")}
            edges.append({"node": node | {"uploadHeaders": [], "artifact": {"id": made}}})
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _commit_artifact(self, given):
        self.artifacts[given["artifactID"]]["committed"] = True
        return {"commitArtifact": {"artifact": {"id": given["artifactID"], "digest": ""}}}

    def _manifest(self, made: str) -> dict[str, Any]:
        url = self._to(f"manifest/{made}/wandb_manifest.json")
        file = {"id": "1", "uploadUrl": url, "uploadHeaders": []}
        return {"id": f"manifest-{made}", "file": file}

    def _to(self, path: str) -> str:
        return f"{self.url}/upload/{quote(path)}"


@contextlib.contextmanager
def serving(behaviour: str = "well") -> Iterator[Server]:
    """A server on loopback, for as long as the `with` lasts."""
    server, leave = Server(behaviour), threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self._read()
            if self._misbehaves():
                return
            if not self.path.endswith("/graphql"):
                server.asked.append(self.path)
                server.stream(body)
                self._send({"exitcode": None, "limits": {}})
                return
            operation = body.get("operationName") or "?"
            server.asked.append(operation)
            try:
                self._send({"data": server.answer(operation, body.get("variables") or {})})
            except KeyError as error:
                self._send({"errors": [{"message": f"no {error} here"}]}, 400)

        def do_PUT(self):
            content = self._bytes()
            if not self._misbehaves():
                server.asked.append(self.path)
                server.upload(self.path, content)
                self._send({})

        def do_GET(self):
            self.do_POST()

        def _bytes(self):
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            packed = self.headers.get("Content-Encoding") == "gzip"
            return gzip.decompress(content) if packed else content

        def _read(self):
            return json.loads(self._bytes() or b"{}")

        def _misbehaves(self):
            if server.behaviour == "error":
                server.asked.append(self.path)
                self._send({"errors": [{"message": "out of order"}]}, 500)
            elif server.behaviour == "hang":
                server.asked.append(self.path)
                leave.wait()
            elif server.behaviour == "close":
                server.asked.append(self.path)
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                return False
            self.close_connection = True
            return True

        def _send(self, answer, status=200):
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    class Listening(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):  # who asks may go away in the middle
            pass

    listening = Listening(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        leave.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
