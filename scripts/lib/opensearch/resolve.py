"""Downloads artifacts with jgo. jars.py runs this program if Maven is not installed.

  resolve.py FOLDER ARTIFACT...

The artifacts (`group:name:version[:type]`) and their dependencies are stored in FOLDER/lib.
"""

import shutil
import sys
from pathlib import Path

from jgo.maven import Dependency, MavenContext, PythonResolver

folder = Path(sys.argv[1])
context = MavenContext(repo_cache=folder / "repository", timeout=60)
wanted = []
for artifact in sys.argv[2:]:
    group, name, version, kind = (artifact + ":jar").split(":")[:4]
    component = context.project(group, name).at_version(version)
    wanted.append(Dependency(component.artifact(packaging=kind)))
inputs, dependencies = PythonResolver().resolve(wanted)
(folder / "lib").mkdir()
for dependency in inputs + dependencies:
    shutil.copy(dependency.artifact.resolve(), folder / "lib")
