#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recipes of damage: `check` finds each at its exact address, with its rule and
cause, and nothing else. Prints the table of rules against recipes.

usage: check_corruption.py FIXTURES [NAME...]   (of FIXTURES/corrupt)
"""
import sys
import tempfile
from pathlib import Path

import report_test
from fixture import mkdump

# One kernel of each family; 7601 keeps its pointers plainly and 17763 has both
# designs, so a few recipes say nothing of them.
KERNELS = {
    "classic": ["6.1.7601.24540", "6.3.9600.21620", "10.0.14393.6343",
                "10.0.17763.5933"],
    "heap": ["10.0.18362.836", "10.0.19041.3570", "10.0.20348.2400",
             "10.0.22000.2538"],
    "triage-classic": ["6.3.9600.21620", "10.0.14393.6343",
                       "10.0.17763.5933"],
    "triage-heap": ["10.0.18362.836", "10.0.19041.3570", "10.0.20348.2400",
                    "10.0.22000.2538"],
}
WINDOWS_7, WINDOWS_8 = KERNELS["classic"][:2]
# Windows 7 encodes no addresses, what is freed carries no mark, and its one
# nonpaged pool puts the blocks of L16 elsewhere. Before 10 no free pages are
# kept, nothing of the fill behind contiguous memory, and where special pool
# lies is not published.
NOT_ON = {(name, WINDOWS_7) for name in ("classic-L12", "classic-pair",
                                         "classic-L13-type",
                                         "classic-L16",
                                         # There a payer of 0 is legal.
                                         "classic-Q1-bit")}
NOT_ON |= {(name, kernel) for kernel in (WINDOWS_7, WINDOWS_8)
           for name in ("classic-B8", "classic-Z1", "classic-Z1-flip",
                        "classic-X1", "classic-X1-underrun", "classic-X2",
                        "classic-X2-size")}


def kernels(name):
    family = max((f for f in KERNELS if name.startswith(f + "-")), key=len)
    return KERNELS[family]


def differences(found, want):
    """@return what is missing, what is false."""
    left, missing = list(found), []
    for w in want:
        match = [f for f in left if f["rule"] == w["rule"] and
                 w["address"] == f["address"]]
        if not match:
            missing.append(f"{w['rule']} at {w['address']} not found")
            continue
        f = match[0]
        left.remove(f)
        for key in ("severity", "cause"):
            if key in w and f[key] != w[key]:
                missing.append(f"{w['rule']}: {key} {f[key]}, not {w[key]}")
        if not any(w.get("evidence", "") in e for e in f["evidence"]):
            missing.append(f"{w['rule']}: evidence {f['evidence']}")
        if "suspect" in w and (f["suspect"] or {}).get("tag") != w["suspect"]:
            missing.append(f"{w['rule']}: suspect {f['suspect']}")
    return missing, [f"{f['rule']} at {f['address']} ({f['cause']})"
                     for f in left]


def one(recipe, kernel):
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "x.dmp"
        want = mkdump(recipe, dump, "--kernel", kernel)["corruption"]
        report = report_test.report("check", "--suspect", dump, status=(4,))
    return differences(report["corruption"], want), want


def main():
    fixtures = Path(sys.argv[1]) / "corrupt"
    names = sys.argv[2:] or [p.stem for p in fixtures.glob("*.recipe")]
    bad = runs = 0
    print(f"{'recipe':24}{'rules':14}{'kernels':>8}{'detected':>9}"
          f"{'false':>6}")
    for name in sorted(names):
        detected = false = n = 0
        for kernel in kernels(name):
            if (name, kernel) in NOT_ON:
                continue
            try:
                (missing, extra), want = one(fixtures / f"{name}.recipe",
                                             kernel)
            except AssertionError as err:
                missing, extra, want = [str(err)[-300:]], [], []
            n += 1
            detected += not missing
            false += len(extra)
            for line in missing + [f"also {e}" for e in extra]:
                print("not ok", name, kernel, line)
        runs += n
        bad += n - detected + false
        rules = " ".join(w["rule"] for w in want)
        print(f"{name:24}{rules:14}{n:8}{detected:9}{false:6}")
    print(f"{runs} dumps, {bad} problems")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
