#!/usr/bin/env python3
"""Diagnostics directives in a Python program, through the agent. Standard library only.

    directives agent --listen unix:/run/directives.sock &
    echo '{"tenant":"acme","index":"orders","principal":"me","endpoint":"Search",
           "request_id":"r-1"}' | tr -d '\\n' |
        python3 examples/python/directives_client.py unix:/run/directives.sock

As a program it takes a request a line on its standard input and answers each with what
applies to it, and an empty line with the set that it keeps. As a module it is one class, `Directives`:

    directives = Directives("http://127.0.0.1:9980")
    decision, source = directives.evaluate(request)

The agent is asked about each request. A thread waits for changes of the set meanwhile and
keeps the last good one; while the agent does not answer, that set decides, in which each
directive still starts and expires at its own times. Before the first set, nothing applies.
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
# What the kept set is decided by. A set with anything else is of an agent that knows more
# than this client: to decide by half of it could match more than was asked for.
FIELDS = {"id", "level", *TARGETS, "sample_per_mille", "ring_buffer", "capture", "starts_at",
          "expires_at", "expired"}
WAIT_SECS = 30
ANSWER_SECS = 2
BYTES_AT_MOST = 256 << 20
LOG = logging.getLogger("directives")


class AgentError(Exception):
    """The agent did not answer, or not with what was asked for."""


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
    """What the agent at an address says: http://HOST:PORT, or unix:PATH."""

    def __init__(self, agent):
        self.agent = agent
        self.kept = []
        self.etag = None
        self.stopped = threading.Event()
        self.changed = threading.Event()
        threading.Thread(target=self._follow, daemon=True).start()

    def close(self):
        """Ends the waiting for changes, at the latest when the wait under way ends."""
        self.stopped.set()

    def evaluate(self, request):
        """What applies to a request, and who said so: "agent", or "kept".

        A request that the agent refuses is the caller's mistake: ValueError.
        """
        try:
            status, _, body = self._send("POST", "/v1/evaluate", {}, json.dumps(request), ANSWER_SECS)
        except AgentError as error:
            LOG.debug("%s", error)
            return decide(self.kept, request, now()), "kept"
        if status == 200:
            return body, "agent"
        if status < 500:
            raise ValueError(body.get("detail", status))
        return decide(self.kept, request, now()), "kept"

    def _follow(self):
        """Keeps the set, told of each change by the answer to a request that waits."""
        failures = 0
        while not self.stopped.is_set():
            try:
                self._follow_once()
                failures = 0
            except Exception as error:  # Whatever it is, the last good set stays.
                if failures == 0:
                    LOG.warning("no directives from the agent, keeping the last: %s", error)
                failures += 1
                # A fleet that lost its agent does not come back all at once.
                self.stopped.wait(min(30, 0.1 * 2 ** min(failures, 9)) * random.uniform(0.5, 1))

    def _follow_once(self):
        headers = {"If-None-Match": self.etag} if self.etag else {}
        path = f"/v1/directives?wait={WAIT_SECS}s"
        status, etag, body = self._send("GET", path, headers, None, WAIT_SECS + 10)
        if status == 304:
            return
        if status != 200:
            raise AgentError(body.get("detail", status))
        for directive in body["directives"]:
            unknown = directive.keys() - FIELDS
            if unknown:
                raise AgentError(f"directive {directive['id']}: {unknown} is not known here")
        self.kept, self.etag = body["directives"], etag
        self.changed.set()

    def _send(self, method, path, headers, body, timeout):
        scheme, _, rest = self.agent.partition(":")
        if scheme == "unix":
            connection = UnixConnection(rest, timeout)
        else:
            connection = http.client.HTTPConnection(
                urllib.parse.urlsplit(self.agent).netloc, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read(BYTES_AT_MOST + 1)
            if len(text) > BYTES_AT_MOST:
                raise AgentError(f"the answer has more than {BYTES_AT_MOST} bytes")
            return answer.status, answer.getheader("ETag"), json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AgentError(f"{method} {path} at {self.agent}: {error}") from error
        finally:
            connection.close()


def decide(directives, request, instant):
    """The same decision as the agent's, by a set that was kept."""
    applying = [one for one in directives if applies(one, request, instant)]
    return {
        "level": max((one["level"] for one in applying), key=LEVELS.index, default="Off"),
        "ring_buffer": any(one["ring_buffer"] for one in applying),
        "capture": any(one["capture"] for one in applying),
        "directives": [one["id"] for one in applying],
    }


def applies(directive, request, instant):
    return (
        order(directive.get("starts_at", "0000-01-01T00:00:00Z")) <= instant
        and instant < order(directive["expires_at"])
        and all(directive[name] == request.get(name) for name in TARGETS if name in directive)
        and fnv1a_64(request["request_id"]) % 1000 < directive["sample_per_mille"]
    )


def order(timestamp):
    """An instant of the agent's (RFC 3339 in UTC) as a text that sorts, to the nanosecond."""
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
        sys.exit(f"usage: {sys.argv[0]} http://HOST:PORT|unix:PATH <requests, a JSON object a line")
    logging.basicConfig(level=logging.WARNING)
    directives = Directives(sys.argv[1])
    directives.changed.wait(ANSWER_SECS)
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
