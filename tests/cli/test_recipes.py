#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fixture dumps: the whole report equals the recipe's truth, in every family
and every type of dump.

usage: test_recipes.py FIXTURES            every recipe as it is
       test_recipes.py FIXTURES families   one machine in every family and type
"""
import sys
import tempfile
from pathlib import Path

import report_test
import truth
from fixture import mkdump

FIXTURES = Path(sys.argv[1])
# The recipe that is built for every kernel, and the kernels.
MACHINE = "w10-19041.3570.recipe"
KERNELS = ["6.1.7601.24540", "6.3.9600.21620", "10.0.14393.6343",
           "10.0.17763.5933", "10.0.18362.836", "10.0.19041.388",
           "10.0.19041.3570", "10.0.20348.2400", "10.0.22000.2538"]
TYPES = [1, 5, 6, 8]


def check(recipe, *args):
    """@return what differs, prefixed with the recipe's name."""
    name = " ".join([recipe.stem, *args])
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "x.dmp"
        want = mkdump(recipe, dump, *args)
        found = report_test.report("report", dump, "--all")
    recovered = found["symbols"]["source"] == "recovered"
    bad = truth.differences(found, want, lenient=recovered)
    print("ok" if not bad else "not ok", name)
    return [f"{name}: {line}" for line in bad]


def every_recipe():
    bad = []
    for recipe in sorted(FIXTURES.glob("*.recipe")):
        bad += check(recipe)
    return bad


def every_family():
    bad = []
    for kernel in KERNELS:
        for kind in TYPES:
            bad += check(FIXTURES / MACHINE, f"--kernel={kernel}",
                         f"--type={kind}")
    return bad


problems = every_family() if "families" in sys.argv else every_recipe()
for line in problems:
    print(line)
sys.exit(1 if problems else 0)
