"""A server on loopback that speaks as much of the Hugging Face Hub's HTTP interface as ganlib takes.

It makes repositories, takes commits (small files in them, large ones beside, as Git LFS has it), and gives
files back. Large files come from another host, as on the real one: it redirects to a storage, which knows
Range and must not see the token. What goes wrong is set by the attributes.
"""
import base64
import hashlib
import json
import re
from urllib.parse import unquote, urlsplit

from loopback import LoopbackServer, QuietHandler

LARGE = (".safetensors", ".onnx", ".png")


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class HubStandIn(LoopbackServer):
    """The server, and what it keeps."""

    def __init__(self):
        self.token = "hf_good"  # noqa: S105
        self.repositories = {}   # {name: {"private": bool, "commits": [(commit, message, {path: bytes})]}}
        self.stored = {}         # {sha256: bytes} of large files
        self.status = None       # the API answers with this
        self.cuts = []           # the first replies of the storage stop after so many bytes each
        self.spoiled = {}        # {path: bytes} that are sent in the place of what the checksum is of
        self.card_errors = []    # what the Hub has against a card
        self.requests = []       # (method, path, headers) of every request
        stand_in = self

        class Handler(QuietHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.sent = self.rfile.read(length) if length else self.read_chunks()
                url = urlsplit(self.path)
                stand_in.requests.append((self.command, url.path, dict(self.headers)))
                stand_in._answer(self, unquote(url.path))

            do_GET = do_HEAD = do_POST = do_PUT = answer

            def read_chunks(self):
                found = b""
                while "chunked" in self.headers.get("Transfer-Encoding", ""):
                    size = int(self.rfile.readline(), 16)
                    found += self.rfile.read(size)
                    self.rfile.readline()
                    if not size:
                        break
                return found

        self.listen(Handler)
        self.storage = f"http://localhost:{self.server.server_port}/storage"

    def files(self, name):
        """{path: bytes} of a repository's newest commit."""
        return self.repositories[name]["commits"][-1][2]

    def add(self, name, files, private=False):
        """A commit to a repository, which is made where it is missing; returns its hash."""
        repository = self.repositories.setdefault(name, {"private": private, "commits": []})
        self._commit(repository, "", files)
        return repository["commits"][-1][0]

    def ranges(self):
        """The Range header (or None) of every request to the storage for a file, in order."""
        return [headers.get("Range") for method, path, headers in self.requests
                if method == "GET" and path.startswith("/storage/")]

    # -- replies

    def _send(self, handler, status, content=b"", headers=None):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        handler.send_response(status)
        for key, value in {"Content-Length": len(content), **(headers or {})}.items():
            handler.send_header(key, str(value))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    def _refuse(self, handler, status, code="", words=""):
        self._send(handler, status, {"error": words}, {"X-Error-Code": code, "X-Error-Message": words})

    def _answer(self, handler, path):
        if path.startswith("/storage/"):
            return self._storage(handler, path.removeprefix("/storage/"))
        if self.status:
            return self._refuse(handler, self.status, words="refused")
        token = handler.headers.get("Authorization")
        if token not in (None, f"Bearer {self.token}"):
            return self._refuse(handler, 401, words="Invalid credentials in Authorization header")
        self.may_write = token is not None
        if path == "/api/validate-yaml":
            errors = [{"message": words} for words in self.card_errors]
            return self._send(handler, 400 if errors else 200, {"errors": errors, "warnings": []})
        if path == "/api/repos/create":
            return self._create(handler, json.loads(handler.sent))
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+)/(.+))?", path)
        batch = re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        name = (api or batch or file)[1]
        repository = self.repositories.get(name)
        if repository is None or repository["private"] and not self.may_write:
            return self._refuse(handler, 404 if self.may_write else 401, "RepoNotFound", "not found")
        if batch:
            return self._batch(handler, json.loads(handler.sent))
        if file:
            return self._file(handler, repository, file[2], file[3])
        self._api(handler, name, repository, api[2], api[3])

    def _create(self, handler, asked):
        name = f"{asked['organization']}/{asked['name']}"
        if not self.may_write:
            return self._refuse(handler, 401, words="no token")
        there = name in self.repositories
        if not there:
            private = asked.get("private") or asked.get("visibility") == "private"
            self.repositories[name] = {"private": bool(private), "commits": []}
            self.add(name, {".gitattributes": b"*.safetensors filter=lfs"})
        self._send(handler, 409 if there else 200, {"url": f"{self.address}/{name}", "error": "is there"})

    def _api(self, handler, name, repository, call, rest):
        if call in (None, "revision"):
            found = self._find(repository, rest or "main")
            if not found:
                return self._refuse(handler, 404, "RevisionNotFound", "no such revision")
            about = {"id": name, "modelId": name, "sha": found[0], "private": repository["private"],
                     "tags": [], "downloads": 0, "likes": 0,
                     "siblings": [{"rfilename": path} for path in found[2]]}
            self._send(handler, 200, about)
        elif call == "tree":
            files = self._find(repository, rest.rstrip("/"))[2]
            self._send(handler, 200, [self._entry(path, content) for path, content in files.items()])
        elif call == "preupload":
            modes = [{"path": file["path"], "shouldIgnore": False,
                      "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular"}
                     for file in json.loads(handler.sent)["files"]]
            self._send(handler, 200, {"files": modes})
        elif call == "commit":
            self._take(repository, [json.loads(line) for line in handler.sent.splitlines()])
            commit = repository["commits"][-1][0]
            self._send(handler, 200, {"success": True, "commitOid": commit, "hookOutput": "",
                                      "commitUrl": f"{self.address}/{name}/commit/{commit}"})

    def _find(self, repository, revision):
        commits = repository["commits"]
        if revision == "main":
            return commits[-1]
        return next((one for one in commits if one[0] == revision), None)

    def _entry(self, path, content):
        entry = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
        if path.endswith(LARGE):
            checksum = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": checksum, "size": len(content), "pointerSize": 130}
        return entry

    def _batch(self, handler, asked):
        objects = [{**one, "actions": {"upload": {"href": f"{self.storage}/{one['oid']}"}}}
                   for one in asked["objects"]]
        self._send(handler, 200, {"transfer": "basic", "objects": objects})

    def _take(self, repository, lines):
        files = dict(repository["commits"][-1][2]) if repository["commits"] else {}
        message = ""
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del files[value["path"]]
        self._commit(repository, message, files)

    def _commit(self, repository, message, files):
        number = len(repository["commits"])
        commit = hashlib.sha1(f"{self.address} {number}".encode(), usedforsecurity=False).hexdigest()
        repository["commits"].append((commit, message, dict(files)))
        self.stored |= {hashlib.sha256(content).hexdigest(): content for content in files.values()}

    def _file(self, handler, repository, revision, path):
        commit, _, files = self._find(repository, revision)
        if path not in files:
            return self._refuse(handler, 404, "EntryNotFound", "no such file")
        content = files[path]
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if path.endswith(LARGE):
            checksum = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{checksum}"', "X-Linked-Size": len(content),
                        "Location": f"{self.storage}/{checksum}"}
            return self._send(handler, 302, b"", headers)
        headers["ETag"] = f'"{git_hash(content)}"'
        self._send(handler, 200, self.spoiled.get(path, content), headers)

    def _storage(self, handler, checksum):
        assert "Authorization" not in handler.headers  # a token is not sent to another host
        if handler.command == "PUT":
            assert hashlib.sha256(handler.sent).hexdigest() == checksum
            self.stored[checksum] = handler.sent
            return self._send(handler, 200)
        content = self.stored[checksum]
        right = content
        for repository in self.repositories.values():
            for path, wrong in self.spoiled.items():
                if repository["commits"][-1][2].get(path) == right:
                    content = wrong
        asked = handler.headers.get("Range")
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        end = start + self.cuts.pop(0) if self.cuts else len(content)
        handler.wfile.write(content[start:end])
        if end < len(content):
            handler.wfile.flush()
            handler.close_connection = True
