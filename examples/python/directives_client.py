#!/usr/bin/env python3
"""Evaluates diagnostics directives in a Python program, through the agent. It needs only the
standard library.

    directives agent --listen unix:/run/directives.sock &
    echo '{"tenant":"acme","index":"orders","principal":"me","endpoint":"Search",
           "request_id":"r-1"}' | tr -d '\\n' |
        python3 examples/python/directives_client.py unix:/run/directives.sock

As a program, it reads one request per line from standard input and prints the decision. For an
empty line, it prints the set that it keeps. As a module, it provides the class `Directives`:

    directives = Directives("http://127.0.0.1:9980")
    decision, source = directives.evaluate(request)

The agent evaluates each request. A thread follows the changes of the set and keeps the last good
set. While the agent does not respond, the kept set decides, and each of its directives still starts
and expires at its own times. Before the first set arrives, no directive applies.
"""

import http.client
import json
import logging
import random
import socket
import sys
import threading
import time
import urllib.parse

LEVELS = ["Off", "Shape", "ShapeTiming", "ShapeRewriteDiff"]
TARGETS = ["tenant", "index", "principal", "endpoint"]
# The fields that this client understands. A directive with an unknown field comes from a newer
# agent and is ignored, because without that field it could match too many requests.
FIELDS = {"id", "level", *TARGETS, "sample_per_mille", "ring_buffer", "capture", "starts_at",
          "expires_at", "expired"}
MAX_WAIT_SECS = 30
MIN_WAIT_SECS = 2
# The shortest time between two successful requests of the follower. It bounds the number of
# requests even if a proxy changes requests or responses.
MIN_PAUSE_SECS = 1
# The timeout of a request that does not wait for a change.
RESPONSE_SECS = 2
MAX_BYTES = 256 << 20
LOG = logging.getLogger("directives")


