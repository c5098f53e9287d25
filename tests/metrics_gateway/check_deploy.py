#!/usr/bin/env python3
"""Checks what lies in deploy/, and docs/metrics.md.

    check_deploy.py <project root> <weir program>

- promtool accepts the scrape configuration and the rules, and the rules' tests pass;
- what rules and dashboard ask for exists: every metric, and every label it is selected or grouped by, is in
  tests/metrics_gateway/exposition.golden or recorded by a rule; and Prometheus can parse each of the dashboard's queries;
- docs/metrics.md has the metrics of the golden file, with their types, and no others;
- systemd accepts the unit.

Without promtool or systemd-analyze the rest is checked and the script ends with 77 (skipped), with WEIR_REQUIRE_ALL=1
with 1.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TARGET_LABELS = {"job", "instance"}  # Prometheus' own
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
NAME = re.compile(r"\b(weir_[a-z0-9_]+|[a-z]+:weir_[a-z0-9_]+:[a-z0-9_]+)\b")
GROUPING = re.compile(r"\b(?:by|without|ignoring|on)\s*\(([^)]*)\)")


def read_golden(path):
    """The names that can be queried, each with its labels."""
    labels = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? #", line)
            names = set(re.findall(r'([a-z_]+)="', match[2] or ""))
            labels.setdefault(match[1], set()).update(names)
    return labels


def read_rules(path):
    """(recorded name or None, expression) of each rule. The file is YAML as we write it; promtool has parsed it."""
    rules = []
    lines = path.read_text().splitlines()
    for i, line in enumerate(lines):
        match = re.match(r"      - (record|alert): (\S+)$", line)
        if not match:
            continue
        expression = re.match(r"        expr: (.*)$", lines[i + 1])[1]
        if expression == ">":
            folded = []
            for more in lines[i + 2:]:
                if not more.startswith(" " * 10):
                    break
                folded.append(more.strip())
            expression = " ".join(folded)
        rules.append((match[2] if match[1] == "record" else None, expression))
    return rules


def read_dashboard(path):
    dashboard = json.loads(path.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.*), ([a-z]+)\)", variable["definition"])
            expressions.append(f"count by ({match[2]}) ({match[1]})")
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)), "two panels have one id"
    return [e.replace("$__rate_interval", "1m").replace("$domain", "x").replace("$topic", "x") for e in expressions]


def unknown(expression, known):
    """What the expression asks for that nobody exports."""
    wrong = []
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = NAME.findall(bare)
    wrong += [f"there is no {name}" for name in names if name not in known]
    if not names and not re.match(r"up\b", bare):
        wrong.append("asks for none of Weir's metrics")
    available = set().union(TARGET_LABELS, *(known.get(name, set()) for name in names))
    for name, matchers in SELECTOR.findall(bare):
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in known.get(name, set()) | TARGET_LABELS:
                wrong.append(f"{name} has no label {label}")
    for group in GROUPING.findall(bare):
        for label in re.findall(r"[a-z_]+", group):
            if label not in available:
                wrong.append(f"nothing in it has a label {label}")
    return wrong


def check_names(root, deploy):
    known = read_golden(root / "tests/metrics_gateway/exposition.golden")
    rules = read_rules(deploy / "weir.rules.yml")
    text = (deploy / "weir.rules.yml").read_text()
    assert len(rules) == len(re.findall(r"expr:", text)) > 0, "not all rules were read"
    every_label = set().union(*known.values())
    for recorded, _ in rules:
        if recorded:
            known[recorded] = every_label
    dashboard = read_dashboard(deploy / "grafana/weir.json")
    wrong = []
    for expression in [e for _, e in rules] + dashboard:
        wrong += [f"{why}: {expression}" for why in unknown(expression, known)]
    assert unknown("rate(weir_no_such_total[1m])", known) and unknown('weir_nodes{colour="red"}', known)
    assert unknown("sum by (colour) (weir_nodes)", known)
    return wrong, dashboard


def check_documents(root):
    golden = (root / "tests/metrics_gateway/exposition.golden").read_text()
    exported = set(re.findall(r"^# TYPE (\S+) (\S+)$", golden, re.MULTILINE))
    documented = set(re.findall(r"^\| `(weir_\w+)` \| (\w+) \|", (root / "docs/metrics.md").read_text(), re.MULTILINE))
    # The golden file has one domain with one node, one topic, and one publisher and one subscriber.
    series = [line for line in golden.splitlines() if "domain=" in line]
    endpoint = sum("endpoint=" in line for line in series)
    topic = sum("topic=" in line for line in series) - endpoint
    node = sum("node_id=" in line for line in series)
    domain = len(series) - endpoint - topic - node
    count = f"\n{topic} per topic, {endpoint // 2} per endpoint, {node} per node and {domain} per domain"
    assert count in (root / "docs/metrics.md").read_text(), f"docs/metrics.md says otherwise:{count}"
    return ([f"docs/metrics.md lacks {name}, {kind}" for name, kind in sorted(exported - documented)] +
            [f"docs/metrics.md has {name}, {kind}, which is not exported" for name, kind in
             sorted(documented - exported)])


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [] if done.returncode == 0 else [" ".join(map(str, command)) + ":\n" + done.stdout]


def main():
    root, weir = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    deploy = root / "deploy"
    wrong, dashboard = check_names(root, deploy)
    wrong += check_documents(root)
    missing = [tool for tool in ("promtool", "systemd-analyze") if shutil.which(tool) is None]
    with tempfile.TemporaryDirectory() as folder:
        if "promtool" not in missing:
            wrong += run("promtool", "check", "config", deploy / "prometheus.yml")
            wrong += run("promtool", "check", "rules", deploy / "weir.rules.yml")
            wrong += run("promtool", "test", "rules", deploy / "tests/weir.rules.test.yml")
            queries = pathlib.Path(folder, "queries.yml")
            queries.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [
                {"record": f"q:{i}", "expr": expression} for i, expression in enumerate(dashboard)]}]}))
            wrong += run("promtool", "check", "rules", queries)
        if "systemd-analyze" not in missing:
            unit = pathlib.Path(folder, "weir-exporter@.service")
            text = (deploy / unit.name).read_text()
            assert "/usr/bin/weir " in text
            unit.write_text(text.replace("/usr/bin/weir ", f"{weir} "))
            wrong += run("systemd-analyze", "verify", unit)
    if wrong:
        sys.exit("\n".join(wrong))
    if missing:
        print(f"skipped in part: there is no {' and no '.join(missing)}")
        sys.exit(1 if os.environ.get("WEIR_REQUIRE_ALL") == "1" else 77)


if __name__ == "__main__":
    main()
