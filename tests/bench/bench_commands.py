#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole commands on made dumps: time of a run, and the same as a ratio to
reading the bytes once that the command has to read.

usage: bench_commands.py POOLSCOPE MKDUMP RECIPE
"""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 9
# Bytes of the tables: processors, entries, bytes of an entry.
TABLE_BYTES = 64 * 4097 * 0x50


def run(words):
    """Wall and processor seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, (after.ru_utime + after.ru_stime -
                  before.ru_utime - before.ru_stime)


def read_once(path, n):
    start = time.perf_counter()
    with open(path, "rb", buffering=0) as f:
        left = n
        while left > 0:
            piece = f.read(min(left, 1 << 20))
            if not piece:
                break
            left -= len(piece)
    return time.perf_counter() - start


def measure(name, words, path):
    run(words)          # warm: the file is in the page cache afterwards
    times = [run(words) for _ in range(RUNS)]
    wall = statistics.median(t[0] for t in times)
    cpu = statistics.median(t[1] for t in times)
    once = statistics.median(read_once(path, TABLE_BYTES)
                             for _ in range(RUNS))
    print(f"{name:<28} wall {wall * 1000:7.1f} ms  cpu {cpu * 1000:7.1f} ms"
          f"  {wall / once:6.1f} x reading {TABLE_BYTES >> 20} MiB once")


def main():
    poolscope, mkdump, recipe = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as folder:
        for kind in (5, 6):
            dump = str(Path(folder) / f"type{kind}.dmp")
            subprocess.run([mkdump, recipe, "--type", str(kind), "-o", dump],
                           check=True)
            size = os.path.getsize(dump)
            print(f"type {kind}: {size / (1 << 30):.2f} GiB long")
            for words in (["poolused", dump, "2"], ["vm", dump],
                          ["report", dump], ["info", dump]):
                measure(words[0], [poolscope, *words], dump)


if __name__ == "__main__":
    main()
