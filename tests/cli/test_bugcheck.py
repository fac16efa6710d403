#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The bug check explained: words, the header that it names, and what the checks
say of exactly that header; also where nothing is broken."""
import tempfile

import report_test
from fixture import machine

CLASSIC = ["6.1.7601.24540", "6.3.9600.21620", "10.0.14393.6343",
           "10.0.17763.5933"]
HEAP = ["10.0.18362.836", "10.0.19041.3570", "10.0.20348.2400",
        "10.0.22000.2538"]
BLOCKS = ["pool-order recipe",
          "alloc BefA nonpaged size=0x2f0 count=6 label=a",
          "alloc Next nonpaged size=0x2f0 count=6 label=b",
          "alloc Cach nonpaged size=0x140 count=10 cached=4 label=c",
          "alloc Smal nonpaged size=0x50 count=200 label=s",
          "alloc Othr paged size=0x210 count=9 label=p"]


def explained(kernel, *lines, status=0):
    """(check.bugcheck, text of check, text of the report)"""
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", *BLOCKS, *lines], kernel)
        found = report_test.report("check", dump, status=(status,))
        text = report_test.run("check", dump)
        assert text.returncode == status
        return (found["check"]["bugcheck"], text.stdout,
                report_test.run("report", dump).stdout)


def a_sound_header_passes():
    for kernel in CLASSIC + HEAP:
        b, text, report = explained(kernel, "bugcheck-late 0x19 0x20 b.2 b.3 0")
        assert b["name"] == "BAD_POOL_HEADER" and b["about_pool"] is True
        assert b["parameters"][1]["what"] == "header checked"
        assert [p["from"] for p in b["places"]] == ["parameter 2",
                                                    "parameter 3"]
        for p in b["places"]:
            assert p["verdict"] == "passes", (kernel, p)
            assert p["block"]["tag"] == "Next" and not p["rules"]
            assert p["first_break"] is None
            # Checks by what the block is, and of its state.
            want = {"L3", "L4", "K6"} if kernel in CLASSIC else {"V2", "V6",
                                                                 "K6"}
            assert want <= set(p["checks"]) and "L12" not in p["checks"]
        for out in (text, report):
            assert "passes every check" in out and "header checked" in out


def the_small_block_of_a_heap():
    for kernel in HEAP:
        b, _, _ = explained(kernel, "bugcheck-late 0x13a 0x11 0 s.77 0")
        assert b["meaning"] == "a small block was freed twice"
        p = b["places"][0]
        assert p["block"]["kind"] == "lfh" and "F5" in p["checks"]


def break_and_parameter_differ():
    for kernel in CLASSIC:
        b, text, _ = explained(kernel, "flip b.1+2 3",
                               "bugcheck-late 0x19 0x20 b.3 0 0", status=4)
        p = b["places"][0]
        assert p["verdict"] == "passes", p
        assert p["first_break"]["same_header"] is False, p
        assert p["first_break"]["address"] != p["address"]
        assert "but the first break of its page is" in text
    for kernel in HEAP:
        b, text, _ = explained(kernel, "flip b.1+2 3",
                               "bugcheck-late 0x13a 3 0 b.3 0", status=4)
        p = b["places"][0]
        assert p["verdict"] == "passes", p
        assert p["first_break"]["rule"] == "V6"
        assert "but the first break of its subsegment is" in text


def the_named_header_is_the_broken_one():
    for kernel in CLASSIC + HEAP:
        b, text, report = explained(kernel, "flip b.3+2 3",
                                    "bugcheck-late 0x19 9 b.3", status=4)
        p = b["places"][0]
        assert p["verdict"] == "broken" and p["rules"], (kernel, p)
        assert p["first_break"]["same_header"] is True
        assert "breaks " + p["rules"][0] in text
        assert "breaks " + p["rules"][0] in report


def pairs_are_counted():
    b, text, _ = explained(CLASSIC[2], "bugcheck-late 0x19 0xe c.9 0xf7 0xff")
    assert b["pairs"] == [{"expected": "0xff", "found": "0xf7", "bits": 1,
                           "bit_flip": True}]
    assert "1 bit differs, a flipped bit" in text
    b, text, _ = explained(CLASSIC[2], "bugcheck-late 0x1a 0x5200 b.0 0x70 0xf")
    assert b["pairs"][0]["bits"] == 7 and "7 bits differ\n" in text
    b, text, _ = explained(CLASSIC[2],
                           "bugcheck-late 0xc2 0xa b.0 0x41424344 0x41424345")
    assert b["parameters"][2]["tag"] == "DCBA"
    assert "tag of the block: DCBA" in text


def places_that_are_no_block():
    b, text, _ = explained(CLASSIC[2],
                           "bugcheck-late 0x19 8 0 0 PsLoadedModuleList")
    assert b["places"][0]["verdict"] == "not-pool"
    assert "does not lie in the pool" in text
    b, text, _ = explained(HEAP[1], "bugcheck 0x13a 3 0 0xffffab0000001000 0")
    assert b["places"][0]["verdict"] == "not-mapped"
    assert "no memory lies there" in text
    b, text, _ = explained(CLASSIC[1], "drop b.3 bytes=4K",
                           "bugcheck-late 0x19 8 0 0 b.3", status=3)
    assert b["places"][0]["verdict"] == "not-in-dump"
    assert "is not in the dump" in text
    b, text, _ = explained(HEAP[1], "bugcheck 0x1a 0x41790 0 0 0")
    assert b["about_pool"] is False and "page table" in text


def another_bug_check_is_quiet():
    b, text, report = explained(HEAP[1], "bugcheck 0xe2 0 0 0 0")
    assert b["about_pool"] is False and b["meaning"] is None
    assert b["name"] == "MANUALLY_INITIATED_CRASH" and not b["places"]
    assert not text and "kind of violation" not in report


def registers_of_a_fault_inside_a_pool_routine():
    # A context record in memory: rbx (+0x90) and rdi (+0xb0) hold pool.
    for kernel in (CLASSIC[2], HEAP[1]):
        b, text, _ = explained(
            kernel, "flip b.3+2 3", "poke a.0+0x90 value=b.3",
            "poke a.0+0xb0 value=a.4+0x10",
            "poke a.0+0xf8 value=ExFreePoolWithTag",
            "bugcheck-late 0x3b 0xc0000005 ExFreePoolWithTag a.0 0", status=4)
        assert b["about_pool"] is True and b["fault"]["in_pool_routine"] is True
        assert b["fault"]["place"] == "nt!ExFreePoolWithTag"
        places = {p["from"]: p for p in b["places"]}
        assert places["register rbx"]["verdict"] == "broken", places
        assert places["register rdi"]["verdict"] == "passes", places
        assert places["register rdi"]["block"]["tag"] == "BefA"
        assert "a pool routine" in text and "register rbx" in text


def faults_elsewhere_are_no_matter_of_a_pool():
    b, text, _ = explained(HEAP[1], "bugcheck-late 0xd1 b.0 2 0 image:tcpip.sys")
    assert b["about_pool"] is False, b
    assert b["fault"]["in_pool_routine"] is False and not text
    # In the kernel, between names of a table that has few.
    b, text, _ = explained(HEAP[1],
                           "bugcheck-late 0xa b.0 2 0 ExFreePoolWithTag+0x5000")
    assert b["about_pool"] is None and not text
    assert b["fault"]["in_pool_routine"] is None


def the_record_of_a_heap_failure():
    record = "RtlpHeapFailureInfo field=_HEAP_FAILURE_INFORMATION."
    b, text, _ = explained(HEAP[1], f"poke {record}Address value=b.3",
                           f"poke {record}PreviousBlock value=b.2",
                           "bugcheck-late 0x13a 3 0 b.3 0")
    places = {p["from"]: p for p in b["places"]}
    assert "parameter 3" in places and places[
        "heap failure: block before"]["block"]["tag"] == "Next"
    assert "heap failure: block before" in text


report_test.main([registers_of_a_fault_inside_a_pool_routine,
                  faults_elsewhere_are_no_matter_of_a_pool,
                  the_record_of_a_heap_failure, a_sound_header_passes, the_small_block_of_a_heap,
                  break_and_parameter_differ,
                  the_named_header_is_the_broken_one, pairs_are_counted,
                  places_that_are_no_block, another_bug_check_is_quiet])
