"""Describes a release: a bill of materials for each published crate, and where all of it comes from.

Needs no network: `cargo metadata` has the dependencies, Cargo.lock their checksums, git the source.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from datetime import datetime, timezone
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def run(*command):
    return subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def metadata():
    return json.loads(run("cargo", "metadata", "--locked", "--offline", "--format-version", "1"))


def published(meta):
    members = set(meta["workspace_members"])
    return [p for p in meta["packages"] if p["id"] in members and p["publish"] != []]


def dependencies(meta, root):
    """The ids of the packages that become part of `root` or build it; tests' do not count."""
    nodes = {node["id"]: node for node in meta["resolve"]["nodes"]}
    found, todo = {root}, [root]
    while todo:
        for dep in nodes[todo.pop()]["deps"]:
            kinds = {kind["kind"] for kind in dep["dep_kinds"]}
            if kinds - {"dev"} and dep["pkg"] not in found:
                found.add(dep["pkg"])
                todo.append(dep["pkg"])
    return found, nodes


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    is_root = package["source"] is None
    entry = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    elif not is_root:
        raise SystemExit(f"{purl(package)} has no checksum in Cargo.lock")
    return entry


def bill_of_materials(meta, root, checksums, timestamp):
    """A CycloneDX 1.5 document."""
    ids, nodes = dependencies(meta, root["id"])
    packages = {p["id"]: p for p in meta["packages"]}
    parts = sorted((packages[i] for i in ids if i != root["id"]), key=purl)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"timestamp": timestamp, "component": component(root, checksums)},
        "components": [component(part, checksums) for part in parts],
        "dependencies": [
            {
                "ref": purl(packages[i]),
                "dependsOn": sorted(
                    {purl(packages[d["pkg"]]) for d in nodes[i]["deps"] if d["pkg"] in ids}
                ),
            }
            for i in sorted(ids)
        ],
    }


def provenance(files, timestamp):
    """An in-toto statement with a SLSA provenance of version 1. It is not signed."""
    commit = run("git", "rev-parse", "HEAD").strip()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f.name, "digest": {"sha256": sha256(f)}} for f in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "scripts/release",
                "externalParameters": {"commit": commit},
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": commit}},
                    {"name": "Cargo.lock", "digest": {"sha256": sha256(PROJECT / "Cargo.lock")}},
                ],
            },
            "runDetails": {
                "builder": {
                    "id": "scripts/release",
                    "version": {"rustc": run("rustc", "-vV"), "cargo": run("cargo", "-V").strip()},
                },
                "metadata": {"finishedOn": timestamp},
            },
        },
    }


def main(folder):
    # The time of the commit, so that the same commit has the same bill of materials.
    committed = int(run("git", "log", "-1", "--format=%ct"))
    timestamp = datetime.fromtimestamp(committed, timezone.utc).isoformat()
    lock = tomllib.loads((PROJECT / "Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    meta = metadata()
    for package in published(meta):
        bom = bill_of_materials(meta, package, checksums, timestamp)
        name = f"{package['name']}-{package['version']}.cdx.json"
        (folder / name).write_text(json.dumps(bom, indent=1) + "\n")
        print(f"{name}: {len(bom['components'])} components")
    described = sorted(f for f in folder.iterdir() if f.name not in ("provenance.json", "SHA256SUMS"))
    (folder / "provenance.json").write_text(json.dumps(provenance(described, timestamp), indent=1) + "\n")
    sums = "".join(f"{sha256(f)}  {f.name}\n" for f in [*described, folder / "provenance.json"])
    (folder / "SHA256SUMS").write_text(sums)


main(Path(sys.argv[1]).resolve())
