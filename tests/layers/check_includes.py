#!/usr/bin/env python3
"""Fails on an #include against the arrows.

    check_includes.py <project root>     prints each wrong include, exits 1 if there is one
    check_includes.py --selftest         shows that it finds what it should

The layers, highest first. A folder includes lower lines and itself; neighbours (in one line) do not see each other,
except the two of line 4. What the table cannot say stands in RULES below it.
"""
import os
import re
import sys
import tempfile

LAYERS = [
    ["middleware/base"],
    ["middleware/queue", "middleware/os"],
    ["middleware/pool", "middleware/metrics"],
    ["discovery", "schema"],
    ["middleware/include/weir", "middleware/pubsub"],
    ["gateways", "examples", "tools", "bench"],
]
API = "middleware/include/weir"
API_LAYER = 4
USERS = LAYERS[5]
# These see everything of ours: tests, and measurements of the parts below the API.
SEE_ALL = ["tests", "bench/parts"]

SOURCE = re.compile(r"\.(h|hh|cc|cpp|inc)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Not <sys/types.h>: types call nothing.
LINUX = re.compile(r"^(sys/(?!types\.h)|linux/|asm/|netinet/|arpa/|(unistd|fcntl|pthread|sched|poll|spawn|syscall|"
                   r"dirent|dlfcn|pwd|grp|signal|ucontext|mqueue|semaphore|aio|ifaddrs|sysexits|utime|termios)\.h$)")
CAPNP = re.compile(r"^(capnp|kj)/|\.capnp\.h$")


def folder_of(path, folders):
    """The longest of the folders that the path lies in, or None."""
    found = [f for f in folders if path.startswith(f + "/")]
    return max(found, key=len) if found else None


def level_of(folder):
    return next(level for level, folders in enumerate(LAYERS) if folder in folders)


def resolve(quote, name, path):
    """The path of an included file of ours from the project root, or None if it is not ours."""
    if name.startswith("weir/"):
        return "middleware/include/" + name
    top = name.split("/")[0]
    if "/" in name and top in ("middleware", "discovery", "schema", "tests", "gateways", "examples", "tools", "bench"):
        return name
    if quote == '"' and ("/" not in name or name.startswith(".")):
        return os.path.normpath(os.path.join(os.path.dirname(path), name))
    return None


def objection(path, quote, name):
    """Why the file at path must not include this, or None."""
    folder = folder_of(path, sum(LAYERS, []) + SEE_ALL)
    if folder is None or folder in SEE_ALL:
        return None
    level = level_of(folder)
    target = resolve(quote, name, path)
    is_message = target is not None and target.endswith(".capnp.h")  # generated, compiled on the includer's side

    if folder not in USERS:
        if quote == '"' and target is not None and "/" not in name.lstrip("./"):
            return "private includes are written from the project root"
        if LINUX.match(name) and folder != "middleware/os":
            return "only middleware/os is Linux code"
        if CAPNP.search(name) and level < 3 or CAPNP.search(name) and folder == "discovery":
            return "Cap'n Proto begins in schema/"
        if name == "iostream":
            return "the library does not print; <ostream> or <iosfwd> are enough for operator<<"

    if target is None or is_message:
        return None
    other = folder_of(target, sum(LAYERS, []) + SEE_ALL)
    if other is None:
        return f"{target} lies in no layer"
    if other == folder:
        return None
    if other in SEE_ALL:
        return f"{other}/ is not for others to include"
    other_level = level_of(other)
    if folder in USERS:
        return None if other == API else f"{folder}/ uses <weir/...> and nothing else of ours"
    if folder == API:
        return "public headers are installed, private ones are not: they include <weir/...> and nothing else of ours"
    if other_level < level or (other_level == level == API_LAYER):
        return None
    return f"{other}/ is {'beside' if other_level == level else 'above'} {folder}/"


def check(root):
    wrong = []
    for top in sorted({folder.split("/")[0] for folder in sum(LAYERS, [])}):
        for directory, _, files in sorted(os.walk(os.path.join(root, top))):
            for file in sorted(f for f in files if SOURCE.search(f)):
                path = os.path.relpath(os.path.join(directory, file), root)
                with open(os.path.join(root, path), encoding="utf-8") as text:
                    for number, line in enumerate(text, 1):
                        match = INCLUDE.match(line)
                        why = match and objection(path, match[1], match[2])
                        if why:
                            wrong.append(f"{path}:{number}: {line.strip()}: {why}")
    return wrong


RIGHT = {
    "middleware/base/words.h": '#include "middleware/base/limits.h"\n#include <atomic>\n',
    "middleware/os/file.cc": '#include <poll.h>\n#include "middleware/base/words.h"\n#include "absl/types/span.h"\n',
    "middleware/pool/pool.h": '#include "middleware/os/file.h"\n#include "middleware/queue/queue.h"\n',
    "schema/blob.cc": '#include <capnp/schema.h>\n#include "middleware/pool/pool.h"\n',
    "middleware/include/weir/capnp.h": '#include <weir/internal/core.h>\n#include <capnp/message.h>\n',
    "middleware/pubsub/node.cc": '#include "weir/node.h"\n#include "discovery/registry.h"\n',
    "examples/hello/talk.cc": '#include <weir/weir.h>\n#include "hello.capnp.h"\n#include "shared.h"\n',
    "gateways/prometheus/families.cc": '#include <weir/inspect.h>\n#include "gateways/prometheus/ledger.h"\n',
    "tools/top/top.cc": '#include <weir/messages/imu.capnp.h>\n#include "tools/top/table.h"\n#include <iostream>\n',
    "bench/parts/queue_bench.cc": '#include "middleware/queue/queue.h"\n',
}
WRONG = {
    "middleware/base/words.h": '#include "middleware/os/file.h"\n',
    "middleware/queue/queue.h": '#include "middleware/os/futex.h"\n',
    "middleware/os/futex.h": '#include  "middleware/queue/queue.h"\n',
    "middleware/pool/pool.h": '  #  include "discovery/registry.h"\n',
    "middleware/metrics/counters.h": '#include "middleware/pool/pool.h"\n',
    "discovery/registry.cc": '#include "schema/blob.h"\n',
    "discovery/entry.cc": "#include <sys/stat.h>\n",
    "discovery/text.cc": "#include <capnp/message.h>\n",
    "schema/blob.cc": '#include "middleware/pubsub/node.h"\n',
    "schema/api.cc": "#include <weir/status.h>\n",
    "schema/print.cc": "#include <iostream>\n",
    "middleware/pubsub/node.cc": '#include "tests/support/child.h"\n',
    "middleware/pubsub/core.cc": '#include "core.h"\n',
    "middleware/include/weir/node.h": '#include "middleware/base/words.h"\n',
    "examples/hello/talk.cc": '#include "middleware/base/words.h"\n',
    "gateways/prometheus/collector.cc": '#include "middleware/pubsub/read_counts.h"\n',
    "tools/top/top.cc": '#include "discovery/registry.h"\n',
    "bench/latency/latency.cc": '#include "middleware/queue/queue.h"\n',
}


def selftest():
    def found(files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return check(root)

    assert found(RIGHT) == [], found(RIGHT)
    for path, text in WRONG.items():
        assert len(found({path: text})) == 1, f"not found: {path}: {text}"
    assert len(found(WRONG)) == len(WRONG)
    print(f"finds {len(WRONG)} wrong includes, accepts {len(RIGHT)} right files")


if __name__ == "__main__":
    if sys.argv[1:] == ["--selftest"]:
        selftest()
    elif len(sys.argv) == 2:
        found = check(sys.argv[1])
        print("\n".join(found) if found else "every include follows the arrows")
        sys.exit(1 if found else 0)
    else:
        sys.exit(__doc__)
