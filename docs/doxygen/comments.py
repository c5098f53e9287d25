#!/usr/bin/env python3
"""Shows Doxygen the comments of a header: `//` on lines of its own belongs to what follows, behind something to that,
and the head of a file to the class that the file is named after as well. The headers are written to be read as they
are; Doxygen's marks would only be in the way."""
import pathlib
import re
import sys


def text(comment):
    """A comment's line as Markdown: examples are indented by two, Markdown's code by four; brackets are no HTML."""
    if comment.startswith("   "):
        return "    " + comment
    return re.sub(r"([<>@\\#*_|])", r"\\\1", comment)


def main(path):
    stem = pathlib.Path(path).stem
    lines = pathlib.Path(path).read_text(encoding="utf-8").split("\n")
    length = next(i for i, line in enumerate(lines) if not line.startswith("//"))
    head = [f"///{text(line[2:])}" for line in lines[:length]]
    print("\n".join([f"/// @file {stem}.h", "///", *head]))
    named_after = "".join(word.title() for word in stem.split("_"))
    for number, line in enumerate(lines[length:], length):
        after_template = lines[number].startswith("template") and lines[number + 1].startswith(f"class {named_after} ")
        alone = line.startswith(f"class {named_after} ") and not lines[number - 1].startswith("template")
        if after_template or alone:
            print("\n".join(head))
        if whole := re.match(r"^(\s*)//(.*)$", line):
            print(f"{whole[1]}///{text(whole[2])}")
        elif behind := re.match(r"^(\s*[^\"/]*[;,{}]\s*)//( .*)$", line):
            print(f"{behind[1]}///<{text(behind[2])}")
        else:
            print(line)


if __name__ == "__main__":
    main(sys.argv[1])
