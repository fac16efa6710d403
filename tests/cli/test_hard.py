#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Dumps that are hard to read.

usage: test_hard.py FIXTURES unknown   kernels outside the table: no figure of
                                       vm and poolused may be wrong
       test_hard.py FIXTURES damaged   missing pages, lies in the file: the exit
                                       status is the recipe's, in good time
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "recovery"))
import hold_one_out
import report_test
from fixture import mkdump

FIXTURES, WHAT = Path(sys.argv[1]), sys.argv[2]
POOLSCOPE = os.environ["POOLSCOPE"]
SECONDS = 20                    # generous: sanitizers, a busy machine


# Status of single commands that must see the damage for themselves.
COMMANDS = {"lying-sizes": {"poolused": 3}, "truncated": {"info": 3}}


def unknown(dump, want, recipe):
    report = report_test.report("report", dump, "--all")
    # A lower bound that says so is no figure.
    report["vm"] = {k: v for k, v in report["vm"].items()
                    if not (isinstance(v, dict) and v.get("approximate"))}
    score = hold_one_out.Score()
    hold_one_out.compare(score, recipe.stem, want, report, 0)
    given = sum(score.given.values())
    print(f"{recipe.stem}: {given} given of {sum(score.total.values())}, "
          f"{len(score.wrong)} wrong")
    return score.wrong


def damaged(dump, want, recipe):
    start = time.monotonic()
    done = subprocess.run([POOLSCOPE, "report", "--all", "--json", dump],
                          capture_output=True, text=True, timeout=120)
    seconds = time.monotonic() - start
    print(f"{recipe.stem}: status {done.returncode}, {seconds:.2f} s")
    bad = []
    if done.returncode != want["builder"]["status"]:
        bad.append(f"{recipe.stem}: status {done.returncode}, must be "
                   f"{want['builder']['status']}: {done.stderr}")
    for command, status in COMMANDS.get(recipe.stem, {}).items():
        got = subprocess.run([POOLSCOPE, command, dump], timeout=120,
                             capture_output=True).returncode
        if got != status:
            bad.append(f"{recipe.stem}: {command} {got}, must be {status}")
    if done.returncode == 1 and len(done.stderr.splitlines()) != 1:
        bad.append(f"{recipe.stem}: not one line of error: {done.stderr}")
    if seconds > SECONDS:
        bad.append(f"{recipe.stem}: {seconds:.1f} s")
    return bad


def main():
    bad = []
    check = unknown if WHAT == "unknown" else damaged
    for recipe in sorted((FIXTURES / WHAT).glob("*.recipe")):
        with tempfile.TemporaryDirectory() as folder:
            dump = Path(folder) / "x.dmp"
            bad += check(dump, mkdump(recipe, dump), recipe)
    print("\n".join(bad))
    return 1 if bad else 0


sys.exit(main())
