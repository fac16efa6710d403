#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Colours appear on a terminal and nowhere else; NO_COLOR is honoured."""
import os
import pty
import subprocess
import tempfile

import report_test
from fixture import machine
from report_test import poolscope, run


def on_terminal(*args, **env):
    """Output of the program when stdout is a terminal."""
    master, slave = pty.openpty()
    child = subprocess.Popen([poolscope(), *map(str, args)], stdout=slave,
                             stderr=subprocess.PIPE, env={**os.environ, **env})
    os.close(slave)
    out = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:     # Linux: the other end is closed
            break
        if not data:
            break
        out += data
    os.close(master)
    child.communicate()
    return out.decode()


def colours():
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", "failures pool_allocations=3"])
        coloured = on_terminal("report", dump, TERM="xterm", NO_COLOR="")
        assert "\x1b[1m" in coloured and "\x1b[33m" in coloured
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            plain = on_terminal("report", dump, **{"TERM": "xterm", **env})
            assert "\x1b" not in plain, env
        assert "\x1b" not in run("report", dump).stdout
        # The text itself is the same.
        plain = on_terminal("report", dump, NO_COLOR="1", TERM="xterm")
        assert plain.replace("\r\n", "\n") == run("report", dump).stdout
        assert "\x1b" not in on_terminal("report", dump, "--json",
                                         TERM="xterm")


def hostile_names():
    """A name out of the dump cannot write to the terminal."""
    with tempfile.TemporaryDirectory() as folder:
        dump, _ = machine(folder, ["", "tag \\x1b[2J nonpaged=9/0/9999999"])
        for command in ("report", "poolused"):
            out = run(command, dump).stdout
            assert "\x1b" not in out and ".[2J" in out, command
        assert "\\\\x1b[2J" in run("report", dump, "--json").stdout


report_test.main([colours, hostile_names])
