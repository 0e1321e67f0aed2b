"""What the trials of the axum and the Pingora example share: a real OpenSearch behind a proxy that
has the library inside. The trial checks what the proxy serves, records and refuses, and how it
starts and stops."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import trial
from trial import INDEX, PROJECT, SEARCH

# A proxy that buffered a body of this size would show it in its memory.
DOCUMENTS, DOCUMENT_BYTES = 24, 1 << 20
BUFFER_LIMIT_KB = 12 << 10


def main(example, start_proxy, stopping):
    """Builds an example and runs the trial.

    `start_proxy(trial)` starts `trial.proxy`, which logs to `trial.log`, and returns its process
    id, or `None` as long as there is none. `stopping` is what it logs after SIGTERM.
    """
    target = os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")
    for package in [["--package", "opensearch-directives-cli"],
                    ["--manifest-path", PROJECT / "examples" / example / "Cargo.toml"]]:
        subprocess.run(["cargo", "build", "--quiet", "--locked", "--target-dir", target, *package],
                       cwd=PROJECT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        run = EmbeddedTrial(Path(folder))
        run.proxy = Path(target) / "debug" / f"{example}-example"
        try:
            run.run(start_proxy, stopping)
        except BaseException:
            if run.log.exists():
                sys.stderr.write(f"the log of the proxy:\n{run.log.read_text()[-20000:]}")
            raise
        finally:
            run.stop()


class EmbeddedTrial(trial.Trial):
    pid = None
    requests = 0

    def run(self, start_proxy, stopping):
        url = os.environ.get("OPENSEARCH_URL") or self.start_node()
        self.opensearch = url.removeprefix("http://")
        self.index = f"directives-trial-{os.getpid()}"
        self.environment = {**os.environ, "DIRECTIVES_URL": url, "OPENSEARCH_URL": url,
                            "DIRECTIVES_INDEX": self.index, "PROXY_LISTEN": self.address,
                            "DIRECTIVES_INTERVAL_MS": "200", "RUST_LOG": "info",
                            "DIRECTIVES_LAST_GOOD": str(self.folder / "last-good")}
        self.pid = start_proxy(self)
        self.wait(self.responds)
        print("it serves although there is no directives index")
        self.check_records()
        self.check_levels()
        self.check_request_id()
        self.check_guard()
        self.check_streams()
        self.check_revocation()
        self.check_shutdown(stopping)
        print("\n8 passed, 0 failed")

    def check_records(self):
        self.send("PUT", f"/{INDEX}/_doc/1?refresh=true", "acme", b'{"a":1}')
        self.directives("init")
        self.directives("apply", "look", "--level", "ShapeTiming", "--tenant", "acme", "--index",
                        INDEX, "--endpoint", "Search", "--ring-buffer", "--ttl", "10m")
        self.wait(lambda: self.record(self.send("GET", SEARCH, "acme")))
        others = [self.send("GET", path, tenant) for path, tenant in
                  [(SEARCH, "globex"), (f"/{INDEX}/_count", "acme"), (SEARCH, "acme ,x"),
                   ("/other/_search?ignore_unavailable=true", "acme")]]
        line = self.recorded("GET", SEARCH, "acme")
        assert trial.ON in line and 'directives=["look"]' in line, line
        assert "status=200" in line and "header_after_us=" in line, line
        assert not any(self.record(other) for other in others), self.log.read_text()
        print("a directive records the requests that it matches, and no others")

    def check_levels(self):
        for tenant, *flags in [("initech", "--level", "Shape"),
                               ("globex", "--level", "ShapeRewriteDiff", "--capture")]:
            self.directives("apply", tenant, "--tenant", tenant, "--ttl", "10m", "--reason",
                            "trial", "--yes", *flags)
        query = b'{"query":{"match_all":{}}}'
        self.wait(lambda: self.record(self.send("POST", SEARCH, "globex", query)))
        shape = self.recorded("POST", SEARCH, "initech", query)
        assert f"request_bytes={len(query)} " in shape and "_us=" not in shape, shape
        assert not re.search(r"response_bytes=0\b", shape), shape
        diff = self.recorded_with_connection_header(query)
        changed = re.search('headers_changed="(.*)"', diff).group(1).split()
        assert {"-connection", "-x-private"} <= set(changed), diff
        assert "+x-private" not in changed, diff
        captured = [line for line in self.log.read_text().splitlines() if " capture: " in line]
        assert r'{\"query\":{\"match_all\":{}}}' in captured[-1], captured
        assert r'\"hits\"' in captured[-1], captured
        os.kill(self.pid, signal.SIGUSR1)
        self.wait(lambda: " ring_buffer: level=ShapeTiming" in self.log.read_text())
        assert " ring_buffer: level=Shape " not in self.log.read_text()
        print("each level records what it stands for; hop-by-hop headers are removed")

    def check_request_id(self):
        with self.open("GET", SEARCH, {"X-Tenant": "acme"}) as response:
            created = response.headers["X-Request-Id"]
        assert re.fullmatch("[0-9a-f]{32}", created), created
        self.wait(lambda: self.record(created))
        print("a request without an id receives one")

    def check_guard(self):
        name = self.index
        for path in [f"/{name}/_search", f"/%64{name[1:]}/_search", f"/{INDEX},{name}/_search",
                     f"/{name[:4]}*/_search", "/_all/_search", "/_search", f"/{name}/_doc/look",
                     f"/_cat/indices/{name}"]:
            for method in ["GET", "DELETE"]:
                try:
                    self.open(method, path, {"X-Tenant": "acme"}).close()
                except urllib.error.HTTPError as error:
                    assert error.code == 403 and b"directives index" in error.read(), path
                else:
                    raise AssertionError(f"{method} {path} was not refused")
        print("the directives index cannot be reached by a path")

    def check_streams(self):
        filler = "x" * DOCUMENT_BYTES
        body = "".join(f'{{"index":{{"_id":"b{n}"}}}}\n{{"filler":"{filler}"}}\n'
                       for n in range(DOCUMENTS)).encode()
        before = self.peak_memory_kb()
        with self.open("POST", f"/{INDEX}/_bulk?refresh=true", {"X-Tenant": "globex",
                       "Content-Type": "application/x-ndjson"}, body) as response:
            assert not json.load(response)["errors"]
        with self.open("GET", f"{SEARCH}?size=100&q=_exists_:filler",
                       {"X-Tenant": "globex"}) as response:
            assert len(json.load(response)["hits"]["hits"]) == DOCUMENTS
        grown = self.peak_memory_kb() - before
        assert grown < BUFFER_LIMIT_KB, f"the proxy's memory grew by {grown} kB"
        print(f"bodies of {len(body) >> 20} MB stream both ways: the memory grew by {grown} kB")

    def check_revocation(self):
        self.directives("revoke", "look")

        def revoked():
            request = self.send("GET", SEARCH, "acme")
            # When this later request is recorded, the earlier one would be, too.
            self.recorded("GET", SEARCH, "globex")
            return not self.record(request)
        self.wait(revoked)
        print("after its revocation a directive records nothing")

    def check_shutdown(self, stopping):
        body = b'{"query":{"match_all":{}}}'
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as slow:
            slow.sendall(f"POST /{INDEX}/_count HTTP/1.1\r\nHost: {self.address}\r\n"
                         f"Content-Type: application/json\r\nX-Tenant: globex\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:9])
            # The proxy has received the connection when it has served a later one.
            self.recorded("GET", SEARCH, "globex")
            # It may end now. A daemon is not a child of this process.
            child = next((child for child in self.processes if child.pid == self.pid), None)
            self.processes = [other for other in self.processes if other is not child]
            os.kill(self.pid, signal.SIGTERM)
            self.wait(lambda: stopping in self.log.read_text())
            slow.sendall(body[9:])
            response = slow.recv(65536)
            assert response.startswith(b"HTTP/1.1 200 "), response
        self.wait(lambda: not self.is_running())
        assert child is None or child.wait() == 0, child.returncode
        print("at SIGTERM the request that is running ends well, and then the proxy")

    def open(self, method, path, headers, body=None):
        request = urllib.request.Request(f"http://{self.address}{path}", body, headers,
                                         method=method)
        return trial.OPENER.open(request, timeout=60)

    def send(self, method, path, tenant, body=None, headers=None):
        """Sends a request, and returns its id."""
        self.requests += 1
        request_id = f"trial-{self.requests}"
        with self.open(method, path, {"X-Tenant": tenant, "X-Request-Id": request_id,
                                      "Content-Type": "application/json", **(headers or {})},
                       body) as response:
            assert response.status in (200, 201), response.status
            assert response.headers["X-Request-Id"] == request_id
            json.load(response)
        return request_id

    def recorded_with_connection_header(self, body):
        """Sends a request with a header that concerns only the connection. (urllib cannot.)"""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("POST", SEARCH, body, {
            "X-Tenant": "globex", "X-Request-Id": "trial-connection", "X-Private": "1",
            "Connection": "x-private", "Content-Type": "application/json"})
        assert connection.getresponse().status == 200
        connection.close()
        self.wait(lambda: self.record("trial-connection"))
        return self.record("trial-connection")

    def record(self, request_id):
        """Returns the record of a request, or None if it has none yet."""
        wanted = f'request_id="{request_id}"'
        return next((line for line in self.log.read_text().splitlines()
                     if " record: " in line and wanted in line), None)

    def recorded(self, *request):
        """Sends a request that a directive matches, and returns its record."""
        request_id = self.send(*request)
        self.wait(lambda: self.record(request_id))
        return self.record(request_id)

    def responds(self):
        try:
            return bool(self.send("GET", "/", "acme"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def peak_memory_kb(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status).group(1))

    def is_running(self):
        status = Path(f"/proc/{self.pid}/status")
        return status.exists() and "\nState:\tZ" not in status.read_text()

    def stop(self):
        if self.pid and self.is_running():
            os.kill(self.pid, signal.SIGKILL)
        super().stop()
