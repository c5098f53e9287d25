#!/usr/bin/env python3
"""`weir exporter` as a program: exporter_test.py <weir program>. What it says, how it ends, what it refuses."""
import http.client
import re
import signal
import subprocess
import sys
import urllib.request

PATIENCE_S = 60


def start(*arguments):
    process = subprocess.Popen([sys.argv[1], "exporter", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    line = process.stdout.readline()
    match = re.fullmatch(r"serving metrics at (http://127\.0\.0\.1:(\d+)/metrics)\n", line)
    if not match:
        sys.exit(f"said {line!r}\n{process.communicate()[1]}")
    return process, match[1], match[2]


def ends_well_after(number):
    process, url, _ = start("--listen", "127.0.0.1:0", "--domain", "a", "-d", "b")
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
        assert answer.headers["Content-Type"].startswith("text/plain"), answer.headers
    for domain in ("a", "b"):
        assert f'weir_domain_up{{domain="{domain}"}} 0\n' in text, text
    process.send_signal(number)
    said, complained = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, said, complained) == (0, "", ""), (process.returncode, said, complained)


def refuses(complaint, *arguments):
    done = subprocess.run([sys.argv[1], "exporter", *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1 and done.stdout == "", done
    assert re.fullmatch(f"weir: {complaint}\n", done.stderr), done.stderr


def main():
    ends_well_after(signal.SIGTERM)
    ends_well_after(signal.SIGINT)

    process, _, port = start("--listen", "localhost:0")
    refuses(f"cannot listen on 127.0.0.1:{port}: Address already in use", "--listen", f"127.0.0.1:{port}")
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE_S)
    connection.request("GET", "/elsewhere")
    assert connection.getresponse().status == 404
    connection.close()
    process.terminate()
    assert process.wait(PATIENCE_S) == 0

    for address in ("19347", "no.such.name:19347", "127.0.0.1:65536", "127.0.0.1:", "127.0.0.1:80s", "[::1:0"):
        refuses(f'cannot listen on "{re.escape(address)}": it must be host:port, as in .*', "--listen", address)
    refuses(".*domain.*", "--listen", "127.0.0.1:0", "--domain", "../elsewhere")
    refuses("stay is -1s; it must be 0 to 24 h", "--listen", "127.0.0.1:0", "--stay=-1")
    refuses("topics_max is 0; it must be 1 to 10000", "--listen", "127.0.0.1:0", "--topics-max", "0")


if __name__ == "__main__":
    main()
