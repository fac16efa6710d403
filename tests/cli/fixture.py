# SPDX-License-Identifier: MIT
"""Build dumps for tests of the program."""
import json
import os
import shutil
import subprocess
from pathlib import Path

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"


def mkdump(recipe, dump, *args):
    """Build @recipe into @dump; @return its truth."""
    want = Path(dump).with_suffix(".truth")
    done = subprocess.run(
        [os.environ["POOLSCOPE_MKDUMP"], "-o", dump, f"--truth={want}",
         f"--drivers={os.environ.get('DRIVERS', '.')}", *args,
         recipe], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (str(recipe), args, done.stderr)
    return json.loads(want.read_text())


def machine(folder, lines, kernel="10.0.19041.3570", kind=6, ram="1G"):
    """A healthy machine with more @lines; @return (dump, truth)."""
    # Includes are relative to the recipe.
    shutil.copy(FIXTURES / "healthy.inc", folder)
    recipe = Path(folder) / "machine.recipe"
    recipe.write_text(f"seed 7\nram {ram}\nprocessors 2\nkernel {kernel}\n"
                      f"dump type={kind} {' '.join(lines[:1])}\n"
                      "crash 2026-03-04T05:06:07Z uptime=86523\n"
                      "include healthy.inc\nbugcheck 0xd1\n" +
                      "\n".join(lines[1:]) + "\n")
    dump = Path(folder) / "machine.dmp"
    return dump, mkdump(recipe, dump)
