#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fail when a file includes a header of a layer that its own may not know.

The allowed edges are the table below; lib/README.md draws the same picture.
Every layer may include base/ and the public headers psc/.
"""
import re
import sys
from pathlib import Path

ALLOWED = {
    "base": set(),
    "report": set(),
    "pe": set(),
    "dump": set(),
    "mem": set(),
    "sym": {"pe"},
    "kernel": {"dump", "mem", "pe", "sym"},
    "pool": {"mem", "sym", "kernel"},
    "code": {"pe", "sym"},
    "analysis": {"report", "dump", "mem", "pe", "sym", "kernel", "pool",
                 "code"},
    "render": {"report"},
    "api": {"report", "dump", "mem", "pe", "sym", "kernel", "pool", "code",
            "analysis", "render"},
}
# Tools see the public headers and base; the builder also reads layouts.
TOOLS = {"poolscope": set(), "mkdump": {"sym"}}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def check(folder, layer, allowed):
    bad = []
    for path in sorted(folder.rglob("*.[ch]")):
        for inc in INCLUDE.findall(path.read_text(errors="replace")):
            first = inc.split("/")[0] if "/" in inc else None
            if first in (None, "psc", "base", layer) or first in allowed:
                continue
            bad.append(f"{path}: {layer} may not include {inc}")
    return bad


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    bad = []
    for layer, allowed in ALLOWED.items():
        bad += check(root / "lib" / layer, layer, allowed)
    for folder in sorted((root / "lib").iterdir()):
        if folder.is_dir() and folder.name not in {*ALLOWED, "include"}:
            bad.append(f"{folder}: not a known layer")
    for tool, allowed in TOOLS.items():
        bad += check(root / "tools" / tool, tool, allowed)
    print("\n".join(bad) or "layers ok")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
