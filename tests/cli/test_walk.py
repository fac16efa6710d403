#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pools of every family: each block that the recipe made is found, counters
and pages agree, an address leads back to its block, and a healthy pool has no
corruption.

usage: test_walk.py FIXTURES
"""
import json
import sys
import tempfile
from pathlib import Path

import report_test
from fixture import machine, mkdump

FIXTURES = Path(sys.argv[1])
# Made by the builder's frame of a machine, not by the recipe's history.
FRAME = ("Frag", "Fixd", "Pool")


def tag(text):
    """The truth writes a tag as it was given, without its zero bytes."""
    return text.replace("\\x00", "")


def blocks(found):
    return {(b["address"], b["bytes"], tag(b["tag"]), b["pool"], b["kind"])
            for b in found if b["tag"] not in FRAME}


def check_found(dump, want):
    done = report_test.run("poolfind", dump, "*", "--json")
    assert done.returncode == 0, done.stderr
    got = blocks(json.loads(done.stdout)["poolfind"])
    used = blocks(b for b in want["blocks"] if b["state"] == "in-use")
    assert not used - got, sorted(used - got)[:3]
    assert not got - used, sorted(got - used)[:3]


def check_walk(dump):
    walk = report_test.report("walk", dump)["walk"]
    assert walk["blocks"]
    assert not walk["reconciliation"], walk["reconciliation"][:3]
    assert not walk["tags_unexplained"]
    assert not any(p["faults"] for p in walk["pools"])


def check_addresses(dump, want):
    used = [b for b in want["blocks"] if b["state"] == "in-use"]
    for b in used[::len(used) // 7]:
        inside = hex(int(b["address"], 16) + b["bytes"] // 2)
        pool = report_test.report("pool", dump, inside)["pool"]
        here = [x for x in pool["blocks"] if x["here"]] or [pool.get("big")]
        assert len(here) == 1 and here[0], (b, pool)
        assert tag(here[0]["tag"]) == tag(b["tag"]), (b, here)
        for key in ("address", "bytes"):
            assert here[0][key] == b[key], (b, here)


def check_clean(dump):
    done = report_test.run("check", dump, "--suspect")
    assert done.returncode == 0, done.stdout
    assert not done.stdout.strip(), done.stdout


def every_family():
    recipes = sorted(FIXTURES.glob("pool-*.recipe"))
    assert recipes
    for recipe in recipes:
        with tempfile.TemporaryDirectory() as folder:
            dump = Path(folder) / "x.dmp"
            want = mkdump(recipe, dump)
            check_found(dump, want)
            check_walk(dump)
            check_addresses(dump, want)
            check_clean(dump)
        print("ok", recipe.stem)


HEAD = ("poke heap:0:1 "
        "field=_SEGMENT_HEAP.SegContexts[0].SegmentListHead.%s value=%s")


def broken_list(*links):
    """(walk, rules) of a heap of many segments with a damaged list head."""
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, [
            "", "alloc SegT nonpaged-nx size=0x900 count=2000",
            *(HEAD % link for link in links)])
        walk = report_test.report("walk", dump)["walk"]
        check = report_test.run("check", dump, "--suspect", "--json")
        found = {b["address"] for b in json.loads(report_test.run(
            "poolfind", dump, "SegT", "--json").stdout)["poolfind"]}
        assert len(found) == 2000, (len(found), walk["notes"])
        assert walk["complete"], walk["notes"]
        return walk, {c["rule"] for c in
                      json.loads(check.stdout)["corruption"]}


def lists_of_segments_are_read_from_both_ends():
    walk, rules = broken_list(("Flink", "0x1234"))
    assert "S3" in rules and "S4" not in rules, rules
    # Lost from both ends: the signatures in memory are found.
    walk, rules = broken_list(("Flink", "0"), ("Blink", "0x1238"))
    assert any("on no list" in n for n in walk["notes"]), walk["notes"]
    assert "S4" in rules, rules


def kdbg_tells_where_the_pool_lies():
    """An unknown kernel of Windows 7: its symbols are gone, its debug record
    has the bounds of both pools."""
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(
            folder, ["", "alloc LkaL nonpaged size=0x200 count=400"],
            "6.1.7601.24540 guid=ABCDEF0123456789ABCDEF0123456789 "
            "version=6.1.7601.24000 shift=0x140")
        notes = report_test.report("walk", dump)["walk"]["notes"]
        assert not any("no known place" in n for n in notes), notes


def assumptions_are_told():
    """26100 by its published types alone: what they leave open is said."""
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "x.dmp"
        mkdump(FIXTURES / "pool-26100.recipe", dump)
        notes = report_test.report("walk", dump)["walk"]["notes"]
        for part in ("aligned blocks say", "8, 12, 12 bits",
                     "bit a block and the 32-bit key"):
            assert any(part in n for n in notes), (part, notes)
        found = report_test.run("poolfind", dump, "File", "--json")
        blocks = json.loads(found.stdout)["poolfind"]
        assert blocks and all(b.get("process") for b in blocks), blocks[:2]


report_test.main([every_family, assumptions_are_told,
                  kdbg_tells_where_the_pool_lies,
                  lists_of_segments_are_read_from_both_ends])
