#!/usr/bin/env python3
"""docs/troubleshooting.md and the sources must agree about the messages that users get.

Usage: check_troubleshooting.py ROOT [--list] | --selftest

In the page, an indented line is a message; what varies in it stands in <angle brackets>. Each of its fixed parts must
be found in a string literal of the library: a message that was reworded or removed fails here. The other way round,
each call in the library that makes an error must be found in the page by one of its texts, so that a new message fails
until it is explained. Texts that tell a type's fields apart, or that nobody can get through the API, are left out
below, with the reason.
"""

import pathlib
import re
import sys

# A message put together from literals is not searched for in shorter pieces than this.
SHORTEST_PIECE = 5

FOLDERS = ("discovery", "middleware", "schema")
PAGE = "docs/troubleshooting.md"

# What absl::StrFormat() puts a value in for.
FORMAT = r"%[0-9]*[a-z]"

# What makes a Status, with the words in the call.
MAKERS = re.compile(r"\b(?:absl::\w+Error|ErrnoStatus|LockStatus|NotARegistry|NotOurs|WrongMode|Broken)\(")

# Files whose messages the page explains as one: they say which field of which type does not fit.
FAMILIES = {
    "schema/bytes_json.cc": "JSON: ...",
    "schema/compatible.cc": "has another version of",
    "schema/field_path.cc": "a path's part, in the message's own words",
    "schema/json.cc": "JSON: ...",
    "schema/node_check.cc": "schema: ...",
    "schema/schema_blob.cc": "schema: ...",
    "schema/segments.cc": "message: ...",
    "schema/struct_json.cc": "struct description: ..., JSON: ..., or a path's part, in the message's own words",
    "schema/struct_json_decode.cc": "JSON: ...",
    "schema/struct_text.cc": "struct description: ...",
    "schema/validate.cc": "message: ...",
}

# Texts that do not reach a user of the API.
INTERNAL = {
    "there is no topic number ": "an index that endpoints do not pass on",
    " was closed before, or its node has left": "dropped by the destructors that could get it",
    "the publisher was given up or activated before": "an endpoint activates itself once",
    " is not possible": "options are checked before, with their names",
    ", not ": "the hash is made from the blob",
    " was made and cannot be read": "the lock is held",
    "the first segment of a message is not the loan's own slot": "the builder begins there",
    "cannot map 0 bytes": "no file of Weir's is empty when it is mapped",
    " of a mapping that has ": "lengths are checked before",
    " are not all within the mapped file": "lengths are checked before",
    "the root is an empty path": "empty means the default",
    "' is no plain file name": "names are checked before, and made by Weir",
    "there is no core ": "for benchmarks",
    "cannot move to core ": "for benchmarks",
    "give back": "a part of the message about lock bytes",
    "the lock descriptor is empty": "a node has its descriptors",
    "the object is empty": "objects are made by their factories",
}


def literals(text):
    """The string literals of C++ source, adjacent ones joined, with their positions."""
    found = []
    i = 0
    while i < len(text):
        if text.startswith("//", i):
            i = text.find("\n", i)
            if i < 0:
                break
        elif text[i] == "'" and re.match(r"'(\\.|[^\\'])'", text[i:]):
            i += len(re.match(r"'(\\.|[^\\'])'", text[i:]).group(0))
        elif text[i] == '"':
            begin = i
            match = re.match(r'"((?:\\.|[^"\\])*)"', text[i:])
            if match is None:
                raise ValueError(f"string without end: {text[i:i + 40]!r}")
            i += len(match.group(0))
            value = re.sub(r"\\(.)", r"\1", match.group(1))
            if found and re.fullmatch(r"\s*", text[found[-1][1] : begin]):
                found[-1] = (found[-1][0], i, found[-1][2] + value)
            else:
                found.append((begin, i, value))
        else:
            i += 1
    return found


def is_said(part, texts):
    """Whether the sources say `part`: in one literal, or in several one behind the other."""
    if any(part in text for text in texts):
        return True
    for end in range(len(part) - SHORTEST_PIECE, SHORTEST_PIECE - 1, -1):
        if any(part[:end] in text for text in texts) and is_said(part[end:], texts):
            return True
    return False


def end_of_call(text, at, strings):
    """The position behind the parenthesis that closes the one before `at`."""
    depth = 1
    inside = {}
    for begin, end, _ in strings:
        inside[begin] = end
    while depth and at < len(text):
        if at in inside:
            at = inside[at]
            continue
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


def is_explained(words, page):
    parts = [" ".join(part.strip(" .;,:'\"()").split()) for part in re.split(FORMAT, words)]
    return all(part in page for part in parts) and any(parts)


def selftest():
    source = """
      // says "not this"
      char quote = '"';
      return absl::InvalidArgumentError(absl::StrCat("the value (", value(), ") is too "
                                                     "large: ", limit, " is \\"most\\""));
      return absl::Other("no error");
    """
    strings = literals(source)
    assert [value for _, _, value in strings] == [
        "the value (",
        ") is too large: ",
        ' is "most"',
        "no error",
    ], strings
    (match,) = MAKERS.finditer(source)
    assert source[: end_of_call(source, match.end(), strings)].endswith('most\\""))'), "the end of a call"
    texts = {" is changing ", "the registry of domain "}
    assert is_said("is changing the registry of domain", texts)
    assert not is_said("is moving the registry of domain", texts)
    assert is_explained("the directory '%s' has mode %04o: %s", "the directory ' has mode ")
    assert not is_explained("the directory '%s' has mode %04o: %s", "the directory ' has size ")


def main():
    if "--selftest" in sys.argv:
        selftest()
        return 0
    root = pathlib.Path(sys.argv[1])
    page = root / PAGE
    page_text = page.read_text() if page.exists() else ""
    errors = []
    all_literals = []
    calls = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            text = path.read_text()
            strings = literals(text)
            for _, _, value in strings:
                all_literals += re.split(FORMAT, value)
            name = str(path.relative_to(root))
            for match in MAKERS.finditer(text):
                end = end_of_call(text, match.end(), strings)
                words = [v for b, e, v in strings if match.end() <= b and e <= end]
                words = [w for w in words if len(re.findall(r"[A-Za-z]{2,}", w)) >= 2]
                line = text.count("\n", 0, match.start()) + 1
                if words:
                    calls.append((name, line, words))

    if "--list" in sys.argv:
        for name, line, words in calls:
            if name not in FAMILIES:
                print(f"{name}:{line}: {words}")
        return 0

    all_literals = [text for text in set(all_literals) if text]
    shapes = re.findall(r"(?m)^    (\S.*)$", page_text)
    for shape in shapes:
        for part in re.split(r"<[^<>]*>", shape):
            part = part.strip(" .;,:'\"()")
            if len(part) >= 3 and not is_said(part, all_literals):
                errors.append(f"{PAGE}: no source says {part!r}, in: {shape}")
    if len(shapes) < 30:
        errors.append(f"{PAGE}: only {len(shapes)} messages were found; are they indented?")

    flat = " ".join(re.split(r"<[^<>]*>", " ".join(page_text.split())))
    for name, line, words in calls:
        if name in FAMILIES or any(word in INTERNAL for word in words):
            continue
        if not any(is_explained(word, flat) for word in words):
            errors.append(f"{name}:{line}: {PAGE} does not explain {words}")
    for text in INTERNAL:
        if not any(text in literal for literal in all_literals):
            errors.append(f"{__file__}: no source says {text!r} any more")

    for error in errors:
        print(error)
    if not errors:
        print(f"{len(shapes)} messages of {PAGE} and {len(calls)} calls that make errors go together")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
