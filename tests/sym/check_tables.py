#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every name and member of every built-in kernel against the tables that they
were generated from, and against ISF files of three kernels.

    check_tables.py QUERY_PROGRAM SOURCE_ROOT

The tables lie in $POOLSCOPE_SHARED, else in ../shared beside the sources.

It reads them by itself (not with the generator's code) and asks the
program. Exit status 77 when the tables are not there.
"""
import importlib
import json
import lzma
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

SKIP = 77
MIN_ANSWERS = 250000    # fewer: the list of wanted names has shrunk by mistake


def table(path):
    for line in open(path, encoding="utf-8"):
        if line[0] != "#":
            yield line.rstrip("\n").split("\t")


def definitions(path):
    out = {}
    for row in table(path):
        if row[0][0] == ".":
            members.append((row[0][1:], int(row[1], 16), int(row[2] or 0),
                            int(row[3] or 0), row[4]))
        else:
            members = []
            out[row[0], row[1]] = (int(row[3], 16), members)
    return out


def layouts(tables):
    """{(version, arch): {type: (size, members)}}, first source wins."""
    out = {}
    defs = definitions(tables / "types.tsv")
    by_layout = defaultdict(dict)
    for layout, name, definition in table(tables / "layouts.tsv"):
        by_layout[layout][name] = defs[name, definition]
    for row in table(tables / "builds.tsv"):
        out[row[0], "x64"] = by_layout[row[5]]
    for kind in ("more", "late"):
        defs = definitions(tables / f"{kind}-types.tsv")
        found = defaultdict(dict)
        for version, arch, name, definition in table(
                tables / f"{kind}-layouts.tsv"):
            found[version, arch.lower()][name] = defs[name, definition]
        for key, types in found.items():
            out.setdefault(key, types)
    return out


def paths(types, name, prefix="", base=0):
    """(path, first bit, bits, count) of every member, unnamed ones opened."""
    for member, offset, bit, bits, kind in types[name][1]:
        inner = kind[2:]
        if kind[2:] == "<unnamed>":
            continue        # nothing is known of it
        if inner.startswith(("__unnamed", "__anonymous")) and inner in types:
            yield from paths(types, inner, f"{prefix}{member}.",
                             base + offset)
            continue
        count = 1
        while kind.startswith("arr"):
            head, kind = kind.split(":", 1)
            count *= int(head[3:])
        yield prefix + member, (base + offset) * 8 + bit, bits, count


class Program:
    def __init__(self, path):
        self.path, self.questions, self.checks = path, [], []

    def ask(self, question, check=None):
        self.questions.append(question)
        self.checks.append(check)

    def run(self):
        out = subprocess.run(
            [self.path], input="\n".join(self.questions) + "\n",
            capture_output=True, text=True, check=True).stdout.split("\n")
        assert len(out) == len(self.questions) + 1, "answers are missing"
        bad = []
        self.present = 0
        for question, check, answer in zip(self.questions, self.checks, out):
            if question[0] == "K":
                kernel = question[2:]
                assert answer == "ok", question
                continue
            self.present += answer != "-"
            problem = check(answer)
            if problem:
                bad.append(f"{kernel}: {question}: {answer}, {problem}")
        return bad


def expect(want, kept):
    """The answer is @want; "-" too when the generator may leave it out."""
    def check(answer):
        if answer == "-" and not kept:
            return None
        return None if answer == want else f"want {want}"
    return check


def expect_member(bit, bits, count, repairable, kept):
    def check(answer):
        if answer == "-":
            return "missing" if kept else None
        got_bit, got_bits, got_count, _ = answer.split()
        if int(got_bits) != bits or int(got_count) != count:
            return f"want {bits} bits, {count} elements"
        if int(got_bit, 16) == bit:
            return None
        if repairable and bits and int(got_bit, 16) > bit:
            return None     # known defect of the published layout
        return f"want bit {bit:x}"
    return check


def ask_tables(program, tables, wanted):
    builds = [row[0] for row in table(tables / "builds.tsv")]
    symbols = {row[0]: row[1:] for row in table(tables / "symbols.tsv")}
    seen = set()
    for (version, arch), types in layouts(tables).items():
        program.ask(f"K {version} {arch}")
        if version in builds and arch == "x64":
            column = builds.index(version)
            for name, values in symbols.items():
                program.ask(f"S {name}", expect(values[column],
                                                wanted.symbol(name)))
        if id(types) in seen:
            continue
        seen.add(id(types))
        for name, (size, _) in types.items():
            if name.startswith(("__unnamed", "__anonymous")):
                continue
            # These two are cut short in the copies without addresses.
            cut = version not in builds and name in ("_KPRCB", "_KPCR")
            if cut:
                continue
            if size:
                program.ask(f"Z {name}",
                            expect(f"{size:x}", wanted.type(name)))
            for path, bit, bits, count in paths(types, name):
                kept = wanted.type(name) and wanted.member(name, path)
                program.ask(f"F {name}.{path}", expect_member(
                    bit, bits, count, version not in builds, kept))


def isf_members(types, name, prefix="", base=0, depth=0):
    for member, field in types[name]["fields"].items():
        inner = field["type"].get("name", "")
        offset = base + field["offset"]
        if inner in types and depth < 8 and \
                inner.startswith(("__unnamed", "__anonymous")):
            yield from isf_members(types, inner, f"{prefix}{member}.", offset,
                                   depth + 1)
        elif field["type"]["kind"] == "bitfield":
            yield (prefix + member,
                   offset * 8 + field["type"]["bit_position"])
        else:
            yield prefix + member, offset * 8


def expect_bit(bit):
    def check(answer):
        if answer == "-" or int(answer.split()[0], 16) == bit:
            return None
        return f"want bit {bit:x}"
    return check


def ask_isf(program, tables, folder):
    by_guid = {f"{row[3]}-{row[4]}": row[0]
               for row in table(tables / "builds.tsv")}
    n = 0
    for path in sorted(folder.glob("*.json.xz")):
        version = by_guid.get(path.name.split(".")[0])
        if not version:
            continue
        n += 1
        isf = json.load(lzma.open(path))
        program.ask(f"K {version} x64")
        for name, symbol in isf["symbols"].items():
            if name.isidentifier():
                program.ask(f"S {name}", expect(
                    f"{symbol['address']:x}", False))
        for name, kind in isf["user_types"].items():
            if not name.startswith(("__unnamed", "__anonymous", "<")):
                for member, bit in isf_members(isf["user_types"], name):
                    program.ask(f"F {name}.{member}", expect_bit(bit))
    return n


def main():
    shared = Path(os.environ.get("POOLSCOPE_SHARED") or
                  Path(sys.argv[2]) / "../shared")
    if not (shared / "kernels/builds.tsv").exists():
        print(f"skipped: no tables in {shared}")
        return SKIP
    generator = Path(sys.argv[2]) / "tools/gen"
    sys.path.insert(0, str(generator))
    wanted = importlib.import_module("gen_builtin").Wanted(
        generator / "wanted.txt")
    program = Program(sys.argv[1])
    ask_tables(program, shared / "kernels", wanted)
    isf = ask_isf(program, shared / "kernels", shared / "isf")
    bad = program.run()
    print("\n".join(bad[:40]))
    print(f"{len(program.questions)} questions, {program.present} answered, "
          f"{isf} ISF files, {len(bad)} wrong")
    return 1 if bad or program.present < MIN_ANSWERS else 0


if __name__ == "__main__":
    sys.exit(main())
