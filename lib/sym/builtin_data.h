// SPDX-License-Identifier: MIT
/** @file
 * The form of lib/sym/data/kernels.bin, which tools/gen/gen_builtin.py writes
 * and builtin.c reads. Everything is little-endian and unaligned.
 *
 *   "PSCKERN1", u32 sections, then per section u32 offset, packed, raw size.
 *   A section is a zlib stream when the two sizes differ.
 *
 * Sections in order: kernels, images, strings, layouts, shapes, then the
 * blocks of symbols and the blocks of types.
 *
 *   kernels  eight u32 counts (kernels, layouts, symbols, types, members,
 *            shapes, symbol blocks, type blocks); a row of 32 bytes per kernel;
 *            per type its u16 block and u16 offset in the block
 *   images   u32 images, u32 versions; sorted u32 time stamps; per image
 *            u16 pages, u16 version index << 3 | kind; versions of two u16
 *   strings  names of symbols, types, members, each group sorted, each name
 *            with its NUL
 *   layouts  per layout a byte per type: which of its definitions, 0 = none
 *   shapes   rows of 14 bytes: class | signed << 4, bit, bits, 0, u32 size,
 *            u32 count, u16 type index + 1
 *   symbols  varints: columns, names; names as differences; then per column
 *            and name 0, or 1 + the RVA's zigzag difference from "moved as
 *            far as the name before it"
 *   types    per definition a varint length, then varints: size, members, and
 *            per member the differences of name and offset, and the shape
 */
#ifndef PSC_SYM_BUILTIN_DATA_H
#define PSC_SYM_BUILTIN_DATA_H

#include <stddef.h>
#include <stdint.h>

#define PSC_BUILTIN_MAGIC "PSCKERN1"
#define PSC_BUILTIN_KERNEL_ROW 32
#define PSC_BUILTIN_SHAPE_ROW 14
#define PSC_BUILTIN_TYPE_ROW 4

enum psc_builtin_section {
	PSC_BUILTIN_KERNELS,
	PSC_BUILTIN_IMAGES,
	PSC_BUILTIN_STRINGS,
	PSC_BUILTIN_LAYOUTS,
	PSC_BUILTIN_SHAPES,
	PSC_BUILTIN_SYMBOLS,	/**< First of many. */
};

extern const uint8_t psc_builtin_data[];
extern const size_t psc_builtin_data_size;

#endif
