#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who allocates: from a dump and from a folder of drivers.

usage: test_callers.py FIXTURES DRIVERS PATTERNS"""
import csv
import io
import sys
import tempfile
from pathlib import Path

import report_test
from fixture import mkdump
from report_test import run

FIXTURES, DRIVERS, PATTERNS = map(Path, sys.argv[1:4])
LEAK = FIXTURES / "nonpaged-leak.recipe"


def leak_is_named_first():
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "x.dmp"
        mkdump(LEAK, dump)
        text = run("report", dump, f"--symbols={DRIVERS}").stdout
        head = "\n".join(text.splitlines()[:10])
        for word in ("LkaL", "lkaldrv.sys", "new_map", "lkaldrv.c:",
                     "Example Defrag Works", "ExAllocatePoolWithTag"):
            assert word in head, (word, head)
        text = run("poolused", dump, "2").stdout
        assert "Binary: lkaldrv.sys (by its code)" in text, text[:500]
        rows = report_test.report("callers", dump)["callsites"]
        assert rows[0]["tag"] == "LkaL", rows[0]
        assert rows[0]["module"] == "lkaldrv.sys"
        assert rows[0]["outstanding"]["blocks"] == 1126, rows[0]
        assert rows[0]["bytes"] == 1 << 20
        again = report_test.report("callers", dump, "LkaL")
        assert "lkaldrv.sys" in again["ticket"], again["ticket"]
        assert [r["rva"] for r in again["callsites"]] == \
            [r["rva"] for r in rows if r["tag"] == "LkaL"]
        none = run("callers", dump, "Qq9z")
        assert none.returncode == 0 and "no call site" in none.stdout


def folder_of_images():
    found = report_test.report("callers", "--images", PATTERNS)
    names = {m["name"] for m in found["callsite_modules"]}
    assert "callsite-x64.sys" in names, names
    by = {r["resolved_by"] for r in found["callsites"]}
    assert by >= {"immediate", "propagated", "wrapper", "lookaside", "table",
                  "global", "unresolved"}, by
    lines = [r for r in found["callsites"] if r.get("line")]
    assert any(r["function"] == "c_plain" and
               r["file"].endswith("patterns.c") for r in lines), lines[:3]
    for r in found["callsites"]:
        assert (r["resolved_by"] == "unresolved") <= bool(r["reason"]), r
        assert r["outstanding"] is None


def one_tag():
    image = PATTERNS / "callsite-x64.sys"
    for args in (["--tag=Wra1"], ["Wra1"]):
        rows = report_test.report("callers", f"--images={image}",
                                  *args)["callsites"]
        assert len(rows) == 1 and rows[0]["resolved_by"] == "wrapper", rows
        assert rows[0]["via"]["levels"] == 1, rows
    rows = report_test.report("callers", f"--images={image}",
                              "--tag=Gh*")["callsites"]
    assert [r["tag"] for r in rows] == ["Gh??"], rows
    # A number that no call explains is weaker evidence.
    rows = report_test.report("callers", f"--images={image}",
                              "--tag=tor2")["callsites"]
    assert rows and rows[0]["resolved_by"] == "index", rows
    assert rows[0]["api"] is None


def tables():
    image = PATTERNS / "callsite-x64.sys"
    done = run("callers", f"--images={image}", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    row = next(r for r in rows if r["tag"] == "Pla1")
    assert row["api"] == "ExAllocatePoolWithTag", row
    assert row["bytes"] == str(0x1234) and row["type"] == "NonPagedPoolNx"
    done = run("callers", f"--images={image}", "--pooltag-txt")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("rem "), lines[0]
    assert any(x.startswith("Pla1 - callsite-x64.sys - ") for x in lines)
    # What it writes is what the program reads.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pooltag.txt"
        path.write_text(done.stdout)
        dump = Path(folder) / "x.dmp"
        mkdump(LEAK, dump)
        text = run("poolused", dump, f"--pooltag={path}").stdout
        assert "UNKNOWN pooltag" in text


def no_images():
    with tempfile.TemporaryDirectory() as folder:
        done = run("callers", "--images", folder)
        assert done.returncode == 1 and "no driver image" in done.stderr
        bad = Path(folder) / "bad.sys"
        bad.write_bytes(b"MZ" + b"\0" * 100)
        assert run("callers", "--images", bad).returncode == 1
        assert run("callers", "--images", folder).returncode == 1
        assert run("callers", "--images", Path(folder) / "x").returncode == 1


report_test.main([leak_is_named_first, folder_of_images, one_tag, tables,
                  no_images])
