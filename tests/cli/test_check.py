#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Damage in otherwise healthy pools: found at its address, with its rule and
cause, and nothing else is reported.

usage: test_check.py FIXTURES
"""
import json
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import report_test
from fixture import machine

FIXTURES = Path(sys.argv[1])
CLASSIC = ["6.1.7601.24540", "6.3.9600.21620", "10.0.14393.6343",
           "10.0.17763.5933"]
SEGMENT = ["10.0.18362.836", "10.0.19041.3570", "10.0.20348.2400",
           "10.0.22000.2538"]
# Blocks whose neighbours are known: VS by size in segment heaps.
BLOCKS = ["pool-order recipe",
          "alloc BefA nonpaged-nx size=0x2f0 count=6 label=a",
          "alloc Next nonpaged-nx size=0x2f0 count=6 label=b",
          "alloc Smal nonpaged-nx size=0x50 count=200 label=s",
          "alloc Othr paged size=0x210 count=9 label=p"]


def damaged(kernel, *lines, status=4):
    """(corruption, labels) of a machine with damage."""
    with tempfile.TemporaryDirectory() as folder:
        pool = [line.replace("nonpaged-nx", "nonpaged")
                if kernel.startswith("6.1") else line for line in BLOCKS]
        dump, _ = machine(folder, ["", *pool, *lines], kernel)
        found = report_test.report("check", dump, status=(status,))
        text = report_test.run("check", dump)
        assert text.returncode == status
        return found["corruption"], text.stdout, found.get("findings", [])


def one(kernel, line, rules, cause, suspect=None):
    found, text, findings = damaged(kernel, line)
    assert len(found) == 1, (kernel, line, found)
    c = found[0]
    assert c["rule"] in rules, (kernel, line, c["rule"])
    assert c["severity"] == "corrupt"
    assert c["cause"] == cause, (kernel, line, c["cause"], c["evidence"])
    assert c["bit_flip"] == (cause == "bit-flip")
    if suspect:
        assert c["suspect"] and c["suspect"]["tag"] == suspect, c
    assert c["address"].removeprefix("0x") in text
    assert any(f["code"] == "pool-corrupt" for f in findings)


def healthy():
    for kernel in CLASSIC + SEGMENT:
        found, text, _ = damaged(kernel, status=0)
        assert not found and not text, (kernel, text)


def a_string_runs_over_the_next_header():
    for kernel in CLASSIC:
        one(kernel, "overwrite b.2 AAAAAAAAAAAAAAAA", ("L3", "L4"), "overrun",
            "Next")
    for kernel in SEGMENT:
        # The chunk header stands before the pool header.
        one(kernel, "overwrite b.2+0xfffffffffffffff0 AAAAAAAAAAAAAAAA", ("V2",),
            "overrun", "Next")


def a_bit_of_BlockSize_flips():
    for kernel in CLASSIC:
        one(kernel, "flip b.2+2 3", ("L3", "L4"), "bit-flip")
    for kernel in SEGMENT:
        one(kernel, "flip b.2+2 3", ("V6",), "bit-flip")
        one(kernel, "flip s.77+2 1", ("F5",), "bit-flip")


def a_bit_of_the_tag_flips():
    for kernel in (CLASSIC[2], SEGMENT[1]):
        one(kernel, "flip b.3+5 2", ("L8", "K6"), "bit-flip")


def a_bit_of_a_chunk_header_flips():
    for kernel in SEGMENT:
        one(kernel, "flip b.2+0xfffffffffffffff2 2", ("V2",), "bit-flip")


def poolval_names_the_header():
    with tempfile.TemporaryDirectory() as folder:
        dump, want = machine(folder, ["", *BLOCKS, "flip b.2+2 3"],
                             CLASSIC[2])
        found = report_test.report("check", dump, status=(4,))
        bad = found["corruption"][0]["address"]
        good = [b for b in want["blocks"] if b["tag"] == "Othr"][0]["address"]
        text = report_test.run("poolval", dump, bad).stdout
        assert "INVALID" in text and bad[2:] in text and "one bit" in text
        text = report_test.run("poolval", dump, good).stdout
        assert "is VALID" in text


def what_lies_around_a_finding():
    for kernel in CLASSIC + SEGMENT:
        (c,), text, _ = damaged(kernel, "flip b.2+2 3")
        va, page = int(c["address"], 16), c["page"]
        here = [b for b in page["blocks"] if b["here"]]
        assert len(here) == 1 and int(here[0]["address"], 16) == va, page
        assert page["kind"] == ("vs" if kernel in SEGMENT else "chain")
        assert c["bits_differ"] == 1 and c["rule"] in c["rules"]
        assert any(f["address"] == c["address"] for f in page["faults"])
        # The neighbours touch it; a chunk header may lie between.
        for key, end in (("previous", va), ("next", None)):
            b = c[key]
            assert b["tag"] == "Next" and b["bytes"] == 0x300, (kernel, c)
            start = int(b["address"], 16)
            if end:
                assert 0 <= end - start - b["bytes"] <= 0x10
        assert f"*{va:016x} size:" in text and f"  <- {c['rules'][0]}" in text
        for key in ("before", "behind"):
            assert f"  {key} " in text
        # The answer comes first.
        first = text.splitlines()[0]
        assert first.startswith("Hardware, perhaps: one bit"), first


def many_findings_say_what_is_left_out():
    lines = [f"flip s.{i}+2 1" for i in range(2, 42)]
    found, text, _ = damaged(SEGMENT[1], *lines)
    assert len(found) == 40 and sum(bool(c["page"]) for c in found) == 32
    assert "The pages of the last 8 findings are not shown" in text
    assert text.count("page, as !pool") == 32


# The parts of SARIF 2.1.0 that are written.
SARIF = {
    "type": "object", "required": ["version", "runs", "$schema"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["tool", "results"],
            "properties": {
                "tool": {"required": ["driver"], "properties": {"driver": {
                    "required": ["name", "version", "rules"],
                    "properties": {"rules": {"type": "array", "items": {
                        "required": ["id", "shortDescription"]}}}}}},
                "results": {"type": "array", "items": {
                    "required": ["ruleId", "level", "message", "locations"],
                    "properties": {
                        "level": {"enum": ["error", "warning"]},
                        "message": {"required": ["text"]},
                        "locations": {"items": {
                            "required": ["physicalLocation"],
                            "properties": {"physicalLocation": {
                                "required": ["artifactLocation", "address"],
                            }}}}}}}}}}}}


def files_for_build_systems():
    for lines, status in ((["flip b.2+2 3"], 4), ([], 0)):
        with tempfile.TemporaryDirectory() as folder:
            dump, _ = machine(folder, ["", *BLOCKS, *lines])
            sarif, junit = Path(folder) / "s", Path(folder) / "j"
            done = report_test.run("check", dump, f"--sarif={sarif}",
                                   f"--junit={junit}")
            assert done.returncode == status
            value = json.loads(sarif.read_text())
            suite = ElementTree.parse(junit).getroot()
        try:
            import jsonschema
            jsonschema.Draft7Validator(SARIF).validate(value)
        except ImportError:
            pass
        results = value["runs"][0]["results"]
        assert len(results) == len(lines)
        assert all(r["ruleId"] == "V6" for r in results)
        assert suite.get("failures") == str(len(lines))
        assert len(suite.findall("testcase/failure")) == len(lines)
        assert len(suite.findall("testcase")) == 1
    assert report_test.run("check", "x", "--sarif").returncode == 2


report_test.main([healthy, files_for_build_systems, poolval_names_the_header,
                  what_lies_around_a_finding,
                  many_findings_say_what_is_left_out,
                  a_string_runs_over_the_next_header,
                  a_bit_of_BlockSize_flips, a_bit_of_the_tag_flips,
                  a_bit_of_a_chunk_header_flips])
