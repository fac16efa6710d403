#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The two real small dumps: bug check, system, drivers, unloaded drivers, and
one sentence why there are no tag tables."""
import os
from pathlib import Path

import report_test
from report_test import report, run

DATA = Path(os.environ.get("POOLSCOPE_SHARED", "/nonexistent")) / "data"
X64 = DATA / "triage_x64.dmp"
ARM64 = DATA / "triage_arm64.dmp"
if not X64.exists():
    report_test.skip("no real dumps here (POOLSCOPE_SHARED)")


def x64():
    r = report("lm", X64, status=(3,))
    assert r["dump"]["format"] == "triage"
    assert r["dump"]["dump_type"] == 4
    assert r["dump"]["size_bytes"] == 1444532
    s = r["system"]
    assert s["architecture"] == "x64"
    assert s["build"] == 19041 and s["version"] == "10.0.19041.804"
    assert s["processors"] == 16
    assert s["kernel_base"] == "0xfffff8047ba00000"
    assert s["directory_table_base"] == "0x1ad000"
    assert s["crash_time"] == "2021-02-21T01:38:22.987765Z"
    assert s["uptime_seconds"] == 3.7470697
    assert s["bugcheck"] == {
        "code": "0x1000007e",
        "name": "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M",
        "parameters": ["0xffffffffc0000005", "0xfffff8048b58334c",
                       "0xffff850429891ee8", "0xffff850429891720"],
    }
    assert r["symbols"]["guid"] == "5278AFF86C341677D7D7835C85B7B844"
    assert r["symbols"]["age"] == 1 and r["symbols"]["source"] == "builtin"
    modules = {m["name"]: m for m in r["modules"]}
    assert len(r["modules"]) == 151
    nt = modules["ntoskrnl.exe"]
    assert nt["path"] == "\\SystemRoot\\system32\\ntoskrnl.exe"
    assert nt["base"] == "0xfffff8047ba00000"
    assert nt["size_bytes"] == 0x1046000 and nt["timestamp"] == "0xd8333e6"
    assert {"hal.dll", "kd.dll", "CLFS.SYS", "tm.sys",
            "rdpbus.sys"} <= modules.keys()
    names = [m["name"] for m in r["unloaded_modules"]]
    starts = [m["start"] for m in r["unloaded_modules"]]
    assert starts == sorted(starts)     # the contract: by address
    assert sorted(names) == ["WdBoot.sys", "dam.sys", "hwpolicy.sys",
                             "mcupdate.dll"]
    dam = next(m for m in r["unloaded_modules"] if m["name"] == "dam.sys")
    assert dam["start"] == "0xfffff80487de0000"
    assert dam["end"] == "0xfffff80487dfc000" and dam["time"] is None


def arm64():
    r = report("lm", ARM64, status=(3,))
    s = r["system"]
    assert s["architecture"] == "arm64" and s["build"] == 22000
    assert s["processors"] == 8
    assert s["kernel_base"] == "0xfffff803f2e00000"
    assert s["directory_table_base"] == "0x946aa000"
    assert s["crash_time"] == "2021-09-14T02:51:58.146709Z"
    assert s["uptime_seconds"] == 796.7053432
    assert s["bugcheck"]["code"] == "0x1c8"
    assert s["bugcheck"]["parameters"] == ["0x1b58", "0xfffff803f3a20860",
                                           "0x0", "0x0"]
    assert len(r["modules"]) == 245 and len(r["unloaded_modules"]) == 11
    nt = r["modules"][[m["name"] for m in r["modules"]].index("ntoskrnl.exe")]
    assert nt["timestamp"] == "0xdf291b09"
    assert any(m["name"] == "dump_storpor" for m in r["unloaded_modules"])


def text():
    for dump in (X64, ARM64):
        for command in ("report", "info", "lm"):
            done = run(command, dump)
            assert done.returncode == 3, (command, done.returncode)
            assert not done.stderr
        assert run(dump).stdout == run("report", dump).stdout
    info = run("info", X64).stdout
    assert "0x1000007e SYSTEM_THREAD_EXCEPTION_NOT_HANDLED_M" in info
    assert "10.0.19041.804" in info and "16 processors" in info


def no_tag_tables():
    for dump in (X64, ARM64):
        for command in ("vm", "poolused", "bigpool"):
            done = run(command, dump)
            assert done.returncode == 1 and not done.stdout
            assert done.stderr.count("\n") == 1
            assert "triage" in done.stderr and "kernel" in done.stderr


def sections_say_why():
    r = report("report", X64, "--all", status=(3,))
    for section in ("vm", "poolused", "bigpool"):
        assert "triage" in r[section]["error"]
    assert r["complete"] is False and r["next_steps"]


def check_judges_what_is_there():
    """Sound pools of real machines: every rule that can be tested, nothing
    found (real-pool 4 and 5)."""
    for dump, pages, rules in (
            (X64, 22, "V2 V3 V4 V5 V6 V7 V8 V12 F5"),
            (ARM64, 9, "V2 V3 V4 V5 V6 V7 V12 F5")):
        r = report("check", dump, "--suspect", status=(3,))
        assert r["corruption"] == [] and r["check"]["faults"] == 0
        small = r["check"]["small_dump"]
        assert small["pages"] == pages and small["blocks"] > 300
        assert set(rules.split()) <= set(small["checked"])
        assert small["keys"]["heap"] and small["keys"]["lfh"]
        assert any("Q2" in n["rules"] for n in small["not_checked"])
        assert "kernel memory dump" in small["would_add"]
        text = run("check", dump)
        assert text.returncode == 3
        assert "What this small dump allows" in text.stdout
    bug = report("check", X64, status=(3,))["check"]["bugcheck"]
    assert "nobody handled" in bug["meaning"]


report_test.main([check_judges_what_is_there, x64, arm64, text, no_tag_tables, sections_say_why])
