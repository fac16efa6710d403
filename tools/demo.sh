#!/bin/sh
# SPDX-License-Identifier: MIT
# Set everything up, build, make the fixture dump of a leaking server and show
# what poolscope says about it.
set -eu
cd "$(dirname "$0")/.."
sh tools/setup.sh
[ -d build-demo ] || meson setup build-demo --buildtype=release >/dev/null
ninja -C build-demo tools/poolscope/poolscope \
	tools/mkdump/poolscope-mkdump fixtures/drivers/lkaldrv.sys \
	>build-demo/demo.log 2>&1 || {
	tail -40 build-demo/demo.log >&2
	exit 1
}
dump=build-demo/nonpaged-leak.dmp
build-demo/tools/mkdump/poolscope-mkdump fixtures/nonpaged-leak.recipe \
	--drivers build-demo/fixtures/drivers -o "$dump"
# The driver's PDB lies beside its image: the maker's symbols, when he gives
# them, turn an address into a function and a line.
echo "\$ poolscope --symbols build-demo/fixtures/drivers $dump"
build-demo/tools/poolscope/poolscope --symbols build-demo/fixtures/drivers \
	"$dump"
