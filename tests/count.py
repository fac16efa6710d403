#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sum meson's test logs of several build folders into one closing line.

A TAP test counts with each of its subtests, any other test as one.
"""
import json
import re
import sys
from collections import Counter
from pathlib import Path

TAP = re.compile(r"^(ok|not ok) \d+(.*)$", re.M)


def outcome(test):
    points = TAP.findall(test.get("stdout") or "")
    if points and test["result"] not in ("TIMEOUT", "INTERRUPT"):
        for word, rest in points:
            if "# SKIP" in rest or "# skip" in rest:
                yield "skipped"
            else:
                yield "passed" if word == "ok" else "failed"
        # A crash after the last point still is a failure.
        if test["result"] in ("FAIL", "ERROR") and all(
                word == "ok" for word, _ in points):
            yield "failed"
    elif test["result"] == "SKIP":
        yield "skipped"
    else:
        yield "passed" if test["result"] == "OK" else "failed"


def main():
    total = Counter()
    for build in sys.argv[1:]:
        log = Path(build) / "meson-logs" / "testlog.json"
        for line in log.read_text().splitlines():
            total.update(outcome(json.loads(line)))
    print(f"{total['passed']} passed, {total['failed']} failed, "
          f"{total['skipped']} skipped")


if __name__ == "__main__":
    main()
