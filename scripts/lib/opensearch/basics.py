"""Folders, messages, ports and HTTP, as the other parts use them."""

import base64
import contextlib
import fcntl
import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
HOME = PROJECT / ".opensearch"
# A node is on loopback, so no proxy of the environment is ever used for it.
NO_PROXY = urllib.request.ProxyHandler({})


class Problem(Exception):
    """A failure that the user can repair; its text says how."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def get_json(url, timeout=2, security=None):
    """The JSON response at an address of a node; a `security` brings its CA and user."""
    handlers = [NO_PROXY]
    request = urllib.request.Request(url)
    if security:
        context = ssl.create_default_context(cafile=security.path("ca.pem"))
        handlers.append(urllib.request.HTTPSHandler(context=context))
        login = base64.b64encode(f"{security.USER}:{security.PASSWORD}".encode()).decode()
        request.add_header("authorization", f"Basic {login}")
    with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as response:
        return json.load(response)


def version_at(url, security=None):
    """The version of the OpenSearch at an address, or None if there is none."""
    try:
        return get_json(url, security=security)["version"]["number"]
    except urllib.error.HTTPError as error:
        # A cluster that asks for credentials is one, too.
        return "unknown" if error.code in (401, 403) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_healthy(url, security=None):
    """Whether every index can be searched."""
    try:
        health = get_json(url + "/_cluster/health", security=security)
        return health["status"] in ("yellow", "green")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_free(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def locked(name):
    """Holds a lock in .opensearch/, so that only one process downloads a thing."""
    HOME.mkdir(exist_ok=True)
    with open(HOME / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pip_install(folder, *packages):
    """Installs packages from PyPI into a private folder under .opensearch/."""
    HOME.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True).returncode != 0:
        raise Problem(
            f"this needs {', '.join(packages)} from PyPI, and {sys.executable} has no pip; "
            f"install pip ({install_command('python3-pip')}) and run this again"
        )
    options = ["--quiet", "--no-color", "--disable-pip-version-check", "--target", str(folder)]
    # Its warning to root is about folders that it shares with the system; this is none.
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(
        [*pip, "install", *options, *packages], env=environment, stdout=sys.stderr
    )
    if done.returncode != 0:
        raise Problem(f"pip could not install {', '.join(packages)}; its error is above")


def install_command(package):
    """How the user installs a package of the system, as one command."""
    prefix = "" if os.geteuid() == 0 else "sudo "
    return f"`{prefix}apt-get install {package}` on Debian and Ubuntu"
