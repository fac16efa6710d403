// SPDX-License-Identifier: MIT
// Layout of a segment heap from the kernel's types.
#include <inttypes.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pool/layout.h"

static struct psc_error *read_one(const struct psc_kernel *k, const char *path,
				  unsigned int *ret)
{
	struct psc_error *err;
	struct psc_field f;

	if ((err = psc_kernel_field(k, path, &f)))
		return err;
	if (f.offset > 0x80)
		return psc_error_new(PSC_ERR_DAMAGED, "%s: offset 0x%" PRIx64
				     " is not believable", path, f.offset);
	*ret = (unsigned int)f.offset;
	return NULL;
}

struct psc_error *psc_heap_layout_read(const struct psc_kernel *k,
				       struct psc_heap_layout *ret)
{
	struct psc_heap_layout l = psc_heap_layout_common;
	const struct {
		const char *path;
		unsigned int *to;
	} need[] = {
		{ "_HEAP_VS_SUBSEGMENT.CommitBitmap", &l.vs_commit },
		{ "_HEAP_VS_SUBSEGMENT.Size", &l.vs_size },
		{ "_HEAP_VS_SUBSEGMENT.Signature", &l.vs_signature },
		{ "_HEAP_LFH_SUBSEGMENT.FreeCount", &l.lfh_free },
		{ "_HEAP_LFH_SUBSEGMENT.BlockCount", &l.lfh_count },
		{ "_HEAP_LFH_SUBSEGMENT.WitheldBlockCount", &l.lfh_withheld },
		{ "_HEAP_LFH_SUBSEGMENT.BlockOffsets", &l.lfh_offsets },
		{ "_HEAP_LFH_SUBSEGMENT.CommitUnitShift", &l.lfh_unit_shift },
		{ "_HEAP_LFH_SUBSEGMENT.CommitUnitCount", &l.lfh_unit_count },
		{ "_HEAP_LFH_SUBSEGMENT.BlockBitmap", &l.lfh_bitmap },
		{ "_HEAP_PAGE_RANGE_DESCRIPTOR.TreeSignature", &l.desc_tree },
		{ "_HEAP_PAGE_RANGE_DESCRIPTOR.UnusedBytes", &l.desc_unused },
		{ "_HEAP_PAGE_RANGE_DESCRIPTOR.RangeFlags", &l.desc_flags },
		{ "_HEAP_PAGE_RANGE_DESCRIPTOR.UnitOffset", &l.desc_offset },
		{ "_HEAP_PAGE_RANGE_DESCRIPTOR.UnitSize", &l.desc_size },
		{ "_HEAP_PAGE_RANGE_DESCRIPTOR.Key", &l.desc_key },
		{ "_HEAP_PAGE_SEGMENT.Signature", &l.seg_signature },
	};
	struct psc_error *err;
	uint64_t bytes;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(need); i++) {
		if ((err = read_one(k, need[i].path, need[i].to)))
			return err;
	}
	if ((err = psc_kernel_sizeof(k, "_HEAP_PAGE_RANGE_DESCRIPTOR",
				     &bytes)))
		return err;
	if (bytes != 0x20)
		return psc_error_new(PSC_ERR_UNSUPPORTED, "range descriptors of"
				     " %" PRIu64 " bytes", bytes);
	// The rules that are not types: the owner pointer went with the older
	// form (newer-kernels 2.1, pool 3.13).
	struct psc_error *gone =
		read_one(k, "_HEAP_LFH_SUBSEGMENT.Owner", &l.lfh_owner);
	if (psc_error_catch(&gone, PSC_ERR_ABSENT)) {
		l.newest = l.lfh_wide_key = true;
		l.lfh_has_commit = false;
		l.lfh_bits = 1;
		l.seg_magic = 0;
		struct psc_error *none =
			read_one(k, "_HEAP_LFH_SUBSEGMENT.State.DelayFreeCount",
				 &l.lfh_delayed);
		psc_error_free(none);	// only a finer check
	} else if (gone) {
		return gone;
	} else if ((err = read_one(k, "_HEAP_LFH_SUBSEGMENT.CommitStateOffset",
				   &l.lfh_commit)) ||
		   (err = read_one(k, "_HEAP_LFH_SUBSEGMENT.Location",
				   &l.lfh_location))) {
		return err;
	}
	*ret = l;
	return NULL;
}
