#!/bin/sh
# SPDX-License-Identifier: MIT
# Set everything up, build with gcc (ASan and UBSan on) and with clang (as it is
# installed), warnings being errors, and run every test with both. Last line:
# "N passed, N failed".
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh

status=0
for cc in gcc clang; do
	dir=build-test-$cc
	sanitize=none
	[ $cc = gcc ] && sanitize=address,undefined
	if [ ! -d "$dir" ]; then
		CC=$cc meson setup "$dir" -Db_sanitize=$sanitize \
			>"$dir.log" 2>&1 || {
			cat "$dir.log" >&2
			exit 1
		}
	fi
	echo "building with $cc"
	ninja -C "$dir" all meson-test-prereq >"$dir.log" 2>&1 || {
		grep -E -A8 'error|FAILED' "$dir.log" | head -60 >&2
		echo "0 passed, 1 failed"
		exit 1
	}
	meson test -C "$dir" --no-rebuild --print-errorlogs || status=1
done
python3 tests/count.py build-test-gcc build-test-clang
exit $status
