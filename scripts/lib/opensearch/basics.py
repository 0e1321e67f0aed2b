"""Functions for folders, messages, ports and HTTP that the other modules share."""

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
# Requests to a node stay on loopback, so they must not use a proxy from the environment.
NO_PROXY = urllib.request.ProxyHandler({})


class Problem(Exception):
    """A failure that the user can repair. Its text contains the remedy."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def get_json(url, timeout=2, security=None):
    """Returns the JSON at a URL of a node, with the CA and the user of `security` if it is set."""
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
    """Returns the version of the OpenSearch node at a URL, or None if there is no such node."""
    try:
        return get_json(url, security=security)["version"]["number"]
    except urllib.error.HTTPError as error:
        # The node requires credentials, so it runs, but its version is unknown.
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
    """Holds a lock in .opensearch/, so that two processes do not download the same files."""
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
            f"pip is needed to download {', '.join(packages)}, and {sys.executable} has none; "
            f"install pip ({install_command('python3-pip')}) and run this command again"
        )
    options = ["--quiet", "--no-color", "--disable-pip-version-check", "--target", str(folder)]
    # pip warns root about installations into folders of the system. This folder is private.
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run(
        [*pip, "install", *options, *packages], env=environment, stdout=sys.stderr
    )
    if done.returncode != 0:
        raise Problem(f"pip could not install {', '.join(packages)}; see its error above")


def install_command(package):
    """Returns the command with which the user installs a system package."""
    prefix = "" if os.geteuid() == 0 else "sudo "
    return f"`{prefix}apt-get install {package}` on Debian and Ubuntu"
