#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every driver of an installed Wine: the call sites are exactly those that
another disassembler shows.

Skips where there is no Wine or no objdump."""
import re
import shutil
import subprocess
from pathlib import Path

import report_test

FOLDER = Path("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows")
OBJDUMP, READOBJ = shutil.which("objdump"), shutil.which("llvm-readobj")
API = re.compile(r"(ExAllocatePool(|2|3|With\w+)|ExInitialize\w+Lookaside\w*|"
                 r"NdisAllocateMemoryWith\w+|FltAllocatePool\w+|"
                 r"Win32AllocPool\w*)$")


def output(*args):
    return subprocess.run(args, capture_output=True, text=True,
                          check=True).stdout


def slots(image):
    """RVA of each import slot of an allocator."""
    found, at = set(), None
    for line in output(READOBJ, "--coff-imports", image).splitlines():
        words = line.split()
        if words[:1] == ["ImportAddressTableRVA:"]:
            at = int(words[1], 16)
        elif words[:1] == ["Symbol:"] and at is not None:
            if API.match(words[1]):
                found.add(at)
            at += 8
    return found


def called(image):
    """RVAs of calls of those slots or of thunks that jump there."""
    base = int(re.search(r"ImageBase\s+([0-9a-f]+)",
                         output(OBJDUMP, "-p", image)).group(1), 16)
    want = {base + s for s in slots(image)}
    if not want:
        return set()
    code = output(OBJDUMP, "-d", "--no-show-raw-insn", "-M", "intel", image)
    insn = re.compile(r"^\s*([0-9a-f]+):\s+(?:rex\.W )?(call|jmp)\s+(.*)$", re.M)
    thunks, calls = set(), []
    for where, op, rest in insn.findall(code):
        slot = re.search(r"# ([0-9a-f]+)", rest)
        if slot and int(slot.group(1), 16) in want:
            if op == "jmp":
                thunks.add(int(where, 16))
            else:
                calls.append(int(where, 16))
    for where, op, rest in insn.findall(code):
        direct = re.match(r"([0-9a-f]+)\b", rest)
        if op == "call" and direct and int(direct.group(1), 16) in thunks:
            calls.append(int(where, 16))
    return {c - base for c in calls}


def every_site():
    images = sorted(FOLDER.glob("*.sys"))
    found = report_test.report("callers", "--images", FOLDER)["callsites"]
    total = 0
    for image in images:
        mine = {int(r["rva"], 16) for r in found
                if r["module"] == image.name}
        theirs = called(image)
        assert theirs == mine, (image.name, [hex(x) for x in theirs ^ mine])
        total += len(theirs)
    assert total, "no allocator call in any of them"
    print(f"# {total} call sites in {len(images)} drivers")


if not list(FOLDER.glob("*.sys")):
    report_test.skip("no Wine drivers (package libwine)")
if not OBJDUMP or not READOBJ:
    report_test.skip("no objdump or llvm-readobj")
report_test.main([every_site])
