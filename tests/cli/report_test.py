# SPDX-License-Identifier: MIT
"""What the tests of the program share: running it, the schema, skipping."""
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

SKIP = 77
SCHEMA = Path(__file__).parent.parent / "report.schema.json"


def skip(why):
    print("skipped:", why)
    sys.exit(SKIP)


def poolscope():
    return os.environ["POOLSCOPE"]


def run(*args, env=None):
    """The finished process, output as text."""
    return subprocess.run([poolscope(), *map(str, args)], env=env,
                          capture_output=True, text=True, timeout=120)


def report(*args, status=(0, 3)):
    """The JSON report of a command, checked against the schema."""
    done = run(*args, "--json")
    assert done.returncode in status, (args, done.returncode, done.stderr)
    value = json.loads(done.stdout)
    validate(value)
    return value


def validate(value):
    try:
        import jsonschema
    except ImportError:
        return
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(value)


def main(tests):
    """Run functions, say which failed."""
    failed = 0
    for test in tests:
        try:
            test()
            print("ok", test.__name__)
        except Exception as err:  # noqa: BLE001 (a test's failure is data)
            failed += 1
            line = traceback.extract_tb(err.__traceback__)[-1].line
            print("not ok", test.__name__, type(err).__name__, err, line)
    sys.exit(1 if failed else 0)
