"""Checks the files of deploy/ with the tools that use them. scripts/test-deploy runs this."""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

import kubernetes_validate
import yaml

DEPLOY = Path("deploy")
KUBERNETES = "1.33"
DEADLINE_SECS = 60
# Requests to loopback must not use a proxy from the environment.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def main():
    parser = argparse.ArgumentParser()
    for flag in ["directives", "promtool", "prometheus", "opensearch", "work"]:
        parser.add_argument(f"--{flag}", required=True)
    args = parser.parse_args()
    checks = [check_units, check_manifests, check_variables, check_rules, check_chroot, check_prometheus]
    for check in checks:
        print(f"{check.__name__}: {check(args)}", flush=True)
    print(f"\n{len(checks)} passed, 0 failed")


def run(*command, **more):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **more)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def get(url):
    with OPENER.open(url, timeout=10) as response:
        return response.read().decode()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def check_units(args):
    """systemd-analyze accepts each unit, and rates its exposure as low."""
    if not shutil.which("systemd-analyze"):
        return "skipped, because systemd-analyze is not installed"
    ratings = []
    for file in sorted((DEPLOY / "systemd").glob("*.service")):
        unit = Path(args.work) / file.name
        # systemd-analyze requires that the program exists.
        unit.write_text(file.read_text().replace("/usr/local/bin/directives", args.directives))
        output = run("systemd-analyze", "verify", "--man=no", unit)
        assert file.stem not in output, output
        output = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)
        ratings.append(output.strip().splitlines()[-1].strip(" →"))
    return "; ".join(ratings)


def manifests():
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for manifest in yaml.safe_load_all(file.read_text()):
            yield file.name, manifest


def containers():
    for _, manifest in manifests():
        pod = manifest["spec"].get("template", {}).get("spec", {})
        for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
            yield pod, container


def check_manifests(_):
    """Each manifest conforms to the schema of Kubernetes in strict mode, and each container
    has a read-only root, no root user and a memory limit."""
    count = 0
    for _, manifest in manifests():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        count += 1
    for pod, container in containers():
        security = container["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"], container["name"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert "memory" in container["resources"]["limits"], container["name"]
    return f"{count} manifests are valid"


def check_variables(args):
    """The verb that a file of deploy/ runs has a flag for each DIRECTIVES_ variable in the file."""
    count = 0
    for file in DEPLOY.rglob("*"):
        if not file.is_file():
            continue
        verb = "record" if file.stem.endswith("record") else "agent"
        known = set(re.findall(r"env:\s+(DIRECTIVES_\w+)", run(args.directives, verb, "--help")))
        used = set(re.findall(r"\b(DIRECTIVES_[A-Z_]+)\b", file.read_text()))
        assert used <= known, f"{file}: unknown variables: {sorted(used - known)}"
        count += len(used)
    return f"the agent and the recorder have flags for all {count} variables"


def check_rules(args):
    """promtool accepts the rules, and their tests pass."""
    run(args.promtool, "check", "rules", DEPLOY / "prometheus/rules.yml")
    output = run(args.promtool, "test", "rules", "rules.test.yml", cwd=DEPLOY / "prometheus")
    assert "SUCCESS" in output, output
    return "the rules and their tests pass"


def check_chroot(args):
    """The agent serves as the user nobody, in a read-only root that contains only the program,
    its libraries and CA certificates."""
    if os.getuid() != 0:
        return "skipped, because chroot needs root"
    root = Path(tempfile.mkdtemp(dir=args.work))
    shutil.copy(args.directives, root / "directives")
    for library in re.findall(r"(/\S+) \(0x", run("ldd", args.directives)):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    # The image has its CA certificates at this path.
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", bundle)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555)
    os.chmod(args.work, 0o755)
    port = free_port()
    enter = [shutil.which("chroot"), "--userspec=65534:65534", root, "/directives"]
    agent = subprocess.Popen(
        [*enter, "agent", "--startup", "empty",
         "--url", args.opensearch, "--listen", "127.0.0.1:0", "--health-listen", f":{port}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}, text=True)
    try:
        lines = [agent.stdout.readline() for _ in range(2)]
        assert lines[1].startswith("health on"), agent.communicate(timeout=5)
        run(*enter, "probe", "--agent", f"127.0.0.1:{port}", env={})
    finally:
        agent.terminate()
        agent.wait()
    return "the agent serves as nobody in a minimal read-only root"


def check_prometheus(args):
    """A real Prometheus scrapes two agents. Each query of the dashboard returns a result, and the
    rules use only exported metrics."""
    work = Path(args.work)
    environment = {**os.environ, "DIRECTIVES_URL": args.opensearch,
                   "DIRECTIVES_INDEX": f"directives-deploy-{os.getpid()}"}
    run(args.directives, "init", env=environment)
    run(args.directives, "apply", "one", "--level", "Shape", "--tenant", "acme", "--ttl", "1h", env=environment)
    ports = [free_port(), free_port()]
    web = free_port()
    processes = []
    try:
        for port in ports:
            processes.append(subprocess.Popen(
                [args.directives, "agent", "--interval", "200ms", "--listen", "127.0.0.1:0",
                 "--health-listen", f"127.0.0.1:{port}", "--log", "error"],
                env=environment, stdout=subprocess.DEVNULL))
        rules = (DEPLOY / "prometheus/rules.yml").resolve()
        (work / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "directives", "static_configs": [
                {"targets": [f"127.0.0.1:{port}" for port in ports]}]}]}))
        with open(work / "prometheus.log", "w") as log:
            processes.append(subprocess.Popen(
                [args.prometheus, f"--config.file={work}/prometheus.yml",
                 f"--storage.tsdb.path={work}/tsdb", f"--web.listen-address=127.0.0.1:{web}"],
                stderr=log))
        return queries(f"http://127.0.0.1:{web}", ports[0], args.promtool)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def queries(prometheus, port, promtool):
    def query(expression):
        encoded = urllib.parse.urlencode({"query": expression})
        return json.loads(get(f"{prometheus}/api/v1/query?{encoded}"))["data"]["result"]

    def eventually(what, condition):
        deadline = time.monotonic() + DEADLINE_SECS
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, f"this did not happen in time: {what}"
            time.sleep(0.2)

    eventually("both agents are scraped", lambda: [sample["value"][1] for sample in query("up")] == ["1", "1"])
    exported = get(f"http://127.0.0.1:{port}/metrics")
    lint = subprocess.run([promtool, "check", "metrics"], input=exported, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert lint.returncode == 0 and not lint.stdout, lint.stdout
    names = set(re.findall(r"^# TYPE (\S+)", exported, re.M)) | {"up"}

    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for expression in expressions:
        expression = expression.replace("$__rate_interval", "10s").replace("$instance", ".*")
        eventually(f"the dashboard's query {expression} has a result", lambda: query(expression))
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())["groups"][0]["rules"]
    used = set()
    for text in [*expressions, *(rule["expr"] for rule in rules)]:
        used |= set(re.findall(r"\b(directives_\w+|up)\b", text))
    assert used <= names, f"the agents do not export {sorted(used - names)}"
    alerts = json.loads(get(f"{prometheus}/api/v1/alerts"))["data"]["alerts"]
    assert not alerts, f"two healthy agents raise alerts: {alerts}"
    return f"{len(expressions)} queries and {len(rules)} rules use {len(used)} exported metrics"


if __name__ == "__main__":
    main()
