#!/usr/bin/env python3
"""Runs an example as its README says and compares what it prints.

    run_example.py <README.md> <folder of the programs>

Each ```console block of the README is a terminal: the command after "$ ", then what it prints. The programs are started in
that order and all must end with 0. Where the README says that a terminal comes later, the one before has printed its first
line by then.
"""
import pathlib
import re
import subprocess
import sys


def terminals(text):
    for words, block in re.findall(r"\n(Terminal [^\n]*)\n+```console\n\$ (.*?)```", text, re.DOTALL):
        command, _, expected = block.partition("\n")
        yield pathlib.PurePath(command).name, expected, "later" in words


def main():
    readme, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    running = []
    seen = {}
    for program, expected, later in terminals(readme.read_text()):
        if later:
            before = running[-1][2]
            seen[before] = before.stdout.readline()
        process = subprocess.Popen([folder / program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append((program, expected, process))
    if len(running) < 2:
        sys.exit(f"{readme}: expected two terminals, found {len(running)}")
    failed = False
    for program, expected, process in running:
        try:
            printed = seen.get(process, "") + process.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            printed = process.communicate()[0] + "(did not end)\n"
        if printed != expected or process.returncode != 0:
            failed = True
            print(f"{program} ended with {process.returncode} and printed\n{printed}\ninstead of\n{expected}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
