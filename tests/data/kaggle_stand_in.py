"""A server on loopback that speaks as much of Kaggle's API as downloading or attaching a data set takes.

It is used as the HTTP proxy of a client in its LOCALHOST environment (see `environment`). So it answers
both for http://localhost/api/v1/... (the API, which checks the login and redirects) and for the storage
host that it redirects to, which knows ETag, Range and If-Range as the real one does. What goes wrong is set
by the attributes.
"""
import base64
import hashlib
import io
import json
import random
import zipfile
from urllib.parse import urlsplit

from loopback import LoopbackServer, QuietHandler
from raw_files import make_zip, tree


def zipped(files):
    """The bytes of a zip with these files."""
    make_zip(buffer := io.BytesIO(), files)
    return buffer.getvalue()


# 3 MB: the clients read 1 MiB at a time
BODY = zipped({f"data/{i}.bmp": random.Random(i).randbytes(60_000) for i in range(50)})


def assert_right(folder):
    with zipfile.ZipFile(io.BytesIO(BODY)) as z:
        assert tree(folder) == {name: z.read(name) for name in z.namelist()}
    assert not list(folder.parent.glob(".*download"))


class KaggleStandIn(LoopbackServer):
    """The server, and the set that it gives."""

    def __init__(self, body=b""):
        user, key, token = "someone", "secret", "KGAT_good"
        self.body = body
        self.content_type = "application/zip"
        self.etag = '"version-1"'
        self.logins = {"Basic " + base64.b64encode(f"{user}:{key}".encode()).decode(), f"Bearer {token}"}
        self.token = token
        self.public = False      # whether the set is given without a login
        self.version = 1         # of the set
        self.md5_of = None       # the storage claims to send these bytes
        self.attached = None     # the name below /kaggle/input under which Kaggle, or Colab, attaches the set
        self.status = None       # the API answers with this
        self.cuts = []           # the first replies of the storage stop after so many bytes each
        self.failures = []       # the first replies of the storage are these statuses (0: a good one)
        self.declared = None     # Content-Length as the storage claims it
        self.stall = None        # a threading.Event to wait for where a reply is cut
        self.requests = []       # (method, path, headers) of every request
        stand_in = self

        class Handler(QuietHandler):
            def do_POST(self):
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                stand_in._api(self, urlsplit(self.path), json.loads(sent or b"{}"))

            def do_GET(self):
                stand_in._storage(self, urlsplit(self.path))

        self.listen(Handler)

    def environment(self):
        """Variables that lead the Kaggle client here and nowhere else."""
        return {"KAGGLE_API_ENVIRONMENT": "LOCALHOST", "http_proxy": self.address, "HTTP_PROXY": self.address,
                "no_proxy": "", "NO_PROXY": ""}

    def downloads(self):
        """The Range header (or None) of every request to the storage, in order."""
        return [headers.get("Range") for method, path, headers in self.requests if method == "GET"]

    def _answer(self, handler, status, content, kind="application/json", **headers):
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(content), **headers}.items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(content)

    def _api(self, handler, url, sent):
        self.requests.append(("POST", url.path, dict(handler.headers)))
        if url.path.endswith("/security.OAuthService/IntrospectToken"):
            good = sent.get("token") == self.token
            reply = {"active": True, "username": "someone"} if good else {"active": False}
            return self._answer(handler, 200, json.dumps(reply).encode())
        if "/kaggle-jwt-handler/" in url.path or "/kagglehub/" in url.path:
            return self._attach(handler, url)
        known = self.public or handler.headers.get("Authorization") in self.logins
        status = self.status or (None if known else 401)
        if status:
            return self._answer(handler, status, json.dumps({"code": status, "message": "refused"}).encode())
        call = url.path.removeprefix("/api/v1/datasets.DatasetApiService/")
        if call == "GetDataset":
            return self._answer(handler, 200, json.dumps({"currentVersionNumber": self.version}).encode())
        assert call == "DownloadDataset", url.path
        where = f"http://storage.test/{sent['ownerSlug']}/{sent['datasetSlug']}/archive.zip"
        self._answer(handler, 302, b"", Location=where)

    def _attach(self, handler, url):
        """What a notebook of Kaggle, or of Colab, asks the machine that it runs on."""
        if self.attached is None:
            return self._answer(handler, 404, b"{}")
        result = {"mountSlug": self.attached, "versionNumber": self.version}
        replies = {
            "/kaggle-jwt-handler/AttachDatasourceUsingJwtRequest": {"wasSuccessful": True, "result": result},
            "/kagglehub/datasets/is_supported": {},
            "/kagglehub/datasets/mount": {"slug": self.attached},
        }
        self._answer(handler, 200, json.dumps(replies[url.path]).encode())

    def _storage(self, handler, url):
        self.requests.append(("GET", url.path, dict(handler.headers)))
        assert "Authorization" not in handler.headers  # a login is not sent to another host
        handler.close_connection = True
        if failure := self.failures and self.failures.pop(0):
            return self._answer(handler, failure, b"<Error>out of order</Error>", "application/xml")
        start = 0
        content = self.body
        asked = handler.headers.get("Range")
        if asked and handler.headers.get("If-Range", self.etag) == self.etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self._answer(handler, 416, b"", Content_Range=f"bytes */{len(content)}")
        total = self.declared or len(content)
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Type", self.content_type)
        handler.send_header("Content-Length", str(total - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if self.md5_of is not None:
            digest = base64.b64encode(hashlib.md5(self.md5_of, usedforsecurity=False).digest()).decode()
            handler.send_header("x-goog-hash", f"crc32c=n03x6A==,md5={digest}")
        for name, value in (("ETag", self.etag), ("Accept-Ranges", "bytes"),
                            ("Last-Modified", "Mon, 06 May 2024 10:00:00 GMT")):
            handler.send_header(name, value)
        handler.end_headers()
        end = start + self.cuts.pop(0) if self.cuts else len(content)
        handler.wfile.write(content[start:end])
        handler.wfile.flush()
        if end < len(content) and self.stall:
            self.stall.wait(30)
