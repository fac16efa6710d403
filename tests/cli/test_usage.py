#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Arguments, exit status and one-line errors of the program."""
import os
import re
import subprocess
import tempfile
from pathlib import Path

import report_test
from report_test import run

COMMANDS = ["report", "info", "lm", "symbols", "vm", "poolused",
            "bigpool", "walk", "check", "pool", "poolval", "poolfind", "poolmap", "callers"]
# What a command needs behind the dump.
MORE = {"pool": ["ffff800000000000"], "poolval": ["ffff800000000000"],
         "poolfind": ["*"]}
SOURCES = Path(__file__).parent.parent.parent / "tools" / "poolscope"


def help_of_every_command():
    done = run("--help")
    assert done.returncode == 0 and not done.stderr
    for command in COMMANDS:
        assert f"\n  {command}" in done.stdout, command
        own = run(command, "--help")
        assert own.returncode == 0, command
        assert f"Usage: poolscope {command}" in own.stdout, own.stdout
        assert "--json" in own.stdout


def every_command_is_documented():
    listed = re.findall(r"^  (\w+) +DUMP", run("--help").stdout, re.M)
    assert set(COMMANDS) <= set(listed), listed
    manual = (SOURCES / "poolscope.1").read_text()
    bash = (SOURCES / "completion" / "poolscope.bash").read_text()
    zsh = (SOURCES / "completion" / "_poolscope").read_text()
    bash_list = re.search(r'commands="([^"]*)"', bash)[1].split()
    for command in listed:
        assert f".B poolscope {command}\n" in manual, command
        assert f".TP\n.B {command}\n" in manual, command
        assert command in bash_list, command
        assert f"'{command}:" in zsh, command


def bash_completes():
    script = f"""source {SOURCES}/completion/poolscope.bash
COMP_WORDS=(poolscope poolu); COMP_CWORD=1; _poolscope
echo "${{COMPREPLY[@]}}"
COMP_WORDS=(poolscope vm x.dmp 2); COMP_CWORD=3; _poolscope
echo "${{COMPREPLY[@]}}"
COMP_WORDS=(poolscope vm --q); COMP_CWORD=2; _poolscope
echo "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], capture_output=True,
                          text=True, timeout=20, cwd="/")
    assert done.stdout.split() == ["poolused", "20", "21", "25",
                                   "--quota"], done.stdout + done.stderr


def version():
    for args in (["--version"], ["vm", "--version"]):
        done = run(*args)
        assert done.returncode == 0
        assert done.stdout.startswith("poolscope "), done.stdout


def wrong_usage():
    for args in ([], ["vm"], ["--nonsense", "x"], ["vm", "x", "zz"],
                 ["types", "--help"], ["/none.dmp"], ["lm"], ["lm", "x", "y"],
                 ["walk"], ["poolval", "x"],
                 ["vm", "x", "2"], ["vm", "x", "1", "2"],
                 ["poolused", "x", "10"], ["poolused", "x", "-1"],
                 ["poolused", "x", "/t0"], ["poolused", "x", "/tx"],
                 ["poolused", "x", "2", "a", "b"], ["pool", "x"],
                 ["pool", "x", "g"], ["pool", "x", "1", "2"],
                 ["poolfind", "x"], ["poolfind", "x", "a", "b"],
                 ["poolfind", "x", "a", "--limit=-1"],
                 ["poolfind", "x", "a", "--pool=pond"],
                 ["poolmap", "x", "1", "2", "3"],
                 ["callers"], ["callers", "x", "a", "b"],
                 ["callers", "--images=a", "--tag=x", "y"]):
        done = run(*args)
        assert done.returncode == 2, (args, done.returncode)
        assert done.stderr and not done.stdout, args


def no_answer():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.dmp"
        for content in (b"", b"PAGEDU64", b"PK\x03\x04", b"\x00" * 8192,
                        b"PAGEDUMP" * 1024):
            path.write_bytes(content)
            for command in COMMANDS:
                done = run(command, path, *MORE.get(command, []))
                assert done.returncode == 1, (content[:8], done.returncode)
                assert done.stderr.startswith("poolscope: "), done.stderr
                assert done.stderr.count("\n") == 1, done.stderr
                assert not done.stdout
        assert run("info", Path(folder) / "none.dmp").returncode == 1
        assert run("info", folder).returncode == 1


def dump_named_like_an_option_or_command():
    with tempfile.TemporaryDirectory() as folder:
        old = os.getcwd()
        os.chdir(folder)
        try:
            Path("vm").write_bytes(b"x")
            done = run("report", "vm")
            assert done.returncode == 1 and "vm" in done.stderr
            # A path may begin like /tN.
            done = run("poolused", "/t7")
            assert done.returncode == 1 and "/t7" in done.stderr
        finally:
            os.chdir(old)


report_test.main([help_of_every_command, every_command_is_documented,
                  bash_completes, version, wrong_usage, no_answer,
                  dump_named_like_an_option_or_command])