class AgentError(Exception):
    """The agent did not respond, or its response was not valid."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("agent", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Directives:
    """The directives of the agent at an address: http://HOST:PORT, or unix:PATH.

    `token` is a bearer token that permits reading and evaluating. It is needed only if the agent
    requires tokens.
    """

    def __init__(self, agent, token=None):
        self.agent = agent
        self.token = token
        self.kept = []
        self.tag = None
        self.wait_secs = MAX_WAIT_SECS
        self.stopped = threading.Event()
        self.changed = threading.Event()
        threading.Thread(target=self._follow, daemon=True).start()

    def close(self):
        """Stops the thread. It ends when its current request ends, or earlier."""
        self.stopped.set()

    def evaluate(self, request):
        """Returns the decision for a request, and its source: "agent" or "kept" (the kept set).

        Raises ValueError if the agent refuses the request as invalid.
        """
        try:
            status, body = self._send("POST", "/v1/evaluate", json.dumps(request), RESPONSE_SECS)
        except AgentError as error:
            LOG.debug("%s", error)
            return decide(self.kept, request, now()), "kept"
        if status == 200:
            return body, "agent"
        if status in (400, 413):
            raise ValueError(body.get("detail", status) if isinstance(body, dict) else status)
        return decide(self.kept, request, now()), "kept"

    def _follow(self):
        """Keeps the set up to date with requests that wait for a change."""
        failures = 0
        while not self.stopped.is_set():
            began = time.monotonic()
            try:
                self._follow_once()
                failures = 0
                pause = MIN_PAUSE_SECS - (time.monotonic() - began)
            except Exception as error:  # After any error, the last good set stays.
                waited = time.monotonic() - began
                if self._was_cut_short(error, waited):
                    failures = 0
                    pause = MIN_PAUSE_SECS - waited
                else:
                    if failures == 0:
                        LOG.warning("no directives from the agent, keeping the last: %s", error)
                    failures += 1
                    # The pause is random, so that the clients of an agent do not return at once.
                    pause = min(30, 0.1 * 2 ** min(failures, 9)) * random.uniform(0.5, 1)
            if pause > 0:
                self.stopped.wait(pause)

    def _was_cut_short(self, error, waited):
        """Returns whether a proxy, and not the agent, ended a waiting request. Then the next request
        waits for a shorter time. Envoy ends requests after 15 s, nginx after 60 s."""
        if not isinstance(error, AgentError) or self.tag is None or waited < MIN_WAIT_SECS:
            return False
        self.wait_secs = max(MIN_WAIT_SECS, min(self.wait_secs, int(waited * 0.8)))
        LOG.info("a proxy ends waiting requests; waiting for %d s: %s", self.wait_secs, error)
        return True

    def _follow_once(self):
        # The query and the body contain the tag, because proxies change entity tags in headers.
        known = f"&known={self.tag}" if self.tag else ""
        path = f"/v1/directives?wait={self.wait_secs}s{known}"
        status, body = self._send("GET", path, None, self.wait_secs + 10)
        if status != 200:
            detail = body.get("detail", "") if isinstance(body, dict) else ""
            raise AgentError(f"the response has status {status}. {detail}")
        if body["directives"] is None:
            return
        for directive in body["directives"]:
            unknown = directive.keys() - FIELDS
            if unknown:
                raise ValueError(f"directive {directive['id']}: unknown fields {unknown}")
        self.kept, self.tag = body["directives"], body["tag"]
        self.changed.set()

    def _send(self, method, path, body, timeout):
        scheme, _, rest = self.agent.partition(":")
        if scheme == "unix":
            connection = UnixConnection(rest, timeout)
        else:
            connection = http.client.HTTPConnection(
                urllib.parse.urlsplit(self.agent).netloc, timeout=timeout)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read(MAX_BYTES + 1)
            if len(text) > MAX_BYTES:
                raise AgentError(f"the response has more than {MAX_BYTES} bytes")
            # The error page of a proxy is not JSON.
            is_json = response.status == 200 or "json" in response.getheader("Content-Type", "")
            return response.status, json.loads(text) if text and is_json else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AgentError(f"{method} {path} at {self.agent}: {error}") from error
        finally:
            connection.close()


def decide(directives, request, instant):
    """Computes the decision from a kept set, by the rules of the agent."""
    applying = [directive for directive in directives if applies(directive, request, instant)]
    return {
        "level": max((directive["level"] for directive in applying), key=LEVELS.index, default="Off"),
        "ring_buffer": any(directive["ring_buffer"] for directive in applying),
        "capture": any(directive["capture"] for directive in applying),
        "directives": [directive["id"] for directive in applying],
    }


def applies(directive, request, instant):
    return (
        sortable(directive.get("starts_at", "0000-01-01T00:00:00Z")) <= instant
        and instant < sortable(directive["expires_at"])
        and all(directive[name] == request.get(name) for name in TARGETS if name in directive)
        and fnv1a_64(request["request_id"]) % 1000 < directive["sample_per_mille"]
    )


def sortable(timestamp):
    """Converts a time of the agent (RFC 3339 in UTC) to a string that sorts by time."""
    seconds, _, fraction = timestamp.rstrip("Z").partition(".")
    return f"{seconds}.{fraction:0<9}"


def now():
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}"


def fnv1a_64(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} http://HOST:PORT|unix:PATH <requests, one JSON object per line")
    logging.basicConfig(level=logging.WARNING)
    directives = Directives(sys.argv[1])
    directives.changed.wait(RESPONSE_SECS)
    for line in sys.stdin:
        if not line.strip():
            print(json.dumps({"kept": directives.kept}), flush=True)
            continue
        try:
            decision, source = directives.evaluate(json.loads(line))
            print(json.dumps({"decision": decision, "source": source}), flush=True)
        except ValueError as error:
            print(json.dumps({"error": str(error)}), flush=True)
    directives.close()


if __name__ == "__main__":
    main()
