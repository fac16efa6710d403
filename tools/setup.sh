#!/bin/sh
# SPDX-License-Identifier: MIT
# Install what building and testing poolscope needs on Debian 12. Quiet when
# everything is there already, so it can stand in front of every build.
set -eu

# Build, libraries, then what makes the fixture drivers and checks the tests.
packages="
gcc clang lld llvm meson ninja-build pkg-config python3
zlib1g-dev liblzma-dev libjson-c-dev libcapstone-dev libdwarf-dev libelf-dev
libcurl4-openssl-dev libssl-dev libcmocka-dev
gcc-mingw-w64-x86-64 gcc-mingw-w64-i686 binutils-mingw-w64-x86-64
dwarfdump python3-jsonschema xz-utils
"

missing=
for p in $packages; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
		grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$sudo apt-get install -qq --no-install-recommends $missing >/dev/null
