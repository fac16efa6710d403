#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random pools: a sound one gives no finding; a flipped bit in a header is
found, and called one.

usage: random_pools.py HEALTHY FLIPS [SEED]

Builds HEALTHY random dumps over all families and checks each; then inverts
FLIPS single bits, one at a time, in pool headers of such dumps, and prints per
field: found as a bit flip, found as something else, said of another place, not
found. Fails on a finding in a sound dump, and on a field that must be seen and
is not (MUST).
"""
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "mkdump"))
import winmem  # noqa: E402
from report_test import run, validate  # noqa: E402

FAMILIES = [7601, 9600, 14393, 17763, 18362, 19041, 20348, 22000]
# Pool header, and in front of it the header of a VS chunk (offset -0x10).
FIELDS = {
    "PreviousSize": (0, 1), "PoolIndex": (1, 1), "BlockSize": (2, 1),
    "PoolType": (3, 1), "PoolTag": (4, 4), "ProcessBilled": (8, 8),
    "chunk header": (-16, 8), "chunk page": (-8, 4),
}
# (kind, state, field): every flip of these contradicts a stored fact.
MUST = {("chain", "in-use", "BlockSize"), ("chain", "in-use", "PreviousSize"),
        ("chain", "free", "BlockSize"), ("chain", "free", "PreviousSize"),
        ("vs", "in-use", "chunk header"), ("vs", "in-use", "BlockSize"),
        ("vs", "in-use", "PreviousSize"), ("lfh", "in-use", "BlockSize"),
        ("lfh", "in-use", "PreviousSize")}


def build(seed, family, folder):
    dump = Path(folder) / "x.dmp"
    truth = Path(folder) / "x.json"
    done = subprocess.run(
        [os.environ["POOLSCOPE_MKDUMP"], "--random", str(seed), "--family",
         str(family), "-o", dump, "--truth", truth], capture_output=True,
        text=True, timeout=120)
    assert done.returncode == 0, (seed, family, done.stderr)
    return dump, json.loads(truth.read_text())


def check(dump):
    done = run("check", "--suspect", dump, "--json")
    assert done.returncode in (0, 3, 4), (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    validate(report)
    assert not report["check"].get("error"), report["check"]
    return report["corruption"]


def healthy(count, first):
    bad = 0
    for i in range(count):
        family = FAMILIES[i % len(FAMILIES)]
        with tempfile.TemporaryDirectory() as folder:
            dump, _ = build(first + i, family, folder)
            for f in check(dump):
                bad += 1
                print("not ok", family, first + i, f["rule"], f["address"],
                      f["evidence"])
    print(f"{count} sound dumps, {bad} findings")
    return bad


class Flipper:
    def __init__(self, dump, truth, rng):
        self.dump = dump
        image = winmem.Dump(dump)
        made = truth["builder"]
        self.memory = winmem.Memory(image, int(made["pte_mask"], 16),
                                    made["levels"])
        self.rng = rng
        self.blocks = [b for b in truth["blocks"]
                       if b["kind"] in ("chain", "vs", "lfh")]

    def draw(self):
        """@return (block, field, address of the byte, bit)."""
        while True:
            what = self.draw_any()
            try:
                self.memory.translate(what[2])
                return what
            except LookupError:         # paged out
                continue

    def draw_any(self):
        b = self.rng.choice(self.blocks)
        fields = [f for f in FIELDS
                  if b["kind"] == "vs" or not f.startswith("chunk")]
        if b["kind"] == "vs" and b["state"] != "in-use":
            # The rest is a tree node or stale; so is the header of a chunk
            # that was merged with a free one before it, found by nobody.
            fields = ["chunk header"]
        if b["kind"] == "lfh" and b["state"] != "in-use":
            return self.draw_any()      # nothing stored twice (F6)
        # By bits, as a particle would.
        name = self.rng.choices(fields, [FIELDS[f][1] for f in fields])[0]
        at, size = FIELDS[name]
        va = int(b["address"], 16)
        if name.startswith("chunk") and va & 0xFFF == 0:
            va -= 0x10                  # the header moved to the next page
        return b, name, va + at + self.rng.randrange(size), \
            self.rng.randrange(8)

    def flip(self, va, bit):
        off = self.memory.dump.offset(self.memory.translate(va) >> 12)
        off += va & 0xFFF
        with open(self.dump, "r+b") as f:
            f.seek(off)
            byte = f.read(1)[0]
            f.seek(off)
            f.write(bytes([byte ^ 1 << bit]))


def judge(found, block):
    va = int(block["address"], 16)
    near = [f for f in found if -0x20 <= int(f["address"], 16) - va <= 0x10]
    if not found:
        return "nothing"
    if len(near) != len(found):
        return "elsewhere"
    if len(found) == 1 and found[0]["cause"] == "bit-flip":
        return "bit flip"
    return "other"


def flips(count, first):
    rng = random.Random(first)
    table = collections.defaultdict(collections.Counter)
    verbose = "VERBOSE" in os.environ
    per_dump = max(1, min(50, count // len(FAMILIES)))
    done = 0
    while done < count:
        family = FAMILIES[done // per_dump % len(FAMILIES)]
        with tempfile.TemporaryDirectory() as folder:
            dump, truth = build(first + done, family, folder)
            flipper = Flipper(dump, truth, rng)
            for _ in range(min(per_dump, count - done)):
                block, field, va, bit = flipper.draw()
                flipper.flip(va, bit)
                found = check(dump)
                verdict = judge(found, block)
                flipper.flip(va, bit)
                key = block["kind"], block["state"], field
                table[key][verdict] += 1
                done += 1
                unseen = verdict == "nothing" and (
                    key in MUST or verbose and field != "ProcessBilled")
                if unseen or verdict in ("elsewhere", "other") and verbose:
                    print(verdict, family, first + done, key, hex(va), bit,
                          block, [(f["rule"], f["address"], f["cause"],
                                   f["expected"], f["found"])
                                  for f in found[:4]])
    return table


def show(table):
    columns = ["bit flip", "other", "elsewhere", "nothing"]
    print(f"{'kind':6}{'state':8}{'field':15}" +
          "".join(f"{c:>10}" for c in columns))
    total = collections.Counter()
    for key in sorted(table):
        total += table[key]
        print(f"{key[0]:6}{key[1]:8}{key[2]:15}" +
              "".join(f"{table[key][c]:10}" for c in columns))
    n = sum(total.values())
    print("all".ljust(29) + "".join(f"{total[c]:10}" for c in columns))
    print("share".ljust(29) +
          "".join(f"{100 * total[c] / max(n, 1):9.1f}%" for c in columns))


def main():
    count, flipped = int(sys.argv[1]), int(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    bad = healthy(count, first)
    table = flips(flipped, first) if flipped else {}
    show(table)
    bad += sum(table[key]["nothing"] for key in table if key in MUST)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
