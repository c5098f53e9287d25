#!/usr/bin/env python3
"""What it costs a publisher and a subscriber that an exporter is scraped while they exchange messages.

    exporter_cost.py <folder of the programs> [rounds]

Runs weir_bench's 1:1 rows without an exporter, beside one scraped once a second, beside one scraped 50 times a second,
and, as a control, beside a process that takes as much CPU time as the last and looks at nothing. In turns, 16 s each.
Prints the figures of each run.
"""
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

ROWS = "exclusive, drop newest"
FAST_HZ = 50
BURN = """
import sys, time
burn_s, period_s = float(sys.argv[1]), float(sys.argv[2])
wake = time.monotonic()
while True:
    end = time.process_time() + burn_s
    while time.process_time() < end:
        pass
    wake += period_s
    time.sleep(max(0, wake - time.monotonic()))
"""


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ScrapedExporter:
    def __init__(self, programs, hz):
        self.process = subprocess.Popen([f"{programs}/weir", "exporter", "--listen", "127.0.0.1:0", "--domain",
                                         "weir-bench"], stdout=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+)/", self.process.stdout.readline())[1])
        self.period_s, self.scrapes, self.bytes, self.stop = 1 / hz, 0, 0, threading.Event()
        self.client_cpu_s = time.process_time()
        self.thread = threading.Thread(target=self.scrape)
        self.thread.start()

    def scrape(self):
        wake = time.monotonic()
        while not self.stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.request("GET", "/metrics")
            self.bytes = len(connection.getresponse().read())
            connection.close()
            self.scrapes += 1
            wake += self.period_s
            time.sleep(max(0, wake - time.monotonic()))

    def end(self):
        """CPU seconds that a scrape took, exporter's and client's."""
        self.stop.set()
        self.thread.join()
        cpu = cpu_seconds(self.process.pid)
        client = time.process_time() - self.client_cpu_s
        self.process.terminate()
        self.process.wait()
        print(f"  {self.scrapes} scrapes of {self.bytes} bytes; CPU time per scrape: exporter "
              f"{cpu / self.scrapes * 1e3:.1f} ms, client {client / self.scrapes * 1e3:.1f} ms")
        return (cpu + client) / self.scrapes


def bench(programs):
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([f"{programs}/weir_bench", "--only", ROWS, "--group", "busy", "--group", "throughput", "--json",
                        file.name], check=True, stdout=subprocess.DEVNULL)
        rows = json.load(file)["rows"]
    for row in rows:
        if row["group"] == "busy":
            print(f"  {row['name']}: p50 {row['p50_ns']:.0f}, p99 {row['p99_ns']:.0f}, p99.9 {row['p99_9_ns']:.0f} ns")
        else:
            print(f"  {row['name']}: {row['median_per_s'] / 1e6:.1f} million/s")


def main():
    programs, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    burn_s = 0
    for _ in range(rounds):
        print("no exporter")
        bench(programs)
        for hz in (1, FAST_HZ):
            print(f"scraped at {hz} Hz")
            exporter = ScrapedExporter(programs, hz)
            bench(programs)
            burn_s = exporter.end()
        print(f"control: {burn_s * 1e3:.1f} ms of CPU time at {FAST_HZ} Hz")
        burner = subprocess.Popen([sys.executable, "-c", BURN, str(burn_s), str(1 / FAST_HZ)])
        bench(programs)
        burner.kill()
        burner.wait()


if __name__ == "__main__":
    main()
