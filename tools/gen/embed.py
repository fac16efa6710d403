#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""embed.py IN.bin OUT.c NAME: a file as a C array (the compiler reads one
string literal far faster than a list of numbers)."""
import sys
from pathlib import Path

data = Path(sys.argv[1]).read_bytes()
name = sys.argv[3]
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write('#include <stddef.h>\n#include <stdint.h>\n'
              f'extern const uint8_t {name}[];\n'
              f'extern const size_t {name}_size;\n'
              f'const size_t {name}_size = {len(data)};\n'
              f'const uint8_t {name}[] =\n')
    for i in range(0, len(data), 64):
        text = "".join(f"\\{b:03o}" for b in data[i:i + 64])
        out.write(f'"{text}"\n')
    out.write(";\n")
