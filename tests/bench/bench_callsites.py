#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed of the call-site engine on a large driver, and whether it is right.

usage: bench_callsites.py BENCH CLANG LLD_LINK LLVM_DLLTOOL [FUNCTIONS]

Writes a driver of FUNCTIONS functions (6,600 by default, 4 MB) in assembler,
builds it with clang and lld, compares every row with what was written, and
prints the processor time of one thread. The seed is fixed: same bytes each
time.
"""
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH, CLANG, LLD, DLLTOOL = sys.argv[1:5]
FUNCTIONS = int(sys.argv[5]) if len(sys.argv) > 5 else 6600
WRAPPERS = 20
FILLER = 17		# pieces of filler in a function: 600 bytes a function
RNG = random.Random(6600)
FREE = ["eax", "ecx", "edx", "r8d", "r9d", "r10d", "r11d"]
HEADER = """.intel_syntax noprefix
.macro import name
.byte 0x48
call qword ptr [rip + __imp_\\name]
.byte 0x0f, 0x1f, 0x44, 0, 0
.endm
.data
state: .fill 4096
.text
"""


class Driver:
    """Source text, and the truth: (site label, via label, tag, how)."""

    def __init__(self):
        self.text, self.rows, self.labels, self.tags = [HEADER], [], 0, 0

    def emit(self, line):
        self.text.append(line)

    def label(self, kind):
        self.labels += 1
        return f"{kind}_{self.labels}"

    def public(self, name):
        self.emit(f".globl {name}\n{name}:")

    def tag(self):
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"
        self.tags += 1
        n, text = self.tags, ""
        for _ in range(3):
            text, n = digits[n % 36] + text, n // 36
        return "T" + text

    def begin(self, name):
        self.emit(f".globl {name}\n.def {name}; .scl 2; .type 32; .endef\n"
                  f".seh_proc {name}\n{name}: push rbx\n.seh_pushreg rbx\n"
                  "push rsi\n.seh_pushreg rsi\nsub rsp, 0x48\n"
                  ".seh_stackalloc 0x48\n.seh_endprologue")

    def end(self):
        self.emit("add rsp, 0x48\npop rsi\npop rbx\nret\n.seh_endproc\nint3")


def number(tag):
    return int.from_bytes(tag.encode(), "little")


# --- filler ------------------------------------------------------------------

def arithmetic(d):
    for _ in range(6):
        a, b = RNG.choice(FREE), RNG.choice(FREE)
        d.emit(RNG.choice([f"add {a}, {b}", f"xor {a}, {b}",
                           f"imul {a}, {b}, {RNG.randrange(1 << 20)}",
                           f"lea {a}, [rbx + {RNG.randrange(4096)}]",
                           f"mov {a}, {RNG.randrange(1 << 30)}"]))


def memory(d):
    for _ in range(5):
        a, at = RNG.choice(FREE), RNG.randrange(0, 0x1000, 4)
        d.emit(RNG.choice([f"mov {a}, dword ptr [rip + state + {at}]",
                           f"mov dword ptr [rip + state + {at}], {a}",
                           f"mov dword ptr [rsp + {at % 8 * 4 + 0x20}], {a}",
                           f"mov {a}, dword ptr [rsp + {at % 8 * 4 + 0x20}]"]))


def branch(d):
    other, join = d.label(".Lo"), d.label(".Lj")
    d.emit(f"cmp {RNG.choice(FREE)}, {RNG.randrange(1000)}\n"
           f"{RNG.choice(['je', 'jb', 'jg', 'jne'])} {other}")
    arithmetic(d)
    d.emit(f"jmp {join}\n{other}:")
    memory(d)
    d.emit(f"{join}:")


def loop(d):
    top = d.label(".Lt")
    d.emit(f"mov r11d, {RNG.randrange(2, 100)}\n{top}:")
    memory(d)
    d.emit(f"dec r11d\njnz {top}")


def call(d):
    d.emit(f"mov ecx, {RNG.randrange(1000)}\n"
           f"call f_{RNG.randrange(FUNCTIONS)}")


def filler(d, pieces):
    for _ in range(pieces):
        RNG.choice([arithmetic, memory, branch, loop, call])(d)


# --- sites -------------------------------------------------------------------

def site(d):
    name = d.label("s")
    d.public(name)
    d.emit("import ExAllocatePoolWithTag")
    return name


def immediate(d):
    tag = d.tag()
    d.emit(f"mov ecx, 0x200\nmov edx, {RNG.randrange(16, 4096)}\n"
           f"mov r8d, {number(tag)}")
    d.rows.append((site(d), None, tag, "immediate"))


def two_ways(d):
    one, two = d.tag(), d.tag()
    other = d.label(".Lw")
    d.emit(f"mov ebx, {number(one)}\n"
           "cmp dword ptr [rip + state], 0\n"
           f"je {other}\n"
           f"mov ebx, {number(two)}\n{other}:")
    filler(d, 2)
    d.emit("mov ecx, 1\nmov edx, 64\nmov r8d, ebx")
    name = site(d)
    d.rows += [(name, None, t, "propagated") for t in (one, two)]


def kept(d):
    tag = d.tag()
    d.emit(f"mov esi, {number(tag)}")
    branch(d)	# in one block it would be an immediate
    filler(d, 3)
    d.emit("xor ecx, ecx\nmov edx, 32\nmov r8d, esi")
    d.rows.append((site(d), None, tag, "propagated"))


def wrapped(d):
    tag, via, k = d.tag(), d.label("v"), RNG.randrange(WRAPPERS)
    d.emit(f"mov ecx, {RNG.randrange(16, 999)}\nmov edx, {number(tag)}")
    d.public(via)
    d.emit(f"call w_{k}")
    d.rows.append((f"ws_{k}", via, tag, "wrapper"))


def wrappers(d):
    for k in range(WRAPPERS):
        d.begin(f"w_{k}")
        d.emit("mov r8d, edx\nmov edx, ecx\nmov ecx, 0x200")
        d.public(f"ws_{k}")
        d.emit("import ExAllocatePoolWithTag")
        d.end()


def write():
    d = Driver()
    kinds = [immediate, immediate, two_ways, kept, wrapped]
    for i in range(FUNCTIONS):
        d.begin(f"f_{i}")
        filler(d, FILLER)
        # Every fifth function allocates.
        if i % 5 == 0:
            kinds[i // 5 % len(kinds)](d)
            filler(d, 1)
        d.end()
    wrappers(d)
    d.begin("DriverEntry")
    d.emit("call f_0")
    d.end()
    return d


def build(d, folder):
    (folder / "b.S").write_text("\n".join(d.text) + "\n")
    (folder / "nt.def").write_text("LIBRARY ntoskrnl.exe\nEXPORTS\n"
                                   "ExAllocatePoolWithTag\n")
    for command in (
            [DLLTOOL, "-m", "i386:x86-64", "-d", "nt.def", "-l", "nt.lib"],
            [CLANG, "--target=x86_64-pc-windows-msvc", "-c", "b.S"],
            [LLD, "/driver", "/subsystem:native", "/nodefaultlib", "/Brepro",
             "/entry:DriverEntry", "/out:b.sys", "/map:b.map", "b.o",
             "nt.lib"]):
        subprocess.run(command, cwd=folder, check=True)
    text, base = (folder / "b.map").read_text(), 0x140000000
    return {name: int(va, 16) - base for name, va in
            re.findall(r"^ [0-9a-f]{4}:[0-9a-f]{8} +(\S+) +([0-9a-f]{16})",
                       text, re.M)}


def found(out):
    row = re.compile(r"^  ([0-9a-f]{8}) fn \S+ via ([0-9a-f]{8})/\d+ "
                     r"\S+ +(\S+) +mask \S+ .* size \S+ (\S+)", re.M)
    return {(int(a, 16), int(v, 16), tag, by)
            for a, v, tag, by in row.findall(out)}


def main():
    with tempfile.TemporaryDirectory() as t:
        folder, d = Path(t), write()
        rva = build(d, folder)
        size = (folder / "b.sys").stat().st_size
        env = dict(os.environ, THREADS="1", CACHE_DIR=str(folder))
        runs = [subprocess.run([BENCH, "-v", folder / "b.sys"], env=env,
                               capture_output=True, text=True,
                               check=True).stdout for _ in range(2)]
    want = {(rva[s], rva[v] if v else 0, tag, by) for s, v, tag, by in d.rows}
    print(f"{FUNCTIONS} functions, {size / 2**20:.1f} MB: "
          f"{len(want & found(runs[0]))} of {len(want)} rows right, "
          f"{len(found(runs[0]) - want)} others")
    for name, out in zip(("first run", "second run, from the cache"), runs):
        print(f"  {name}: {out.splitlines()[-1]}")
    ok = found(runs[0]) == want == found(runs[1])
    for row in sorted(found(runs[0]) ^ want)[:10]:
        print("  differs:", *row)
    return 0 if ok and want else 1


if __name__ == "__main__":
    sys.exit(main())
