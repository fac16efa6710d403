// SPDX-License-Identifier: MIT
/** @file
 * Where the kernel's areas lie, as each family records it (pool 2.9,
 * vm 2.8): variables up to 8.1, regions by index and a type byte per PML4
 * slot from 10 on.
 */
#include <string.h>

#include "area.h"
#include "counters.h"

#define SLOT_SHIFT 39
#define UPPER_HALF 0xffff800000000000ull

struct region {
	const char *name;	/**< As in the enumeration. */
	/** Index in SystemVaRegions: 14393, 17763, 18362, 19041, 20348 on;
	 *  -1: this family has none. */
	int8_t index[5];
	/** _MI_SYSTEM_VA_TYPE in the same order; -1: no type byte. */
	int8_t type[5];
};

static const struct region regions[] = {
	{"NonPagedPool", {0, 0, 0, 0, 1}, {-1, 5, 5, 5, 5}},
	{"PagedPool", {1, 1, 1, 1, 2}, {-1, 6, 6, 6, 6}},
	{"KernelStacks", {-1, 8, 8, 8, 8}, {-1, 15, 14, 14, 14}},
	{"SystemImages", {13, 13, 11, 12, 13}, {-1, 12, 12, 12, 12}},
	{"Session", {10, 12, 10, 10, 10}, {-1, 1, 1, 1, 1}},
	{"SpecialPool", {9, 11, -1, -1, -1}, {-1, 13, -1, -1, -1}},
	{"SpecialPoolPaged", {-1, 10, -1, -1, -1}, {-1, 7, -1, -1, -1}},
};

// regions[] in the order of enum mk_area.
static const uint8_t region_of[MK_AREAS] = {0, 1, 2, 3, 4, 5, 6};

static unsigned int column(uint32_t family)
{
	return family < 17763 ? 0 : family < 18362 ? 1 : family < 19041 ? 2
		: family < 20348 ? 3 : 4;
}

static uint64_t vs_field(struct mk *m, const char *field, uint64_t *ret)
{
	char path[96] = "_MI_SYSTEM_INFORMATION.Vs.";

	strcat(path, field);
	if (!mk_has(m, path))
		return 0;
	*ret = mk_symbol(m, "MiState") + mk_offset(m, path);
	return 1;
}

static void put_types(struct mk *m, uint64_t types, uint64_t base,
		      uint64_t bytes, int8_t type)
{
	uint64_t first = (base - UPPER_HALF) >> SLOT_SHIFT;
	uint64_t last = (base - UPPER_HALF + bytes - 1) >> SLOT_SHIFT;

	for (uint64_t i = first; i <= last && i < 256; i++)
		mk_write_uint(m, types + i, (uint64_t)type, 1);
}

static void put_truth(struct mk *m, struct json_object *list,
		      const char *name, const struct mk_area_state *a)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", mk_json_text(name));
	json_object_object_add(o, "base", mk_json_hex(a->base));
	json_object_object_add(o, "bytes", json_object_new_uint64(a->bytes));
	json_object_array_add(list, o);
}

static void regions_10(struct mk *m)
{
	// Areas in rising order of their bases, as the report lists them.
	static const enum mk_area order[MK_AREAS] = {
		MK_NONPAGED, MK_PAGED, MK_STACKS, MK_SESSION, MK_SPECIAL,
		MK_SPECIAL_PAGED, MK_IMAGES,
	};
	struct json_object *list = json_object_new_array();
	unsigned int col = column(m->family);
	uint64_t table = 0, types = 0;

	vs_field(m, "SystemVaRegions", &table);
	vs_field(m, "SystemVaType", &types);
	for (unsigned int i = 0; i < MK_AREAS; i++) {
		const struct mk_area_state *a = &m->area[order[i]];
		const struct region *r = &regions[region_of[order[i]]];

		// A machine without special pool has made no room for it.
		if (order[i] >= MK_SPECIAL && a->next == a->base)
			continue;
		if (types && r->type[col] >= 0)
			put_types(m, types, a->base, a->bytes, r->type[col]);
		if (!table || r->index[col] < 0)
			continue;
		uint64_t e = table + (uint64_t)r->index[col] * 0x10;

		mk_write64(m, e, a->base);
		mk_write64(m, e + 8, a->bytes);
		put_truth(m, list, order[i] == MK_SPECIAL && col
			  ? "SpecialPoolNonPaged" : r->name, a);
	}
	// No published text names the regions of later kernels.
	if (m->family > 22000)
		json_object_put(list);
	else
		json_object_object_add(mk_truth(m, "vm"), "regions", list);
}

static void regions_old(struct mk *m)
{
	const struct mk_area_state *np = &m->area[MK_NONPAGED];
	const struct mk_area_state *pp = &m->area[MK_PAGED];

	mk_global_opt(m, "MmNonPagedPoolStart", np->base, 8);
	mk_global_opt(m, "MiNonPagedPoolStartAligned", np->base, 8);
	mk_global_opt(m, "MiNonPagedPoolEnd", np->base + np->bytes, 8);
	mk_global_opt(m, "MiPagedPoolStart", pp->base, 8);
	mk_global_opt(m, "MmPagedPoolEnd", pp->base + pp->bytes - 1, 8);
	// The PTE that maps the start of paged pool, in the self map.
	if (mk_has_symbol(m, "MmPagedPoolInfo"))
		mk_field_opt(m, mk_symbol(m, "MmPagedPoolInfo"),
			     "_MM_PAGED_POOL_INFO.FirstPteForPagedPool",
			     m->pte_base +
			     ((pp->base >> 9) & 0x7ffffffff8));
}

void mk_regions_finish(struct mk *m)
{
	// The order of 26100's regions is not published (newer-kernels 2.3).
	if (m->family >= 14393 && m->family < 26100)
		regions_10(m);
	else if (m->family < 14393)
		regions_old(m);
}
