#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recovery against the truth: each built-in kernel is put into a fixture dump,
hidden, and read again; every figure of vm and poolused is compared.

    hold_one_out.py MKDUMP HIDE_REPORT RECIPE [--revisions N] [--only REGEX]
                    [--sample N] [--jobs N] [--show]
    hold_one_out.py MKDUMP HIDE_REPORT --recipes RECIPE …

The second form reads recipes whose kernel is in no table as they are. Prints a
row per family (or recipe): figures of the truth that were given, left out
(null), and wrong. Exit status 1 when a figure is wrong, or when a family gives
less than it must.
"""
import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Percent of the figures of vm, and of poolused, that a family must give;
# without a row: none. A pair: vm and poolused differ.
MUST = {14393: 70, 17763: 90, 18362: 90, 19041: 90, 20348: 90, 22000: 90,
        # recipes of fixtures/recovery
        "moved-14393": 70, "moved-19041": 90, "decoys-19041": 90,
        "no-kdbg-19041": (0, 90), "expansion-19041": 90,
        "w11-22621": 90, "w11-22631": 90, "w11-26100": 90, "s2025-26100": 90}
FAMILIES = [(7600, 7601, 7601), (18326, 18363, 18362), (19041, 19045, 19041),
            (22621, 22631, 22621), (26100, 26200, 26100)]


def family(version):
    build = int(version.split(".")[2])
    for first, last, name in FAMILIES:
        if first <= build <= last:
            return name
    return build


def key_of(entry):
    """What identifies an entry of an array of the report."""
    for names in (("pid", "name"), ("tag_hex",), ("node",), ("id",),
                  ("address",)):
        if all(n in entry for n in names):
            return "/".join(str(entry[n]) for n in names)
    return str(entry.get("name"))


def figures(value, path=""):
    """{path: number} of everything below @value."""
    out = {}
    if isinstance(value, dict):
        for k, v in value.items():
            out.update(figures(v, f"{path}.{k}"))
    elif isinstance(value, list):
        seen = defaultdict(int)
        for v in value:
            if not isinstance(v, dict):
                continue
            key = key_of(v)
            seen[key] += 1
            out.update(figures(v, f"{path}[{key}#{seen[key]}]"))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        out[path] = value
    return out


def sections(report):
    return figures({k: report[k] for k in ("vm", "poolused") if k in report})


class Score:
    def __init__(self):
        self.dumps = 0
        self.given, self.total = defaultdict(int), defaultdict(int)
        self.wrong, self.missing, self.slow = [], defaultdict(int), 0.0


def one(args, job, folder):
    """Build, hide, read. (name, truth, report or None, ms, message)"""
    recipe, version = job
    name = version or Path(recipe).stem
    dump, truth = Path(folder) / f"{name}.dmp", Path(folder) / f"{name}.json"
    made = subprocess.run(
        [args.mkdump, recipe, "-o", dump, "--truth", truth] +
        (["--kernel", version] if version else []),
        capture_output=True, text=True)
    if made.returncode:
        return name, None, None, 0, made.stderr
    read = subprocess.run(
        [args.hide_report, dump, version, str(args.revisions)],
        capture_output=True, text=True)
    wanted = json.loads(truth.read_text())
    dump.unlink()
    truth.unlink()
    if read.returncode:
        return name, wanted, None, 0, read.stderr
    ms = float(re.search(r"open ([0-9.]+) ms", read.stderr)[1])
    return name, wanted, json.loads(read.stdout), ms, ""


def compare(score, version, truth, report, ms):
    want, have = sections(truth), sections(report)
    score.dumps += 1
    score.slow = max(score.slow, ms)
    source = report["symbols"].get("source")
    if source not in ("recovered", None):
        score.wrong.append(f"{version}: read with {source}, not recovered")
    for path, number in want.items():
        section = path.split(".")[1]
        score.total[section] += 1
        if path not in have:
            score.missing[re.sub(r"\[[^]]*\]", "[]", path)] += 1
        elif have[path] == number:
            score.given[section] += 1
        elif report[section].get("complete") is False:
            # A lower bound, and said to be one.
            score.missing[re.sub(r"\[[^]]*\]", "[]", path)] += 1
        else:
            score.wrong.append(f"{version}: {path}: {have[path]}, truth "
                               f"{number}")
    # A tag or process that does not exist is wrong too.
    for path in have.keys() - want.keys():
        if re.match(r"\.(poolused\.tags|vm\.processes)\[", path) \
                and path.rsplit("]", 1)[0] + "]" not in \
                {p.rsplit("]", 1)[0] + "]" for p in want}:
            score.wrong.append(f"{version}: {path}: not in the truth")


def versions(args):
    out = subprocess.run([args.hide_report, "--list"], capture_output=True,
                         text=True, check=True).stdout.split()
    found = [v for v in out if re.search(args.only, v)]
    if args.sample:     # evenly, first and last of each family included
        by_family = defaultdict(list)
        for v in found:
            by_family[family(v)].append(v)
        found = []
        for group in by_family.values():
            n = min(args.sample, len(group))
            found += [group[i * (len(group) - 1) // max(n - 1, 1)]
                      for i in range(n)]
    return found


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("mkdump")
    ap.add_argument("hide_report")
    ap.add_argument("recipe", nargs="?")
    ap.add_argument("--recipes", nargs="+")
    ap.add_argument("--revisions", type=int, default=0)
    ap.add_argument("--only", default="")
    ap.add_argument("--sample", type=int, default=0)
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--show", action="store_true",
                    help="what was left out, by path")
    args = ap.parse_args()
    jobs = [(r, "") for r in args.recipes] if args.recipes else \
        [(args.recipe, v) for v in versions(args)]
    scores, failed = defaultdict(Score), []
    with tempfile.TemporaryDirectory() as folder, \
            ThreadPoolExecutor(args.jobs) as pool:
        for name, truth, report, ms, message in pool.map(
                lambda job: one(args, job, folder), jobs):
            if report is None:
                failed.append(f"{name}: {message.strip()}")
            else:
                group = name if args.recipes else family(name)
                compare(scores[group], name, truth, report, ms)
    bad = bool(failed)
    print(f"{'family':20} dumps  vm given of      %  poolused given of"
          "      %   null  wrong  slowest open")
    for name in sorted(scores):
        s = scores[name]
        percent = {k: 100 * s.given[k] / s.total[k] for k in s.total}
        null = sum(s.missing.values())
        print(f"{name:20} {s.dumps:5} {s.given['vm']:9} {s.total['vm']:5} "
              f"{percent['vm']:5.1f}% {s.given['poolused']:12} "
              f"{s.total['poolused']:7} {percent['poolused']:5.1f}% "
              f"{null:6} {len(s.wrong):6} {s.slow:9.1f} ms")
        must = MUST.get(name, 0)
        must = must if isinstance(must, tuple) else (must, must)
        bad |= bool(s.wrong) or percent["vm"] < must[0] or \
            percent["poolused"] < must[1]
    for name in sorted(scores):
        for line in scores[name].wrong[:10]:
            print("WRONG", line)
        if args.show:
            for path, n in sorted(scores[name].missing.items()):
                print(f"null {name} {path} {n}")
    for line in failed[:20]:
        print("FAILED", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
