#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compare the symbol readers with independent ones on the fixtures:
llvm-pdbutil (publics, type sizes), llvm-symbolizer (function and line of every
address, PDB and DWARF), llvm-dwarfdump (type sizes).

usage: check_oracles.py QUERY_FILE FIXTURES
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

SKIP = 77
program, fixtures = sys.argv[1], Path(sys.argv[2])


def out(*args, stdin=None):
    return subprocess.run([str(a) for a in args], input=stdin, check=True,
                          capture_output=True, text=True).stdout


def ask(name, questions):
    return out(program, fixtures / name,
               stdin="".join(q + "\n" for q in questions)).splitlines()


def same(what, questions, have, want):
    wrong = [(q, h, w) for q, h, w in zip(questions, have, want) if h != w]
    assert len(have) == len(want) > 0, (what, len(have), len(want))
    assert not wrong, (what, wrong[:5])
    print(f"{what}: {len(want)} equal")


def publics(name):
    sections = [0] + [int(v, 16) for v in re.findall(
        r"([0-9A-F]+) virtual address",
        out("llvm-pdbutil", "dump", "-section-headers", fixtures / name))]
    text = out("llvm-pdbutil", "dump", "-publics", fixtures / name)
    rows = re.findall(r"S_PUB32 \[.*?`(.*?)`\n.*?addr = (\d+):(\d+)", text)
    names = [n for n, s, o in rows]
    want = [f"{sections[int(s)] + int(o):x}" for n, s, o in rows]
    same(f"{name}: publics", names, ask(name, ["S " + n for n in names]),
         want)


def pdb_types(name):
    text = out("llvm-pdbutil", "dump", "-types", fixtures / name)
    want = dict(re.findall(r"LF_STRUCTURE \[.*?\] `(\w+)`\n.*?\n.*?"
                           r"sizeof (\d+)", text))
    want = {n: f"{int(v):x}" for n, v in want.items() if v != "0"}
    names = sorted(want)
    same(f"{name}: sizes", names, ask(name, ["Z " + n for n in names]),
         [want[n] for n in names])


def dwarf_types(name):
    text = out("llvm-dwarfdump", "--debug-info", fixtures / name)
    want = {}
    for block in text.split("DW_TAG_structure_type")[1:]:
        block = block.split("DW_TAG_")[0]
        n = re.search(r'DW_AT_name\s+\("(\w+)"\)', block)
        s = re.search(r"DW_AT_byte_size\s+\((\w+)\)", block)
        if n and s:
            want[n[1]] = f"{int(s[1], 0):x}"
    names = sorted(want)
    same(f"{name}: sizes", names, ask(name, ["Z " + n for n in names]),
         [want[n] for n in names])


def function_lines(image, symbols):
    """Every address of .text that the oracle knows."""
    addresses = [f"{0x1000 + i:x}" for i in range(0, 0x110)]
    text = out("llvm-symbolizer", f"--obj={fixtures / image}",
               "--relative-address", "--no-inlines",
               stdin="".join(f"0x{a}\n" for a in addresses))
    rows = [b.splitlines() for b in text.strip().split("\n\n")]
    # A function's first byte can have two rows; readers take either.
    starts = ask(symbols, ["S DriverEntry", "S FxAllocate", "S FxWork",
                           "S FxFree"])
    want, questions = [], []
    for address, row in zip(addresses, rows):
        line = row[1].rsplit(":", 2)[1]
        if "driver.c" in row[1] and line != "0" and address not in starts:
            questions.append(address)
            want.append((row[0], line))
    have = [tuple(h.split()) if h != "-" else ("-", "-")
            for h in ask(symbols, ["L " + q for q in questions])]
    same(f"{symbols}: lines", questions, have, want)


def main():
    if not all(shutil.which(t) for t in ("llvm-pdbutil", "llvm-symbolizer",
                                         "llvm-dwarfdump")):
        print("skipped: llvm is not installed")
        sys.exit(SKIP)
    if not (fixtures / "x64.pdb").exists():
        print("skipped: no fixtures")
        sys.exit(SKIP)
    for name in ("x64", "x86", "arm64"):
        publics(name + ".pdb")
        pdb_types(name + ".pdb")
        function_lines(name + ".sys", name + ".pdb")
    for name in ("dwarf2-x64.sys", "dwarf4-x64.sys", "dwarf5-x64.sys",
                 "dwarf5-x86.sys", "dwarf-arm64.sys"):
        if (fixtures / name).exists():
            dwarf_types(name)


if __name__ == "__main__":
    main()
