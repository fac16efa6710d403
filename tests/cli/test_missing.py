#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Incomplete dumps: what is there is right, what is not is counted, and the
exit status says so."""
import tempfile
from pathlib import Path

import report_test
import truth
from fixture import machine
from report_test import report, run


def tag(found, name):
    return next(t for t in found["poolused"]["tags"] if t["tag"] == name)


def whole():
    with tempfile.TemporaryDirectory() as folder:
        dump, want = machine(folder, [])
        found = report("report", dump, "--all", status=(0,))
        assert found["complete"] is True
        assert not truth.differences(found, want)


def a_tag_table_page_is_not_in_the_file():
    with tempfile.TemporaryDirectory() as folder:
        dump, want = machine(folder, ["", "drop tag-table:1 bytes=4K"])
        found = report("report", dump, "--all", status=(3,))
        assert found["complete"] is False
        assert found["poolused"]["complete"] is False
        assert found["poolused"]["missing_pages"] == 1
        assert found["missing"]["pages_not_in_file"] >= 1
        # All that does not need the page is as it should be.
        assert not truth.differences(found["vm"], want["vm"])
        assert not truth.differences(found["bigpool"], want["bigpool"])
        done = run("poolused", dump)
        assert done.returncode == 3 and "TOTAL" in done.stdout


def a_page_that_windows_paged_out_is_normal():
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", "page tag-table:1+0x2000 "
                                       "state=paged-out bytes=4K"])
        found = report("report", dump, "--all", status=(0,))
        assert found["complete"] is False
        assert found["missing"]["pages_paged_out"] == 1
        assert found["missing"]["pages_not_in_file"] == 0


def a_session_pool_of_unknown_place_is_named():
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", "poke session:1 field=_MM_SESSION_SPACE"
                                       ".PagedPoolStart value=0x10"],
                          kernel="10.0.14393.6343")
        found = report("report", dump, status=(0,))
        assert found["complete"] is False
        why = found["missing"]["reasons"]
        assert len(why) == 1 and "PagedPoolStart" in why[0], why
        for command in ("report", "walk"):
            text = run(command, dump).stdout
            assert text.count(why[0]) == 1, text


def truncated():
    for part in ("99%", "60%", "20%", "3%"):
        with tempfile.TemporaryDirectory() as folder:
            dump, _ = machine(folder, [f"truncate={part}"])
            done = run("report", dump, "--json", "--all")
            assert done.returncode in (1, 3), (part, done.returncode)
            if done.returncode == 1:
                assert done.stderr.count("\n") == 1
                continue
            found = report("report", dump, "--all", status=(3,))
            assert found["dump"]["truncated"] is True
            assert (found["dump"]["pages_readable"] <
                    found["dump"]["pages_stored"])


def damaged_lists():
    pokes = [
        "poke process-links:828 value=process-links:4",
        "poke process-links:828 value=0x4141414141414141",
        "poke process:4 field=_EPROCESS.ThreadListHead.Flink value=process:4",
        "poke PoolTrackTableSize value=0xffffffffffffffff",
        "poke PoolTrackTable value=0",
        "poke PoolBigPageTableSize value=0x7fffffffffffffff",
        "poke PoolBigPageTable value=0xffffffffffffff",
        "poke ExPoolState field=_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools "
        "value=0xffffffff",
        "poke pagefile:0 field=_MMPAGING_FILE.Size value=0xffffffffffffffff",
        "poke pagefile:0 field=_MMPAGING_FILE.PageFileName.Length "
        "value=0xffff",
        "poke KiProcessorBlock value=0x1000",
        "poke PsActiveProcessHead value=0",
    ]
    for poke in pokes:
        with tempfile.TemporaryDirectory() as folder:
            dump, want = machine(folder, ["", poke])
            found = report("report", dump, "--all", status=(0, 3))
            bad = truth.differences(found["system"], want["system"])
            assert not bad, (poke, bad)
            for command in ("vm", "poolused", "bigpool", "lm"):
                done = run(command, dump)
                assert done.returncode in (0, 1, 3), (poke, command)
                assert done.returncode != 1 or (
                    done.stderr.count("\n") == 1), (poke, done.stderr)


def page_files():
    """Without its name a file is not the nameless one, and one that lies is
    left out, not hidden."""
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", "poke pagefile:0 field=_MMPAGING_FILE."
                                       "PageFileName.Buffer value=0x1000"])
        found = report("vm", dump, status=(3,))
        assert (found["vm"]["page_files"][0]["name"] ==
                "(name not readable)"), found["vm"]["page_files"]
        assert "Page File: (name not readable)" in run("vm", dump).stdout
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", "poke pagefile:0 field=_MMPAGING_FILE."
                                       "FreeSpace value=0xffffffffff"])
        found = report("vm", dump, status=(3,))["vm"]
        assert len(found["page_files"]) == 2, found["page_files"]
        assert "page file at 0x" in found["page_files_error"]
        assert "page files are missing" in run("vm", dump).stdout


def seven_counters_of_a_triage_dump():
    """A kernel-generated one holds usage and limits (dump-format 6.3)."""
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, [""], kind=4)
        data = bytearray(Path(dump).read_bytes())
        mm = int.from_bytes(data[0x2014:0x2018], "little")
        assert mm, "no DUMP_MM_STORAGE"
        data[0x1038:0x103c] = (0xdff).to_bytes(4, "little")
        for i in range(7):
            at = mm + 0x18 + 8 * i
            data[at:at + 8] = (1000 + i).to_bytes(8, "little")
        Path(dump).write_bytes(data)
        vm = report("report", dump, "--all", status=(3,))["vm"]
        assert [vm[name]["pages"] for name in (
            "nonpaged_pool_max", "nonpaged_pool_usage", "paged_pool_max",
            "paged_pool_usage", "committed", "peak_commit",
            "commit_limit")] == list(range(1000, 1007))
        assert vm["available"] is None
        done = run("vm", dump)
        assert done.returncode == 1 and "`poolscope report'" in done.stderr


def unknown_kernel():
    with tempfile.TemporaryDirectory() as folder:
        dump, want = machine(
            folder, [""],
            kernel="10.0.19041.3570 guid=00112233445566778899AABBCCDDEEFF")
        found = report("info", dump)
        assert found["symbols"]["guid"] == "00112233445566778899AABBCCDDEEFF"
        assert found["symbols"]["source"] in ("recovered", None)
        assert not truth.differences(found["system"]["bugcheck"],
                                     want["system"]["bugcheck"])
        assert "00112233445566778899AABBCCDDEEFF" in run("info", dump).stdout


report_test.main([whole, a_tag_table_page_is_not_in_the_file,
                  a_page_that_windows_paged_out_is_normal,
                  a_session_pool_of_unknown_place_is_named, truncated,
                  damaged_lists, page_files,
                  seven_counters_of_a_triage_dump, unknown_kernel])
