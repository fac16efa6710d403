#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One dump, one kernel, four sources: the built-in table, a PDB, a symbol
table (ISF) and DWARF layouts made of the same kernel give the same bytes.

usage: test_sources.py EMIT_KERNEL DUMP...
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from report_test import run, skip


def tool(out, *args):
    subprocess.run([str(a) for a in args], cwd=out, check=True)


def emit(program, guid, what, path):
    path.write_bytes(subprocess.run([program, guid, what], check=True,
                                    capture_output=True).stdout)


def guid_bytes(guid):
    raw = bytes.fromhex(guid)
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]


def make_pdb(out, guid):
    """The kernel as clang and lld-link see it, under its real identity."""
    if not all(shutil.which(t) for t in ("clang", "lld-link")):
        return None
    target = "--target=x86_64-pc-windows-msvc"
    tool(out, "clang", target, "-c", "symbols.s", "-o", "symbols.obj")
    tool(out, "clang", target, "-g", "-gcodeview", "-w", "-c", "layout.c",
         "-o", "layout.obj")
    tool(out, "lld-link", "/subsystem:native", "/entry:EntryPoint",
         "/nodefaultlib", "/debug", "/fixed", "/pdb:made.pdb",
         "/out:made.exe", "symbols.obj", "layout.obj")
    data = (out / "made.pdb").read_bytes()
    at = data.index(b"LLD PDB.") - 8
    folder = out / "pdb" / "ntkrnlmp.pdb" / f"{guid}1"
    folder.mkdir(parents=True)
    (folder / "ntkrnlmp.pdb").write_bytes(
        data[:at] + guid_bytes(guid) + data[at + 16:])
    return out / "pdb"


def make_isf(out, guid):
    folder = out / "isf" / "ntkrnlmp.pdb"
    folder.mkdir(parents=True)
    shutil.copy(out / "table.json", folder / f"{guid}-1.json")
    return out / "isf"


def make_dwarf(out, guid):
    if not shutil.which("gcc"):
        return None
    tool(out, "gcc", "-g", "-mms-bitfields", "-w", "-c", "layout.c", "-o",
         "layout.o")
    return out / "layout.o"


def user_table(out, path):
    """`symbols --add` of the PDB, in a home of its own."""
    env = dict(os.environ, XDG_DATA_HOME=str(out / "data"))
    done = run("symbols", "--add", path, env=env)
    assert done.returncode == 0, done.stderr
    return env


def answers(dump, *options, env=None):
    texts = []
    for command in ("vm", "poolused"):
        done = run(command, dump, *options, env=env)
        assert done.returncode in (0, 3), (command, options, done.stderr)
        texts.append(done.stdout)
    return texts


def source_of(dump, *options, env=None):
    done = run("info", dump, "--json", *options, env=env)
    return json.loads(done.stdout)["symbols"]


def check(dump, program, out):
    want = answers(dump)
    symbols = source_of(dump)
    assert symbols["source"] == "builtin", symbols
    guid = symbols["guid"]
    emit(program, guid, "layout", out / "layout.c")
    emit(program, guid, "symbols", out / "symbols.s")
    emit(program, guid, "isf", out / "table.json")
    for kind, make in (("pdb", make_pdb), ("isf", make_isf),
                       ("dwarf", make_dwarf)):
        path = make(out, guid)
        if not path:
            print(f"{dump}: no {kind}, its compiler is missing")
            continue
        option = f"--symbols={path}"
        assert source_of(dump, option)["source"] == kind
        assert answers(dump, option) == want, (dump, kind)
        print(f"{dump}: {kind} says the same")
        if kind == "pdb":
            env = user_table(out, path / "ntkrnlmp.pdb" / f"{guid}1" /
                             "ntkrnlmp.pdb")
            assert source_of(dump, env=env)["source"] == "isf"
            assert answers(dump, env=env) == want, (dump, "--add")
            print(f"{dump}: the user's table says the same")


def of_another_identity(dump, out, guid):
    """The dump of a kernel that no table knows: its GUID changed."""
    data = dump.read_bytes()
    old, new = guid_bytes(guid), guid_bytes("77" + guid[2:])
    assert b"RSDS" + old in data
    other = out / "unknown.dmp"
    other.write_bytes(data.replace(b"RSDS" + old, b"RSDS" + new))
    return other, "77" + guid[2:]


def counters(dump, *options):
    """Counters of vm, and the tag rows, as far as the source has them."""
    done = run("vm", dump, "--json", *options)
    assert done.returncode in (0, 3), done.stderr
    vm = {k: v["pages"] for k, v in json.loads(done.stdout)["vm"].items()
          if isinstance(v, dict) and v.get("pages") is not None}
    done = run("poolused", dump, "--json", *options)
    assert done.returncode in (0, 3), done.stderr
    tags = {t["tag_hex"]: (t["nonpaged"], t["paged"])
            for t in json.loads(done.stdout)["poolused"]["tags"]}
    return vm, tags


def check_unknown(dump, out):
    """A PDB from a folder agrees with what recovery proves alone; another
    build's PDB is refused by name and can be forced."""
    guid = source_of(dump)["guid"]
    if not (out / "made.pdb").exists():
        return
    unknown, new = of_another_identity(dump, out, guid)
    assert source_of(unknown)["source"] == "recovered"
    vm, tags = counters(unknown)
    assert len(vm) > 5 and len(tags) > 100, (len(vm), len(tags))
    wrong = out / "pdb" / "ntkrnlmp.pdb" / f"{guid}1" / "ntkrnlmp.pdb"
    option = f"--symbols={wrong}"
    assert source_of(unknown, option)["source"] == "recovered"
    done = run("symbols", unknown, option)
    assert guid in done.stdout and new in done.stdout, done.stdout
    assert source_of(unknown, option, "--force-symbols")["source"] == "pdb"
    data = wrong.read_bytes()
    right = out / "right" / "ntkrnlmp.pdb" / f"{new}1" / "ntkrnlmp.pdb"
    right.parent.mkdir(parents=True)
    right.write_bytes(data.replace(guid_bytes(guid), guid_bytes(new)))
    option = f"--symbols={out / 'right'}"
    assert source_of(unknown, option)["source"] == "pdb"
    vm_pdb, tags_pdb = counters(unknown, option)
    wrong = {k: (v, vm_pdb.get(k)) for k, v in vm.items()
             if vm_pdb.get(k) != v}
    assert not wrong, wrong
    assert tags == tags_pdb
    print(f"{dump}: {len(vm)} counters, {len(tags)} tags proved by recovery "
          "equal those of a PDB from a folder")


def main():
    program, dumps = sys.argv[1], sys.argv[2:]
    if not dumps:
        skip("no dumps")
    for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH"):
        os.environ.pop(name, None)
    os.environ["XDG_DATA_HOME"] = "/nonexistent"
    for dump in dumps:
        with tempfile.TemporaryDirectory() as out:
            check(Path(dump), program, Path(out))
            check_unknown(Path(dump), Path(out))


if __name__ == "__main__":
    main()
