#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Output of the commands on fixture dumps, byte for byte.

usage: test_golden.py FIXTURES GOLDEN [--update]

Updating writes the files anew; the difference is reviewed like code.
"""
import difflib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fixture import mkdump
from report_test import poolscope

# Arguments behind the dump's name.
VIEWS = {
    "report.txt": ["report", "{}"],
    "report.json": ["report", "{}", "--json"],
    "info.txt": ["info", "{}"],
    "lm.txt": ["lm", "{}"],
    "vm.txt": ["vm", "{}", "24", "--quota"],
    "poolused.txt": ["poolused", "{}", "5", "/t25"],
    "bigpool.txt": ["bigpool", "{}"],
}
MAX_LINES = 120     # of a golden file; long lists are cut


def shorten(text):
    lines = text.splitlines(keepends=True)
    if len(lines) <= MAX_LINES:
        return text
    head, tail = lines[:MAX_LINES - 20], lines[-20:]
    return "".join([*head, f"... {len(lines) - MAX_LINES} lines ...\n", *tail])


def output(folder, name, view):
    args = [poolscope(), *(a.format(f"{name}.dmp") for a in VIEWS[view])]
    done = subprocess.run(args, cwd=folder, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode in (0, 3), (args, done.stderr)
    text = done.stdout
    return text if view.endswith(".json") else shorten(text)


def check(folder, golden, recipe, update):
    bad = 0
    mkdump(recipe, Path(folder) / f"{recipe.stem}.dmp")
    for view in VIEWS:
        file = golden / f"{recipe.stem}.{view}"
        text = output(folder, recipe.stem, view)
        if update:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            old = file.read_text() if file.exists() else ""
            sys.stdout.writelines(list(difflib.unified_diff(
                old.splitlines(True), text.splitlines(True), str(file),
                "now"))[:40])
            bad += 1
    return bad


def main():
    fixtures, golden = Path(sys.argv[1]), Path(sys.argv[2])
    names = (golden / "recipes").read_text().split()
    bad = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            bad += check(folder, golden, fixtures / f"{name}.recipe",
                         "--update" in sys.argv)
    print(f"{len(names)} recipes, {bad} outputs differ")
    sys.exit(1 if bad else 0)


main()
