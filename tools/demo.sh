#!/bin/sh
# SPDX-License-Identifier: MIT
# Set everything up, build, make the fixture dump of a leaking server and show
# what poolscope says about it.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
[ -d build-demo ] || meson setup build-demo --buildtype=release >/dev/null
ninja -C build-demo -v >build-demo/demo.log 2>&1 || {
	tail -40 build-demo/demo.log >&2
	exit 1
}
dump=build-demo/nonpaged-leak.dmp
build-demo/tools/mkdump/poolscope-mkdump fixtures/nonpaged-leak.recipe \
	--drivers build-demo/fixtures/drivers -o "$dump"
echo "\$ poolscope $dump"
# 3: the recipe leaves pages out on purpose, the report says which.
build-demo/tools/poolscope/poolscope "$dump" || [ $? = 3 ]
