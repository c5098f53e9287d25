#!/usr/bin/env python3
"""Fails on a memory order without its label, and on a label without its other side.

    check_sync_labels.py <project root>     prints each fault, exits 1 if there is one
    check_sync_labels.py --selftest         shows that it finds what it should

An order that orders something is explained where it is used, by a comment that names its pair:

    // sync(queue.cell): release; pairs with the acquire in Take(). Makes header and body visible.
    cell.compare_exchange(seen, word, kRelease, "queue.cell")

The word after the colon is release, acquire, acq_rel, seq_cst or relaxed (which may name the fence it relies on).

- Every use of such an order (std::memory_order_release, std::memory_order::release, kRelease, and so on) has a
  sync(...) comment of an order at least as strong on its line, within the 4 lines above it, or in the comment block
  that those lines reach. If the use passes a label as a string, the comment carries the same label.
- Every label occurs at least twice, with a release or seq_cst on one side and an acquire or seq_cst on the other.
- A label without a colon is a mention, of a label that exists.
- No load() without an order: the default is seq_cst, and nobody can tell whether that was meant.

Names being defined or imported (kRelease = ..., using queue::kRelease), comments, and atomic_signal_fence (which orders
nothing between threads) are not uses. Code that only translates or forwards an order says so: // sync(none): why.
"""
import os
import re
import sys
import tempfile

FOLDERS = ["middleware", "discovery", "schema"]
LINES_ABOVE = 4
COVERS = {
    "relaxed": set(),
    "release": {"release"},
    "acquire": {"acquire"},
    "acq_rel": {"release", "acquire", "acq_rel"},
    "seq_cst": {"release", "acquire", "acq_rel", "seq_cst"},
}
SPELLED = {"Release": "release", "Acquire": "acquire", "AcqRel": "acq_rel", "SeqCst": "seq_cst"}

SYNC = re.compile(r"\bsync\(([^)]*)\)(:?)(?:\s*(\w+))?")
NAME = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")
USE = re.compile(r"\bmemory_order(?:_|::)(release|acquire|acq_rel|seq_cst)\b|\bk(Release|Acquire|AcqRel|SeqCst)\b"
                 r'(?:\s*,\s*"([^"]*)")?')
NO_USE = re.compile(r"\bk(Release|Acquire|AcqRel|SeqCst)\s*=[^=]|^\s*using\b|\batomic_signal_fence\b")
BARE_LOAD = re.compile(r"(?:\.|->)load\(\s*\)")


def split_comment(line, in_block):
    """(code, comment, still in a block comment); string contents stay in the code, /*...*/ goes to the comment."""
    code, comment, i = "", "", 0
    while i < len(line):
        if in_block:
            end = line.find("*/", i)
            comment += line[i:] if end < 0 else line[i:end]
            in_block, i = end < 0, len(line) if end < 0 else end + 2
        elif line.startswith("//", i):
            return code, comment + line[i + 2:], False
        elif line.startswith("/*", i):
            in_block, i = True, i + 2
        elif line[i] == '"':
            end = i + 1
            while end < len(line) and line[end] != '"':
                end += 2 if line[end] == "\\" else 1
            code, i = code + line[i:end + 1], end + 1
        else:
            code, i = code + line[i], i + 1
    return code, comment, in_block


def labels_near(parsed, index):
    """All (label, order) in the comments that explain the code at this line."""
    first = max(0, index - LINES_ABOVE)
    while first > 0 and not parsed[first][0].strip() and parsed[first][1].strip():
        first -= 1
    # An order and its label may stand on two lines of one comment, so the lines are joined.
    text = " ".join(comment.strip() for _, comment in parsed[first:index + 1])
    return [(label, order) for label, colon, order in SYNC.findall(text) if colon]


def check(root):
    wrong, sides, mentions = [], {}, []
    for folder in FOLDERS:
        for directory, _, files in sorted(os.walk(os.path.join(root, folder))):
            for file in sorted(f for f in files if re.search(r"\.(h|cc)$", f)):
                path = os.path.relpath(os.path.join(directory, file), root)
                with open(os.path.join(root, path), encoding="utf-8") as text:
                    lines = text.read().splitlines()
                check_file(path, lines, wrong, sides, mentions)

    wrong += [f"{place}: there is no sync({label})" for label, place in mentions if label not in sides]
    for label, places in sorted(sides.items()):
        orders = {order for _, order in places}
        where = ", ".join(f"{place} {order}" for place, order in places)
        if len(places) < 2:
            wrong.append(f"sync({label}) has no other side: {where}")
        elif not orders & {"release", "acq_rel", "seq_cst"} or not orders & {"acquire", "acq_rel", "seq_cst"}:
            wrong.append(f"sync({label}) needs a release (or seq_cst) and an acquire (or seq_cst) side: {where}")
    return wrong


