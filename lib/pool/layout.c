// SPDX-License-Identifier: MIT
#include "pool/layout.h"

// Documented fixed format: these types are byte-identical in every x64 and
// ARM64 kernel from 17763 to 22631 (pool 3.4 to 3.7, 3.13).
const struct psc_heap_layout psc_heap_layout_common = {
	.vs_bytes = 0x28, .vs_commit = 0x10, .vs_size = 0x20, .vs_signature = 0x22,
	.lfh_free = 0x20, .lfh_count = 0x22, .lfh_withheld = 0x27,
	.lfh_offsets = 0x28, .lfh_unit_shift = 0x2c, .lfh_unit_count = 0x2d,
	.lfh_commit = 0x2e, .lfh_bitmap = 0x30, .lfh_owner = 0x10,
	.lfh_location = 0x26, .lfh_bits = 2, .lfh_has_commit = true,
	.desc_bytes = 0x20, .desc_tree = 0, .desc_unused = 4,
	.desc_flags = 0x18, .desc_offset = 0x1f, .desc_size = 0x1f,
	.desc_key = 0x1c, .seg_signature = 0x10,
	.seg_magic = PSC_SEGMENT_MAGIC,
};
