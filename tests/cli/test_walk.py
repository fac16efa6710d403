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
from fixture import mkdump

FIXTURES = Path(sys.argv[1])
# Blocks on its delay-free lists count as in use (their place is unknown).
NEWEST = "pool-26100"
# Made by the builder's frame of a machine, not by the recipe's history.
FRAME = ("Frag", "Fixd", "Pool")


def tag(text):
    """The truth writes a tag as it was given, without its zero bytes."""
    return text.replace("\\x00", "")


def blocks(found):
    return {(b["address"], b["bytes"], tag(b["tag"]), b["pool"], b["kind"])
            for b in found if b["tag"] not in FRAME}


def check_found(dump, want, slack):
    done = report_test.run("poolfind", dump, "*", "--json")
    assert done.returncode == 0, done.stderr
    got = blocks(json.loads(done.stdout)["poolfind"])
    used = blocks(b for b in want["blocks"] if b["state"] == "in-use")
    assert not used - got, sorted(used - got)[:3]
    assert len(got - used) <= slack, sorted(got - used)[:3]


def check_walk(dump, slack):
    walk = report_test.report("walk", dump)["walk"]
    assert walk["blocks"]
    assert len(walk["reconciliation"]) <= slack, walk["reconciliation"][:3]
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
        slack = 1 if recipe.stem == NEWEST else 0
        with tempfile.TemporaryDirectory() as folder:
            dump = Path(folder) / "x.dmp"
            want = mkdump(recipe, dump)
            check_found(dump, want, slack)
            check_walk(dump, slack)
            check_addresses(dump, want)
            check_clean(dump)
        print("ok", recipe.stem)


report_test.main([every_family])
