#!/usr/bin/env python3
"""extract_programs.py <folder> <file.md>...: writes each ```cpp block to <folder>/<file>_<n>.cc and prints the names. A
block without a main() is an error. A file that would not change is left alone, so that it is not compiled again."""
import os
import re
import sys


def name_of(document):
    stem = os.path.splitext(os.path.basename(document))[0].lower()
    folder = os.path.basename(os.path.dirname(os.path.abspath(document)))
    return f"{folder}_{stem}" if f"{os.sep}examples{os.sep}" in os.path.abspath(document) else stem.replace("-", "_")


def main(folder, *documents):
    os.makedirs(folder, exist_ok=True)
    for document in documents:
        with open(document, encoding="utf-8") as file:
            text = file.read()
        for number, match in enumerate(re.finditer(r"^```cpp\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), 1):
            block = match[1]
            if not re.search(r"^int main\(", block, re.MULTILINE):
                line = text.count("\n", 0, match.start()) + 1
                sys.exit(f"{document}:{line}: a ```cpp block without main(): it could be neither compiled nor run")
            path = os.path.join(folder, f"{name_of(document)}_{number}.cc")
            if not os.path.exists(path) or open(path, encoding="utf-8").read() != block:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(block)
            print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
