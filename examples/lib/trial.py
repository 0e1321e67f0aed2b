"""What the trials of the examples share: a real OpenSearch, a real agent and a proxy between
a client and OpenSearch. A directive shows in the proxy's log for the requests that it
matches, and no request is lost when the agent hangs or is gone."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
INDEX = "orders"
DEADLINE_SECS = 60
OFF = "level=Off ring_buffer=false capture=false"
ON = "level=ShapeTiming ring_buffer=true capture=false"
SEARCH = f"/{INDEX}/_search"
# Searches that name the index, and requests that do not, or that are no searches.
LENIENT = "ignore_unavailable=true"
MATCHED = [f"/absent,{INDEX}/_search?{LENIENT}", f"/absent%2C{INDEX}/_search?{LENIENT}",
           "/%6Frders/_search", f"//{INDEX}//_search", f"{SEARCH}?preference=a/_count"]
OTHERS = [f"/{INDEX}/_count", "/ord*/_search", "/_all/_search", "/_search",
          f"/absent/_search?{LENIENT}&q={INDEX}", f"/{INDEX}/_doc/1", "/_cat/indices?format=json",
          f"/<{INDEX}>/_search", f"/{INDEX}/_doc/1?pretty={{|}}^`"]
# Requests to loopback must not use a proxy from the environment.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main(start_proxy, nothing):
    """Runs a trial.

    `start_proxy(trial)` starts the proxy on `trial.address`, in front of `trial.opensearch`,
    with the agent at the socket `trial.socket`; the proxy logs to `trial.log`. `nothing` is
    what it logs when there is no decision.
    """
    subprocess.run(["cargo", "build", "--quiet", "--package", "opensearch-directives-cli"],
                   cwd=PROJECT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        # The workers of the proxy may run as another user.
        os.chmod(folder, 0o755)
        trial = Trial(Path(folder))
        try:
            trial.run(start_proxy, nothing)
        except BaseException:
            for errors in Path(folder).glob("*.err"):
                sys.stderr.write(f"{errors.name}:\n{errors.read_text()}")
            raise
        finally:
            trial.stop()


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % listener.getsockname()[1]


def is_stopped(process):
    """Whether every thread of a process is stopped."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/status")
    try:
        return all("\nState:\tT" in thread.read_text() for thread in threads)
    except FileNotFoundError:
        return False  # A thread has just ended.


def replaced(text, *pairs):
    """Returns a configuration with other addresses. Each old address must occur in it."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, str(new))
    return text


class Trial:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.address = free_address()
        self.socket = folder / "agent.sock"
        self.log = folder / "log"
        self.opensearch = None
        self.environment = None
        target = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
        self.binary = target / "debug/directives"

    def start(self, *command, **more):
        """Starts a process, which is stopped at the end of the trial."""
        self.processes.append(subprocess.Popen([str(part) for part in command], **more))
        return self.processes[-1]

    def start_proxy(self, *command, **more):
        """Starts the proxy, and keeps what it writes to standard error."""
        with open(self.folder / "proxy.err", "w") as errors:
            return self.start(*command, stdout=errors, stderr=errors, **more)

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes:
            process.wait()

    def directives(self, *args):
        subprocess.run([self.binary, *args], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL)

    def run(self, start_proxy, nothing):
        url = os.environ.get("OPENSEARCH_URL") or self.start_node()
        self.opensearch = url.removeprefix("http://")
        self.environment = {**os.environ, "DIRECTIVES_URL": url,
                            "DIRECTIVES_INDEX": f"directives-trial-{os.getpid()}"}
        self.directives("init")
        agent = self.start(
            self.binary, "agent", "--listen", f"unix:{self.socket}", "--socket-mode", "666",
            "--interval", "200ms", "--log", "error", env=self.environment,
            stdout=subprocess.PIPE, text=True)
        agent.stdout.readline()
        start_proxy(self)
        self.check(agent, nothing)

    def start_node(self):
        node = self.start(
            PROJECT / "scripts/opensearch", "run", "--private", "--port", "0", "--dir",
            self.folder / "node", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        return next(line.split()[1] for line in node.stdout if line.startswith("ready "))

    def check(self, agent, nothing):
        self.wait(self.responds)
        document = urllib.request.Request(
            f"http://{self.address}/{INDEX}/_doc/1?refresh=true", b'{"a":1}',
            {"Content-Type": "application/json"}, method="PUT")
        OPENER.open(document, timeout=30).close()
        self.wait(lambda: self.logged(SEARCH, "acme") == OFF)
        # No request of the trial has a principal.
        for principal in ["unknown", "-"]:
            self.directives("apply", f"principal-{principal}", "--level", "Shape", "--principal",
                            principal, "--ttl", "10m")
        self.directives("apply", "look", "--level", "ShapeTiming", "--tenant", "acme", "--index",
                        INDEX, "--endpoint", "Search", "--ring-buffer", "--ttl", "10m")
        self.wait(lambda: self.logged(SEARCH, "acme") == ON)
        for path in MATCHED:
            assert self.logged(path, "acme") == ON, path
        for path, tenant in [(SEARCH, "globex"), (SEARCH, ""), (SEARCH, 'x","tenant":"acme'),
                             (SEARCH, "acme\\"), *((path, "acme") for path in OTHERS)]:
            assert self.logged(path, tenant) == OFF, (path, tenant)
        print("a directive shows for the requests that it matches, and for no others")
        self.directives("revoke", "look")
        self.wait(lambda: self.logged(SEARCH, "acme") == OFF)
        print("after its revocation it no longer shows")
        agent.send_signal(signal.SIGSTOP)
        # On a busy machine, some threads still run for a while after the signal.
        self.wait(lambda: is_stopped(agent))
        spoofed = {"Directives-Level": "ShapeRewriteDiff"}
        logged = self.logged(SEARCH, "acme", spoofed)
        assert logged == nothing, logged
        agent.kill()
        agent.wait()
        self.processes.remove(agent)
        for _ in range(3):
            logged = self.logged(SEARCH, "acme", spoofed)
            assert logged == nothing, logged
        print("no request is lost while the agent hangs or is gone")
        print("\n1 passed, 0 failed")

    def logged(self, path, tenant, headers=None):
        """Sends a request through the proxy, and returns the decision that the proxy logs."""
        before = self.lines()
        request = urllib.request.Request(f"http://{self.address}{path}",
                                         headers={"X-Tenant": tenant, **(headers or {})})
        try:
            with OPENER.open(request, timeout=10) as response:
                assert response.status == 200, response.status
                json.load(response)
        except urllib.error.HTTPError as error:
            # OpenSearch refuses some of the paths, but the proxies evaluate them, too.
            assert error.code == 400 and path != SEARCH, (path, error.code)
            error.close()
        self.wait(lambda: len(self.lines()) > len(before))
        return re.search("level=.*", self.lines()[len(before)]).group().strip()

    def lines(self):
        text = self.log.read_text() if self.log.exists() else ""
        return [line for line in text.splitlines() if "level=" in line]

    def responds(self):
        try:
            return bool(self.logged("/", "acme"))
        except urllib.error.URLError:
            return False

    def wait(self, condition):
        deadline = time.monotonic() + DEADLINE_SECS
        while not condition():
            ended = [process.args[0] for process in self.processes if process.poll() is not None]
            assert not ended, f"ended early: {ended}"
            assert time.monotonic() < deadline, "the condition did not hold in time"
            time.sleep(0.05)