def check_file(path, lines, wrong, sides, mentions):
    parsed, in_block = [], False
    for line in lines:
        code, comment, in_block = split_comment(line, in_block)
        parsed.append((code, comment))

    comments = [comment.strip() for _, comment in parsed]
    for index, comment in enumerate(comments):
        following = comments[index + 1] if index + 1 < len(comments) else ""
        for match in SYNC.finditer(f"{comment} {following}"):
            label, colon, order = match.groups()
            if match.start() >= len(comment) or label in ("...", "none"):
                continue
            if not NAME.match(label):
                wrong.append(f"{path}:{index + 1}: sync({label}): a label is lower case words with dots: queue.cell")
            elif not colon:
                mentions.append((label, f"{path}:{index + 1}"))
            elif order not in COVERS:
                wrong.append(f"{path}:{index + 1}: sync({label}): after the colon comes {', '.join(COVERS)}")
            else:
                sides.setdefault(label, []).append((f"{path}:{index + 1}", order))

    for index, (code, _) in enumerate(parsed):
        if BARE_LOAD.search(code):
            wrong.append(f"{path}:{index + 1}: name the memory order: {code.strip()}")
        if NO_USE.search(code):
            continue
        for match in USE.finditer(code):
            order = match[1] or SPELLED[match[2]]
            near = labels_near(parsed, index)
            if any(label == "none" for label, _ in near):
                continue
            near = [(label, said) for label, said in near if order in COVERS.get(said, ())]
            if not near:
                wrong.append(f"{path}:{index + 1}: {order} without a `sync(...): {order}; ...` comment: {code.strip()}")
            elif match[3] and match[3] not in [label for label, _ in near]:
                wrong.append(f'{path}:{index + 1}: {order} says "{match[3]}", the comment above says '
                             f"{', '.join(label for label, _ in near)}")


RIGHT = """
// sync(queue.cell): release; pairs with the acquire in Take().
cell.store(1, std::memory_order_release);
// sync(queue.cell): acquire, pairs with
// the release in Push().
// One.
// Two.
// Three.
// Four: the block is longer than four lines.
cell.load(kAcquire, "queue.cell");
// Two of them: sync(wake.fence):
// seq_cst; pairs with the other.
A::Fence(kSeqCst, "wake.fence");
A::Fence(std::memory_order::seq_cst);  // sync(wake.fence): seq_cst; and here
// see sync(queue.cell) above
// sync(head): acq_rel; sync(head): relaxed under the fence
head.compare_exchange_strong(a, b, std::memory_order_acq_rel, std::memory_order_acquire);
head.compare_exchange_strong(a, b,
                             std::memory_order_acq_rel,
                             std::memory_order_acquire);
using queue::kAcquire;
inline constexpr std::memory_order kRelease = std::memory_order_release;
// memory_order_release in a comment, /* kSeqCst */ "and" kRelaxed
x.load(std::memory_order_relaxed); /* memory_order_acquire
memory_order_release */ std::atomic_signal_fence(kSeqCst);
case kAcquire: return std::memory_order_acquire;  // sync(none): a translation
"""
WRONG = {
    "no comment": "int a;\n\n\n\n\ncell.load(std::memory_order_acquire);\n",
    "too far above": "// sync(a): seq_cst;\n" + 5 * "int b;\n" + "A::Fence(kSeqCst);\n// sync(a): seq_cst;\n",
    "weaker than the use": "// sync(a): release;\n// sync(a): acquire;\nA::Fence(kSeqCst);\n",
    "the other order": "// sync(a): release;\nx.load(kAcquire);\n// sync(a): acquire;\n",
    "another label": '// sync(a): release; sync(a): acquire;\nx.load(kAcquire, "b");\n',
    "lonely": "// sync(a): seq_cst;\nA::Fence(kSeqCst);\n",
    "two releases": "// sync(a): release;\n// sync(a): release;\n",
    "two relaxed": "// sync(a): relaxed;\n// sync(a): relaxed;\n",
    "no order": "// sync(a): pairs with it.\n",
    "a mention of nothing": "// see sync(a)\n",
    "bad name": "// sync(The Cell): seq_cst;\n",
    "no order given": "if (x->load()) {}\n",
    "one line of two": "x.store(1, kRelease);\n// sync(a): release;\n// sync(a): acquire;\n",
}


def selftest():
    def found(text):
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "middleware"))
            with open(os.path.join(root, "middleware", "a.h"), "w", encoding="utf-8") as file:
                file.write(text)
            return check(root)

    assert found(RIGHT) == [], "\n".join(found(RIGHT))
    for what, text in WRONG.items():
        assert len(found(text)) == 1, f"{what}: {found(text)}"
    print(f"finds {len(WRONG)} kinds of faults, accepts what is right")


if __name__ == "__main__":
    if sys.argv[1:] == ["--selftest"]:
        selftest()
    elif len(sys.argv) == 2:
        found = check(sys.argv[1])
        print("\n".join(found) if found else "every order has its label and every label both its sides")
        sys.exit(1 if found else 0)
    else:
        sys.exit(__doc__)
