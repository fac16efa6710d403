#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Contents of the pool against the truth of fixtures and random machines:
totals by tag, lists of blocks by tag, and the block behind an address.

usage: test_pool.py FIXTURES [random FAMILY COUNT | every RECIPE…]

Without more words a sample: some blocks of every family's fixture, one random
machine of each family. `random` draws COUNT machines of a FAMILY, `every`
asks for every block of recipes.
"""
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import report_test
from fixture import mkdump

FIXTURES = Path(sys.argv[1])
SIDES = ("nonpaged", "paged", "session", "special")
# Made by the builder's frame of a machine: in walk_tags, but no rows of blocks.
FRAME = ("Frag", "Fixd", "Pool")
SAMPLE = 25
FAMILIES = (7601, 9600, 14393, 17763, 18362, 19041, 20348, 22000)
# Recipes of special and session pool, and the kernels that have them.
EXTRA = {
    "special": ["10.0.14393.6343", "10.0.17763.5933", "10.0.19041.3570"],
    "session": ["6.1.7601.24540", "10.0.17763.5933", "10.0.22000.2538"],
}
count = Counter()


def plain(tag):
    """A tag without its escapes."""
    return tag.encode().decode("unicode_escape").encode("latin-1")


def is_newest(want):
    """Its delayed frees hang on lists whose place is not published."""
    return want["system"]["build"] >= 26100


def in_use(want):
    return [b for b in want["blocks"] if b["state"] == "in-use"]


def check_totals(dump, want):
    walk = report_test.report("walk", dump)["walk"]
    got = {(plain(t["tag"]), side): (t[side]["blocks"], t[side]["bytes"])
           for t in walk["tags"] for side in SIDES
           if t.get(side, {}).get("blocks")}
    truth = {(plain(tag), side): (c["blocks"], c["bytes"])
             for tag, sides in want["walk_tags"].items()
             for side, c in sides.items()}
    if is_newest(want):
        return
    assert got == truth, sorted(got.items() ^ truth.items())[:6]
    pools = [p for p in walk["pools"] if p["faults"]]
    assert not pools, pools
    expected = {(plain(r["tag"]), r["pool"])
                for r in want.get("reconciliation", [])}
    rows = {(plain(r["tag"]), r["pool"]) for r in walk["reconciliation"]}
    assert rows == expected, (rows, expected)


# --- what is an address ------------------------------------------------------


def resolve(dump, addresses):
    done = subprocess.run([os.environ["RESOLVE"], dump], text=True,
                          input="\n".join(map(hex, addresses)),
                          capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == len(addresses)
    return lines


def places(block):
    """In its header, its data, its last byte."""
    start = int(block["address"], 16)
    return sorted({start, start + min(0x10, block["bytes"] - 1),
                   start + block["bytes"] // 2, start + block["bytes"] - 1})


def check_addresses(dump, want, sample):
    blocks = [b for b in in_use(want) if b["tag"] not in FRAME]
    if sample:
        blocks = blocks[::max(1, len(blocks) // sample)]
    asked = [(va, b) for b in blocks for va in places(b)]
    for line, (va, b) in zip(resolve(dump, [va for va, _ in asked]), asked):
        tag = int.from_bytes(plain(b["tag"]).ljust(4, b"\0"), "little")
        expected = [hex(va), b["address"], str(b["bytes"]), "in-use",
                    b["pool"], f"{tag:08x}"]
        assert line == expected, (line, expected, b["kind"])
    count["addresses"] += len(asked)
    count["blocks"] += len(blocks)
    check_dead(dump, want, sample)


def check_dead(dump, want, sample):
    """What was freed is never shown as in use under its old tag."""
    dead = [b for b in want["blocks"] if b["state"] != "in-use"]
    if is_newest(want) or not dead:
        return
    if sample:
        dead = dead[::max(1, len(dead) // sample)]
    live = {(b["address"], str(b["bytes"])) for b in in_use(want)}
    for line in resolve(dump, [int(b["address"], 16) for b in dead]):
        if len(line) > 2 and line[3] == "in-use":
            # A freed block's room can be a part of a newer one.
            assert (line[1], line[2]) in live, line
    count["freed"] += len(dead)


# --- lists -------------------------------------------------------------------


def find(dump, tag, *args):
    done = report_test.run("poolfind", dump, tag, "--json", *args)
    assert done.returncode in (0, 3), done.stderr
    return {(b["address"], b["bytes"], b["pool"], b["kind"])
            for b in json.loads(done.stdout)["poolfind"]}


def by_tag(want):
    tags = {}
    for b in in_use(want):
        if b["tag"] in FRAME:
            continue
        tags.setdefault(plain(b["tag"]), set()).add(
            (b["address"], b["bytes"], b["pool"], b["kind"]))
    return tags


def pattern(tag):
    """As a user types it: blanks for zero bytes, no wildcard."""
    return tag.decode("latin-1").rstrip("\0")


def check_lists(dump, want, sample):
    tags = sorted(by_tag(want).items(), key=lambda t: -len(t[1]))
    if is_newest(want):
        return
    for tag, blocks in tags[:sample or None]:
        if not tag.isalnum():
            continue
        assert find(dump, pattern(tag)) == blocks, tag
        count["lists"] += 1
    tag, blocks = tags[0]
    for pool in {b[2] for _, v in tags for b in v}:
        wanted = set().union(*({b for b in v if b[2] == pool}
                               for _, v in tags))
        got = {b for b in find(dump, "*", "--pool", pool)}
        frame = find(dump, "Frag", "--pool", pool) | find(
            dump, "Pool", "--pool", pool)
        assert got - frame == wanted, pool
    middle = sorted(b[1] for b in blocks)[len(blocks) // 2]
    assert find(dump, pattern(tag), f"--min-bytes={middle}") == {
        b for b in blocks if b[1] >= middle}
    few = find(dump, pattern(tag), "--limit=3")
    assert len(few) == min(3, len(blocks)) and few <= blocks, few


# --- machines ----------------------------------------------------------------


def check(recipe, sample, *args):
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "x.dmp"
        want = mkdump(recipe, dump, *args)
        check_totals(dump, want)
        check_addresses(dump, want, sample)
        if sample:
            check_lists(dump, want, 3)
    count["machines"] += 1


def check_random(seed, family):
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "x.dmp"
        truth = Path(folder) / "x.json"
        done = subprocess.run(
            [os.environ["POOLSCOPE_MKDUMP"], "--random", str(seed),
             "--family", str(family), "-o", dump, f"--truth={truth}"],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        want = json.loads(truth.read_text())
        check_totals(dump, want)
        check_addresses(dump, want, SAMPLE)
    count["machines"] += 1


def all_of(jobs):
    """Run (name, function, arguments…); all are tried."""
    failed = []
    for name, function, *args in jobs:
        try:
            function(*args)
            print("ok", name, flush=True)
        except AssertionError as err:
            failed.append(f"{name}: {str(err)[:600]}")
    print(dict(count))
    assert not failed, "\n".join(failed)


def every_family():
    recipes = sorted(FIXTURES.glob("pool-*.recipe"))
    assert recipes
    all_of([(r.stem, check, r, SAMPLE) for r in recipes])


def special_and_session():
    all_of([(f"{name} {kernel}", check, FIXTURES / "differ" /
             f"{name}.recipe", SAMPLE, f"--kernel={kernel}")
            for name, kernels in EXTRA.items() for kernel in kernels])


def random_machines():
    all_of([(f"random {f}", check_random, 1000 + f, f) for f in FAMILIES])


def many_random():
    family, n = int(sys.argv[3]), int(sys.argv[4])
    all_of([(f"random {family} {i}", check_random, i, family)
            for i in range(n)])


def every_block():
    all_of([(Path(r).stem, check, Path(r), 0) for r in sys.argv[3:]])


TESTS = {"random": [many_random], "every": [every_block]}
report_test.main(TESTS[sys.argv[2]] if len(sys.argv) > 2 else
                 [every_family, special_and_session, random_machines])
