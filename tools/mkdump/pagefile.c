// SPDX-License-Identifier: MIT
/** @file Page files (vm 3). */
#include "counters.h"

#define MAX_PAGEFILES 16u

static void link_pagefile(struct mk *m, uint64_t f, uint32_t i)
{
	uint64_t array;

	if (mk_has_symbol(m, "MmPagingFile")) {
		array = mk_symbol(m, "MmPagingFile");
		mk_global(m, "MmNumberOfPagingFiles", i + 1, 4);
	} else {
		uint64_t p = mk_symbol(m, "MiSystemPartition");

		array = p + mk_offset(m, "_MI_PARTITION.Vp.PagingFile");
		mk_field(m, p, "_MI_PARTITION.Vp.NumberOfPagingFiles", i + 1);
	}
	mk_write64(m, array + i * 8u, f);
}

static void truth(struct mk *m, const char *name, const uint64_t v[4])
{
	static const char *const names[4] = {
		"current_bytes", "free_bytes", "minimum_bytes",
		"maximum_bytes",
	};
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name",
			       name[0] ? mk_json_text(name) : NULL);
	for (int i = 0; i < 4; i++)
		json_object_object_add(o, names[i],
				       json_object_new_uint64(v[i] * MK_PAGE));
	if (!m->counters->page_files) {
		m->counters->page_files = json_object_new_array();
		json_object_object_add(mk_truth(m, "vm"), "page_files",
				       m->counters->page_files);
	}
	json_object_array_add(m->counters->page_files, o);
}

void mk_do_pagefile(struct mk *m, struct mk_args *a)
{
	struct mk_counters *c = m->counters;
	const char *name = mk_word(a, 0);
	uint64_t size = mk_key_num(a, "size", 1024u << 20) / MK_PAGE;
	uint64_t v[4] = {
		size, mk_key_num(a, "free", size * MK_PAGE / 2) / MK_PAGE,
		mk_key_num(a, "min", size * MK_PAGE) / MK_PAGE,
		mk_key_num(a, "max", size * MK_PAGE * 2) / MK_PAGE,
	};
	uint64_t hash = mk_key_num(a, "hash", 0);
	bool swap = mk_flag(a, "swap"), store = mk_flag(a, "virtual-store");
	uint64_t f = mk_alloc(m, MK_NONPAGED, mk_sizeof(m, "_MMPAGING_FILE"));

	if (c->n_pagefiles == MAX_PAGEFILES)
		mk_fail(m, "at most %u page files", MAX_PAGEFILES);
	mk_field(m, f, "_MMPAGING_FILE.Size", v[0]);
	mk_field(m, f, "_MMPAGING_FILE.FreeSpace", v[1]);
	mk_field(m, f, "_MMPAGING_FILE.MinimumSize", v[2]);
	mk_field(m, f, "_MMPAGING_FILE.MaximumSize", v[3]);
	mk_field_opt(m, f, "_MMPAGING_FILE.PeakUsage", v[0] - v[1] + 1);
	mk_field(m, f, "_MMPAGING_FILE.PageFileNumber", c->n_pagefiles);
	mk_unicode(m, f + mk_offset(m, "_MMPAGING_FILE.PageFileName"), name,
		   MK_PAGED);
	if (swap)
		mk_field_opt(m, f, "_MMPAGING_FILE.WsSwapPagefile", 1);
	if (store)
		mk_field_opt(m, f, "_MMPAGING_FILE.VirtualStorePagefile", 1);
	if (mk_field_opt(m, f, "_MMPAGING_FILE.PageHashPages", hash))
		c->pagefile_hash_pages += hash;
	link_pagefile(m, f, c->n_pagefiles++);
	mk_label(m, f, "pagefile:%u", c->n_pagefiles - 1);
	// The commit limit counts ordinary page files alone (vm 1.5).
	if (!swap && !store)
		c->pagefile_pages += size;
	truth(m, name, v);
}
