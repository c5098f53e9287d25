#!/usr/bin/env python3
"""extract_programs.py <file.md> <folder>: writes each ```cpp block with a main() to <folder>/<file>_<n>.cc, prints the
names. A file that would not change is left alone, so that it is not compiled again."""
import os
import re
import sys


def main(document, folder):
    os.makedirs(folder, exist_ok=True)
    stem = os.path.splitext(os.path.basename(document))[0].lower()
    with open(document, encoding="utf-8") as file:
        blocks = re.findall(r"^```cpp\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    for number, block in enumerate((b for b in blocks if re.search(r"^int main\(", b, re.MULTILINE)), 1):
        path = os.path.join(folder, f"{stem}_{number}.cc")
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != block:
            with open(path, "w", encoding="utf-8") as file:
                file.write(block)
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
