#!/usr/bin/env python3
"""Runs an example as its README says and compares what it prints.

    run_example.py <README.md> <folder of the programs>

Each ```console block of the README under a line that begins with "Terminal" is a terminal: the command after "$ ", then
what it prints. The programs are started in that order and all must end with 0. Where that line says "later", the
terminal before has printed its first line by then; where it says `as soon as Terminal N prints "text"`, that one has
printed that line. A block may show what the reader does: "^C" is SIGINT, when everything above it has been printed and
the terminals without one, and those before, have ended; "Killed" as its last line is SIGKILL, which waits for "as soon as" instead of the start.

Times differ from run to run: for a number before ns, us or ms, any number goes.
"""
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import threading
import time

DEADLINE = time.monotonic() + 50  # for everything, so that this script says what hangs before ctest ends it


def without_times(lines):
    return [re.sub(r"[\d.]+(?= (?:ns|us|ms)\b)", "<time>", line) for line in lines]


class Terminal:
    """A program with a terminal of its own, so that it prints each line at once, as it does for the reader."""

    def __init__(self, number, words, command, expected, folder):
        self.number = number
        self.words = words
        self.command = command
        self.folder = folder
        lines = expected.splitlines()
        self.is_killed = lines[-1:] == ["Killed"]
        self.lines_before_interrupt = lines.index("^C") if "^C" in lines else None
        self.expected = [line for line in lines if line not in ("^C", "Killed")]
        self.after = re.search(r'as soon as Terminal (\d+) prints "([^"]*)"', words)
        self.printed = []
        self.process = None

    def start(self):
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen([self.folder / self.command[0]] + self.command[1:], stdin=subprocess.DEVNULL,
                                        stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.reader = threading.Thread(target=self.read, args=(ours,), daemon=True)
        self.reader.start()

    def read(self, descriptor):
        rest = b""
        while True:
            try:
                some = os.read(descriptor, 65536)
            except OSError:  # EIO: the program has ended
                some = b""
            *lines, rest = (rest + some).split(b"\n")
            self.printed += [line.decode(errors="replace").rstrip("\r") for line in lines]
            if not some:
                self.printed += [rest.decode(errors="replace")] if rest else []
                os.close(descriptor)
                return

    def wait_until(self, condition):
        """Returns when it is true, or will not become so."""
        while not condition(self.printed) and self.reader.is_alive() and time.monotonic() < DEADLINE:
            time.sleep(0.005)

    def finish(self):
        """What is wrong with how it went, or None."""
        if self.lines_before_interrupt is not None:
            self.wait_until(lambda printed: len(printed) >= self.lines_before_interrupt)
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=max(1, DEADLINE - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "did not end"
        finally:
            self.reader.join()
        if self.process.returncode != (-signal.SIGKILL if self.is_killed else 0):
            return f"ended with {self.process.returncode}"
        if without_times(self.printed) != without_times(self.expected):
            return "printed something else"
        return None


def terminals(text, folder):
    for number, words, block in re.findall(r"\nTerminal (\d+)([^\n]*)\n+```console\n\$ (.*?)```", text, re.DOTALL):
        command, _, expected = block.partition("\n")
        program, *arguments = command.split()
        yield Terminal(int(number), words, [pathlib.PurePath(program).name] + arguments, expected, folder)


def main():
    readme, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    all_terminals = list(terminals(readme.read_text(), folder))
    if len(all_terminals) < 2:
        sys.exit(f"{readme}: expected two terminals, found {len(all_terminals)}")
    running = []

    def said(terminal):
        other = next(t for t in running if t.number == int(terminal.after[1]))
        other.wait_until(lambda printed: terminal.after[2] in printed)

    for terminal in all_terminals:
        if terminal.after and not terminal.is_killed:
            said(terminal)
        elif "later" in terminal.words:
            running[-1].wait_until(lambda printed: printed)
        terminal.start()
        running.append(terminal)
        if terminal.is_killed:
            said(terminal)
            terminal.process.kill()
    failed = False
    for terminal in sorted(running, key=lambda terminal: terminal.lines_before_interrupt is not None):
        wrong = terminal.finish()
        if wrong:
            failed = True
            expected = "\n".join(terminal.expected)
            printed = "\n".join(terminal.printed)
            print(f"{' '.join(terminal.command)} {wrong}. It printed\n{printed}\n\ninstead of\n{expected}\n", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
