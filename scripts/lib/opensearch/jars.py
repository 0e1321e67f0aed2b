"""Downloads artifacts and their dependencies from Maven Central, with Maven or with jgo."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from .basics import HOME, Problem, locked, pip_install, say

# jgo resolves the same jars as Maven, and needs no Java.
JGO = "jgo==3.2.0"
JGO_FOLDER = HOME / JGO.replace("==", "-")
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>node</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
DEPENDENCY = """
    <dependency>
      <groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version><type>{3}</type>
    </dependency>"""


def fetch(artifacts, folder):
    """Downloads artifacts (`group:name:version[:type]`) and their dependencies into a folder.

    If the folder exists, nothing is downloaded.
    """
    if folder.is_dir():
        return folder
    with locked("fetch.lock"):
        if not folder.is_dir():
            partial = HOME / "fetch.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            by_maven(artifacts, partial) if shutil.which("mvn") else by_jgo(artifacts, partial)
            # The folder is renamed at the end, so that an interrupted download is not used.
            (partial / "lib").rename(folder)
            shutil.rmtree(partial)
    return folder


def fetch_plugin(artifacts, lib, folder):
    """Downloads the jars of a plugin into a folder, except those that the node's folder `lib`
    already contains. If the folder exists, nothing is downloaded.
    """
    downloads = fetch(artifacts, HOME / f"download-{folder.name}")
    with locked("fetch.lock"):
        if folder.is_dir():
            return
        partial = HOME / "plugin.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for archive in downloads.glob("*.zip"):
            with zipfile.ZipFile(archive) as files:
                names = [name for name in files.namelist() if name.endswith(".jar")]
                files.extractall(partial, names)
        for jar in downloads.glob("*.jar"):
            shutil.copy(jar, partial)
        own = {library_name(jar) for jar in lib.glob("*.jar")}
        for jar in partial.glob("*.jar"):
            if library_name(jar) in own:
                jar.unlink()
        partial.rename(folder)
    shutil.rmtree(downloads)


def library_name(jar):
    """Returns the name of a jar without its version."""
    return re.sub(r"-\d[^/]*$", "", jar.stem)


def by_maven(artifacts, folder):
    dependencies = (DEPENDENCY.format(*coordinates(artifact)) for artifact in artifacts)
    (folder / "pom.xml").write_text(POM.format(dependencies="".join(dependencies)))
    command = ["mvn", "-q", "-B", "-Dstyle.color=never"]
    done = subprocess.run(
        [*command, "dependency:copy-dependencies", "-DoutputDirectory=lib"],
        cwd=folder,
        # The output is shown only after a failure, because Maven always prints colour codes.
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        say(done.stdout)
        raise Problem(f"Maven could not download {', '.join(artifacts)}; see its error above")


def by_jgo(artifacts, folder):
    if not JGO_FOLDER.is_dir():
        say("Maven is not installed; downloading a resolver from PyPI (jgo, once)")
        partial = HOME / "jgo.partial"
        shutil.rmtree(partial, ignore_errors=True)
        pip_install(partial, JGO)
        partial.rename(JGO_FOLDER)
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("resolve.py")), str(folder), *artifacts],
        env={**os.environ, "PYTHONPATH": str(JGO_FOLDER)},
        stdout=sys.stderr,
    )
    if done.returncode != 0:
        raise Problem(
            f"could not download {', '.join(artifacts)} from Maven Central; see the error above"
        )


def coordinates(artifact):
    """Returns the group, name, version and type of an artifact."""
    return (artifact + ":jar").split(":")[:4]
