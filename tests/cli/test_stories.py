#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The situations the program is for, told by its report."""
import tempfile
from pathlib import Path

import report_test
from fixture import machine
from report_test import report, run


def findings(found):
    return {f["code"]: f for f in found["findings"]}


def nonpaged_pool_is_empty():
    """Event 2019: nonpaged pool at its maximum."""
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, [
            "", "vm nonpaged_pool_nx_usage=90000 nonpaged_pool_max=100000",
            "failures pool_allocations=41"], kernel="6.3.9600.21620")
        found = report("report", dump, status=(0,))
        got = findings(found)
        assert got["pool-exhausted"]["severity"] == "critical"
        assert "2019" in got["pool-exhausted"]["text"]
        assert "41 pool allocations" in got["failures"]["text"]
        text = run("vm", dump).stdout
        assert "********** Excessive NonPaged Pool Usage *****\n" in text
        assert "\n********** 41 pool allocations have failed " in text
        assert "critical  nonpaged pool is at 9" in run(dump).stdout


def a_process_leaks_handles():
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, [
            "", "process leaky.exe pid=0x777 commit=100 handles=70123",
            "tag ObA1 nonpaged=90000/20000/7000000",
            "tag ObB1 nonpaged=80000/10000/9000000",
            "tag ObC1 paged=70001/1/5000000"])
        got = findings(report("report", dump, status=(0,)))
        assert "leaky.exe" in got["many-handles"]["text"]
        assert "70,123" in got["many-handles"]["text"]
        # What one handle costs shows as equal counts of several tags.
        assert "ObA1, ObB1, ObC1" in got["equal-counts"]["text"]
        text = run("vm", dump, "1", "--quota").stdout
        assert " 777 leaky.exe " in text and " 70123\n" in text


def commit_is_used_up():
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, [
            "", "process hog.exe pid=0x888 commit=560000",
            "vm available=3000"])
        got = findings(report("report", dump, status=(0,)))
        assert got["commit-high"]["severity"] == "critical"
        assert got["memory-low"]["severity"] == "critical"


def a_counter_runs_negative():
    """32-bit counters: the debugger shows a huge number, JSON a negative."""
    for kernel, shown in (("6.1.7601.24540", " 4294967290 "),
                          ("10.0.20348.2400", " 18446744073709551610 ")):
        with tempfile.TemporaryDirectory() as folder:
            dump, _ = machine(folder, ["", "tag Nega paged=4/10/64"],
                              kernel=kernel)
            found = report("poolused", dump, "4", "Nega", status=(0,))
            (tag,) = found["poolused"]["tags"]
            assert tag["paged"] == {"allocs": 4, "frees": 10, "diff": -6,
                                    "bytes": 64}
            assert shown in run("poolused", dump, "4", "Nega").stdout
            assert "negative-counter" in findings(report("report", dump))


def whose_tag_is_it():
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", "tag MyTg nonpaged=10/0/99999999"])
        unknown = "UNKNOWN pooltag 'MyTg', please update pooltag.txt\n"
        assert run("poolused", dump, "2", "MyTg").stdout.count(unknown) == 1
        mine = Path(folder) / "mine.txt"
        mine.write_text("MyTg - my.sys - what I keep\n")
        line = "\twhat I keep , Binary: my.sys\n"
        assert line in run("poolused", dump, f"--pooltag={mine}").stdout
        (Path(folder) / "pooltag.txt").write_text(
            "My* - <unknown> - beside the dump\n")
        assert "\tbeside the dump \n" in run("poolused", dump).stdout
        # The list replaces the built-in one.
        assert "UNKNOWN pooltag 'File'" in run("poolused", dump).stdout
        assert run("poolused", dump, "--pooltag=/none").returncode == 1


def selection():
    with tempfile.TemporaryDirectory() as folder:
        dump, want = machine(folder, [])
        every = report("poolused", dump, "0")["poolused"]
        top = report("poolused", dump, "2", "/t3")["poolused"]
        assert len(top["tags"]) == 3 and top["totals"] == every["totals"]
        used = [t["nonpaged"]["bytes"] for t in top["tags"]]
        assert used == sorted(used, reverse=True)
        raw = [int(t["tag_hex"], 16).to_bytes(4, "little")
               for t in every["tags"]]
        assert raw == sorted(raw)
        ntf = report("poolused", dump, "4", "Ntf*")["poolused"]
        assert [t["tag"] for t in ntf["tags"]] == ["Ntff"]
        assert ntf["totals"]["paged"] == ntf["tags"][0]["paged"]
        irp = report("poolused", dump, "2", "Irp")["poolused"]
        assert [t["tag"] for t in irp["tags"]] == ["Irp "]
        assert not report("poolused", dump, "2", "ntf*")["poolused"]["tags"]
        assert run("poolused", dump, "6").returncode == 2
        assert run("poolused", dump, "2", "toolong").returncode == 2
        assert want["poolused"]["totals"] == every["totals"]


report_test.main([nonpaged_pool_is_empty, a_process_leaks_handles,
                  commit_is_used_up, a_counter_runs_negative,
                  whose_tag_is_it, selection])
