#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Speed of the pool walk against a plain loop over the same file.

usage: bench_pool.py POOLSCOPE MKDUMP PLAIN_READ FIXTURES [BLOCKS]

Builds a dump of each design (half a million small blocks by default, about
half a GiB), reads it warm, and prints processor time: GiB of pool pages per
second and core, of the walk and with all checks.
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

POOLSCOPE, MKDUMP, PLAIN, FIXTURES = sys.argv[1:5]
BLOCKS = int(sys.argv[5]) if len(sys.argv) > 5 else 500000
KERNELS = {"classic": "10.0.14393.6343", "segment heap": "10.0.19041.3570"}
RECIPE = """seed 5
ram 8G
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
    """(output, processor seconds) of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(args, capture_output=True, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, (after.ru_utime + after.ru_stime -
                 before.ru_utime - before.ru_stime)


def best(*args):
    runs = [timed(*args) for _ in range(3)]
    return min(runs, key=lambda r: r[1])


def bench(name, kernel, folder):
    recipe, dump = Path(folder) / "b.recipe", Path(folder) / "b.dmp"
    recipe.write_text(RECIPE.format(kernel=kernel, small=BLOCKS,
                                    large=BLOCKS // 5, freed=BLOCKS // 50))
    subprocess.run([MKDUMP, recipe, "-o", dump], check=True)
    size, seconds, _ = best(PLAIN, dump)[0].split()
    plain = float(size) / float(seconds)
    out, walk = best(POOLSCOPE, "walk", "--json", dump)
    check = best(POOLSCOPE, "check", dump)[1]
    # Opening is not walking: it is the same for every command.
    opening = best(POOLSCOPE, "info", dump)[1]
    pools = json.loads(out)["walk"]["pools"]
    gib = sum(p["pages_read"] for p in pools) * 4096 / 2**30
    blocks = sum(p["blocks"] for p in pools)
    speed = gib / (walk - opening)
    print(f"{name}: {gib:.2f} GiB of pages, {blocks} blocks")
    print(f"  plain loop over the file   {plain:6.2f} GiB/s (one core)")
    print(f"  walk                       {speed:6.2f} GiB/s per core, "
          f"{100 * speed / plain:.0f} % of the plain loop, "
          f"{200 * speed / plain:.0f} % with two cores")
    print(f"  check                      {gib / (check - opening):6.2f} GiB/s"
          f" per core, {100 * (check - walk) / (walk - opening):+.0f} % time")


for design, version in KERNELS.items():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as tmp:
        os.symlink(Path(FIXTURES) / "healthy.inc", Path(tmp) / "healthy.inc")
        bench(design, version, tmp)
