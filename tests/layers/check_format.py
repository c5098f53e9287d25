#!/usr/bin/env python3
"""Fails if a C++ file is not formatted as .clang-format says: check_format.py <project root>

The tree is formatted with clang-format 14, which Debian 12 has; other versions break lines in other places. Without
it the check is skipped (exit code 77), or with WEIR_REQUIRE_ALL=1 it fails. To format: clang-format-14 -i <files>.
"""
import os
import re
import shutil
import subprocess
import sys

FOLDERS = ["middleware", "discovery", "schema", "gateways", "examples", "tools", "bench", "tests"]
VERSION = "14"


def find_tool():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        version = path and subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        if path and f" version {VERSION}." in version:
            return path
    return None


def main(root):
    tool = find_tool()
    if tool is None:
        print(f"skipped: there is no clang-format {VERSION} (tools/setup --dev installs it)")
        return 1 if os.environ.get("WEIR_REQUIRE_ALL") == "1" else 77
    files = sorted(
        os.path.relpath(os.path.join(directory, file), root)
        for folder in FOLDERS
        for directory, _, names in os.walk(os.path.join(root, folder))
        for file in names if re.search(r"\.(h|cc|cpp)$", file))
    result = subprocess.run([tool, "--dry-run", "-Werror", *files], cwd=root, capture_output=True, text=True)
    if result.returncode != 0:
        wrong = sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: error:", result.stderr, re.MULTILINE)))
        print(f"not formatted; clang-format-{VERSION} -i {' '.join(wrong)}" if wrong else result.stderr)
        return 1
    print(f"{len(files)} files are formatted")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
