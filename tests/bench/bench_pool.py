#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed of the pool walk against a plain loop over the same file.

usage: bench_pool.py POOLSCOPE MKDUMP PLAIN_READ FIXTURES [GIB]

Builds a dump of each design with GIB of pool pages (4 by default; less, saying
so, where disk or memory are short), reads it warm, and prints GiB of pool pages
per second of processor time and of the clock.
"""
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

POOLSCOPE, MKDUMP, PLAIN, FIXTURES = sys.argv[1:5]
GIB = float(sys.argv[5]) if len(sys.argv) > 5 else 4
SMALL_PER_GIB = {"classic": 1030000, "segment heap": 750000}
KERNELS = {"classic": "10.0.14393.6343", "segment heap": "10.0.19041.3570"}
RECIPE = """seed 5
ram 16G
processors 2
kernel {kernel}
crash 2026-03-04T05:06:07Z uptime=86523
include healthy.inc
bugcheck 0xd1
dump type=6
alloc BenA nonpaged-nx size=32..480 count={small} free={freed}
alloc BenB nonpaged-nx size=500..3900 count={large}
alloc BenC paged size=32..3000 count={large} free={freed}
"""


def timed(*args):
    """(output, processor seconds, seconds) of a program."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    out = subprocess.run(args, capture_output=True, text=True).stdout
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    return out, (after.ru_utime + after.ru_stime -
                 before.ru_utime - before.ru_stime), end - start


def best(*args):
    """Output, and the least of each time, of three runs."""
    runs = [timed(*args) for _ in range(3)]
    return runs[0][0], min(r[1] for r in runs), min(r[2] for r in runs)


def room(folder):
    """GiB of pool that fit: the builder keeps all of it in memory, with as
    much again for its own records; the file is read from the cache."""
    with open("/proc/meminfo") as f:
        free = next(int(line.split()[1]) for line in f
                    if line.startswith("MemAvailable"))
    return min(free / 2**20 / 2.5, shutil.disk_usage(folder).free / 2**30 / 2)


def build(name, kernel, folder, gib):
    recipe, dump = Path(folder) / "b.recipe", Path(folder) / "b.dmp"
    blocks = int(SMALL_PER_GIB[name] * gib)
    recipe.write_text(RECIPE.format(kernel=kernel, small=blocks,
                                    large=blocks // 5, freed=blocks // 50))
    subprocess.run([MKDUMP, recipe, "-o", dump], check=True)
    return dump


def bench(name, kernel, folder, gib):
    dump = build(name, kernel, folder, gib)
    size, seconds, _ = best(PLAIN, dump)[0].split()
    plain = float(size) / float(seconds)
    out, walk, walk_clock = best(POOLSCOPE, "walk", "--json", dump)
    _, check, _ = best(POOLSCOPE, "check", dump)
    # Opening is not walking: it is the same for every command.
    _, opening, opening_clock = best(POOLSCOPE, "info", dump)
    pools = json.loads(out)["walk"]["pools"]
    gib = sum(p["pages_read"] for p in pools) * 4096 / 2**30
    blocks = sum(p["blocks"] for p in pools)
    core = gib / (walk - opening)
    clock = gib / (walk_clock - opening_clock)
    print(f"{name}: {gib:.2f} GiB of pages, {blocks} blocks")
    print(f"  plain loop over the file   {plain:6.2f} GiB/s (one core)")
    print(f"  walk, processor time       {core:6.2f} GiB/s per core, "
          f"{100 * core / plain:.0f} % of the plain loop")
    print(f"  walk, by the clock         {clock:6.2f} GiB/s with "
          f"{len(os.sched_getaffinity(0))} cores, "
          f"{100 * clock / plain:.0f} % of the plain loop")
    print(f"  check, processor time      {gib / (check - opening):6.2f} GiB/s"
          f" per core, {100 * (check - walk) / (walk - opening):+.0f} % time",
          flush=True)


for design, version in KERNELS.items():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as tmp:
        os.symlink((Path(FIXTURES) / "healthy.inc").resolve(),
                   Path(tmp) / "healthy.inc")
        fits = room(tmp)
        if fits < GIB:
            print(f"room for {fits:.1f} of {GIB:g} GiB only")
        bench(design, version, tmp, min(GIB, fits))
