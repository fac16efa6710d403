#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counters and pages that differ, by recipes of one reason each: the
reconciliation names the reason, and nothing else differs.

usage: test_differ.py FIXTURES
"""
import sys
import tempfile
from pathlib import Path

import report_test
from fixture import mkdump

FIXTURES = Path(sys.argv[1]) / "differ"
CLASSIC = ["6.1.7601.24540", "10.0.14393.6343"]
HEAPS = ["10.0.19041.3570", "10.0.22000.2538"]
# What only one of the designs has.
KERNELS = {"cached-blocks": HEAPS, "frag": CLASSIC,
           "special": ["10.0.14393.6343", "10.0.17763.5933"] + HEAPS}
# What the one finding about tags on one side must say.
FINDINGS = {"one-side": ("2 tags ", "Lone")}


def rows(list_):
    return {(r["tag"], r["pool"]): tuple(r["explained_by"]) for r in list_}


def check_counters(got, want):
    """Rows show what the tables hold and what the walk found."""
    tags = {t["tag"]: t for t in want["poolused"]["tags"]}
    for r in got:
        counter = tags.get(r["tag"], {}).get(r["pool"], {"bytes": 0})
        assert r["counter_bytes"] == counter["bytes"], (r, counter)
        assert r["counter_bytes"] != r["walked_bytes"], r


def check(recipe, kernel):
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "x.dmp"
        want = mkdump(recipe, dump, f"--kernel={kernel}")
        report = report_test.report("walk", dump)
    got = report["walk"]["reconciliation"]
    assert rows(got) == rows(want["reconciliation"]), got
    check_counters(got, want)
    one_side = [f["text"] for f in report.get("findings", [])
                if f["code"] == "tag-on-one-side"]
    said = FINDINGS.get(recipe.stem)
    assert len(one_side) == bool(said), one_side
    assert not said or all(s in one_side[0] for s in said), one_side


def every_reason():
    recipes = sorted(FIXTURES.glob("*.recipe"))
    assert recipes
    failed = []
    for recipe in recipes:
        for kernel in KERNELS.get(recipe.stem, CLASSIC + HEAPS):
            try:
                check(recipe, kernel)
                print("ok", recipe.stem, kernel)
            except AssertionError as err:
                failed.append(f"{recipe.stem} {kernel}: {err}")
    assert not failed, "\n".join(failed)


report_test.main([every_reason])
