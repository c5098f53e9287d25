#!/usr/bin/env python3
"""A real Prometheus scrapes a real exporter, and what it then knows is compared with what was sent.

    prometheus_test.py <project root> <exporter command...> -- <traffic program>

In a domain root of its own (WEIR_ROOT). Needs prometheus and promtool; without them it ends with 77 (skipped), with
WEIR_REQUIRE_ALL=1 with 1. All ports are given by the system to who listens, so nothing can be in use.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

PATIENCE_S = 60
SCRAPES = 6
RATE_TOLERANCE = 0.05


class Process:
    """A program whose output is read until it says something; it ends with this one."""

    def __init__(self, command, stream, pattern, **options):
        self.process = subprocess.Popen(command, text=True, **{stream: subprocess.PIPE}, **options)
        self.output = getattr(self.process, stream)
        watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        said = []
        self.match = None
        for line in self.output:
            said.append(line)
            self.match = re.search(pattern, line)
            if self.match:
                break
        watchdog.cancel()
        if not self.match:
            sys.exit(f"{command[0]} did not start:\n{''.join(said)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def get(url):
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return answer.read().decode()


class Prometheus(Process):
    def __init__(self, folder, root, target):
        # The scrape interval of deploy/prometheus.yml is too long to wait for.
        config = (root / "deploy/prometheus.yml").read_text()
        for was, shall_be in (("scrape_interval: 5s", "scrape_interval: 1s"),
                              ("evaluation_interval: 15s", "evaluation_interval: 1s"),
                              ("weir.rules.yml", str(root / "deploy/weir.rules.yml")), ("localhost:19347", target)):
            assert was in config
            config = config.replace(was, shall_be)
        pathlib.Path(folder, "prometheus.yml").write_text(config)
        super().__init__(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                          "--web.listen-address=127.0.0.1:0"], "stderr", r'"Listening on" address=(\S+)')
        threading.Thread(target=self.output.read, daemon=True).start()  # it goes on talking

    def query(self, expression):
        """The values of the series that the expression yields."""
        query = urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(f"http://{self.match[1]}/api/v1/query?{query}"))
        assert answer["status"] == "success", answer
        return [float(series["value"][1]) for series in answer["data"]["result"]]

    def one(self, expression):
        values = self.query(expression)
        assert len(values) == 1, f"{expression}: {values}"
        return values[0]

    def wait_until(self, expression, fits):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                values = self.query(expression)
            except OSError:  # not ready yet
                values = []
            if values and fits(values[0]):
                return values[0]
            assert time.monotonic() < deadline, f"{expression} is {values} after {PATIENCE_S} s"
            time.sleep(0.2)


def bucket_of(bounds, seconds):
    """The indexes of the buckets that the value may count in: two if it lies within 2 % of a bound, because the traffic
    program read the clock once more."""
    return {next((i for i, bound in enumerate(bounds) if value <= bound), len(bounds))
            for value in (seconds * 0.98, seconds, seconds * 1.02)}


def check(prometheus, exporter_url, traffic):
    exposed = get(exporter_url)
    done = subprocess.run(["promtool", "check", "metrics"], input=exposed, text=True, capture_output=True)
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr

    prometheus.wait_until('count_over_time(weir_published_messages_total{topic="rate"}[5m])', lambda n: n >= SCRAPES)
    # The publisher catches up after it had to wait for a core, so a scrape or two may be off on a busy machine.
    rate = prometheus.wait_until(f'rate(weir_published_messages_total{{domain="lab",topic="rate"}}[{SCRAPES}s])',
                                 lambda rate: abs(rate / 500 - 1) <= RATE_TOLERANCE)
    prometheus.wait_until('topic:weir_published_messages:rate1m{topic="rate"}', lambda rate: rate > 0)
    prometheus.wait_until('weir_publisher_messages_total{topic="rate",node="traffic"}', lambda count: count > 0)

    traffic.process.stdin.write("stop\n")
    traffic.process.stdin.flush()
    truth = json.loads(traffic.output.readline())
    assert truth["per_second"] == 500
    prometheus.wait_until('weir_published_messages_total{topic="rate"}', lambda count: count == truth["sent"])
    prometheus.wait_until('weir_latency_seconds_count{topic="latency"}', lambda count: count == truth["taken"])

    bounds = sorted({float(le) for le in re.findall(r'le="([0-9.e-]+)"', get(exporter_url))})
    for name, q in (("p50", 0.5), ("p95", 0.95)):
        said = prometheus.one(f'histogram_quantile({q}, weir_latency_seconds_bucket{{topic="latency"}})')
        assert bucket_of(bounds, truth[name]) & bucket_of(bounds, said), f"{name} is {truth[name]}, Prometheus: {said}"
        print(f"{name}: measured {truth[name] * 1e3:.3f} ms, Prometheus says {said * 1e3:.3f} ms")
    print(f"rate: sent 500/s, Prometheus says {rate:.1f}/s; {truth['sent']} sent, {truth['taken']} taken, all counted")
    assert prometheus.one('up{job="weir"}') == 1


def main():
    missing = [tool for tool in ("prometheus", "promtool") if shutil.which(tool) is None]
    if missing:
        print(f"skipped: there is no {' and no '.join(missing)} (tools/setup --dev installs it)")
        sys.exit(1 if os.environ.get("WEIR_REQUIRE_ALL") == "1" else 77)
    root = pathlib.Path(sys.argv[1])
    split = sys.argv.index("--")
    exporter_command, traffic_command = sys.argv[2:split], sys.argv[split + 1:]
    with tempfile.TemporaryDirectory() as folder, \
            Process(traffic_command, "stdout", "^sending$", stdin=subprocess.PIPE) as traffic, \
            Process(exporter_command + ["--listen", "127.0.0.1:0"], "stdout", r"(http://(\S+)/metrics)$") as exporter, \
            Prometheus(folder, root, exporter.match[2]) as prometheus:
        check(prometheus, exporter.match[1], traffic)
        traffic.process.stdin.close()
        assert traffic.process.wait(PATIENCE_S) == 0


if __name__ == "__main__":
    main()
