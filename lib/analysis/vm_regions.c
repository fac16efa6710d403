// SPDX-License-Identifier: MIT
// Regions of kernel address space (flag 0x20) and the system PTEs in one of
// them (vm-and-windbg-output 2.5, 2.8).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vm.h"
#include "base/bytes.h"

#define MAX_REGIONS 32

static const char *const names_14393[] = {
	"NonPagedPool", "PagedPool", "SystemCache", "SystemPtes", "UltraZero",
	"PfnDatabase", "Cfg", "HyperSpace", "PageTables", "SpecialPool",
	"Session", "WorkingSetPagedPool", "WorkingSetSystemCache",
	"SystemImages", NULL,
};
static const char *const names_17763[] = {
	"NonPagedPool", "PagedPool", "SystemCache", "SystemPtes", "UltraZero",
	"PfnDatabase", "Cfg", "HyperSpace", "KernelStacks", "PageTables",
	"SpecialPoolPaged", "SpecialPoolNonPaged", "Session", "SystemImages",
	NULL,
};
static const char *const names_18362[] = {
	"NonPagedPool", "PagedPool", "SystemCache", "SystemPtes", "UltraZero",
	"PfnDatabase", "Cfg", "HyperSpace", "KernelStacks", "PageTables",
	"Session", "SystemImages", NULL,
};
static const char *const names_19041[] = {
	"NonPagedPool", "PagedPool", "SystemCache", "SystemPtes", "UltraZero",
	"PfnDatabase", "Cfg", "HyperSpace", "KernelStacks", "PageTables",
	"Session", "SecureNonPagedPool", "SystemImages", NULL,
};
static const char *const names_20348[] = {
	"PfnDatabase", "NonPagedPool", "PagedPool", "SystemCache",
	"SystemPtes", "UltraZero", "Cfg", "HyperSpace", "KernelStacks",
	"PageTables", "Session", "SecureNonPagedPool", "KernelShadowStacks",
	"SystemImages", NULL,
};

// _MI_SYSTEM_VA_TYPE of 26100 (newer-kernels 2.1). Nobody published its order of
// regions, but each region's address has a type.
static const char *const va_types_26100[] = {
	"Unused", "ProcessSpace", "BootLoaded", "PfnDatabase", "NonPagedPool",
	"PagedPool", "NonCachedMappings", "SystemCache", "SystemPtes", "Hal",
	"NonCachedMappingsLarge", "SystemImages", "SystemPtesLarge",
	"KernelStacks", "SecureNonPagedPool", "KernelShadowStacks",
	"SoftWsles", "SystemDataViews", "KernelControlFlowGuard", "Kasan",
};

/** Index order of _MI_ASSIGNED_REGION_TYPES, by first build that has it. */
static const struct {
	uint32_t first, last, count;
	const char *const *names;
} eras[] = {
	{ 14393, 16299, 14, names_14393 },
	{ 17763, 17763, 14, names_17763 },
	{ 18362, 18363, 12, names_18362 },
	{ 19041, 19045, 13, names_19041 },
	{ 20348, 22000, 14, names_20348 },
};

// A layout of another length than its era's is not that era's.
static const char *const *names_of(uint32_t family, uint32_t count)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(eras); i++) {
		if (family >= eras[i].first && family <= eras[i].last &&
		    count == eras[i].count)
			return eras[i].names;
	}
	return NULL;
}

// Kernels outside the tables may name their regions in their symbols.
static void ask_symbols(const struct psc_kernel *k, uint32_t count,
			const char *ret[MAX_REGIONS])
{
	static const char *const extra[] = {
		"SystemDataViews", "KernelControlFlowGuard", "Kasan",
		"SoftWsles", "SystemPtesLarge", "SystemImagesLarge",
		"SpecialPool", "SpecialPoolPaged", "SpecialPoolNonPaged",
		"WorkingSetPagedPool", "WorkingSetSystemCache",
	};
	const struct psc_sym *sym = psc_kernel_sym(k);
	size_t n_known = PSC_ARRAY_SIZE(names_20348) - 1;

	for (size_t i = 0; i < n_known + PSC_ARRAY_SIZE(extra); i++) {
		const char *name = i < n_known ? names_20348[i]
					       : extra[i - n_known];
		char constant[64];
		int64_t v;

		snprintf(constant, sizeof(constant), "AssignedRegion%s", name);
		struct psc_error *err = psc_sym_constant(
			sym, "_MI_ASSIGNED_REGION_TYPES", constant, &v);
		if (!err && v >= 0 && v < count)
			ret[v] = name;
		psc_error_free(err);
	}
}

// Address of the memory manager's visible state: 14393 on.
static struct psc_error *visible_state(const struct psc_kernel *k,
				       uint64_t *va)
{
	struct psc_field f;
	struct psc_error *err = psc_kernel_symbol(k, "MiState", va);

	if (!err)
		err = psc_kernel_field(k, "_MI_SYSTEM_INFORMATION.Vs", &f);
	if (!err) {
		*va += f.offset;
		return NULL;
	}
	// A recovered kernel may know it by its pointer alone.
	if (!psc_error_catch(&err, PSC_ERR_UNSUPPORTED))
		return err;
	if ((err = psc_kernel_symbol(k, "MiVisibleState", va)))
		return err;
	return psc_kernel_pointer(k, *va, "MiVisibleState", va);
}

// The type that the kernel gave to the address space slot of @p base.
static const char *type_name(const struct psc_kernel *k, uint64_t state,
			     uint64_t base)
{
	struct psc_field n, types;
	uint8_t type;
	struct psc_error *err;

	if ((err = psc_kernel_field(k, "_MI_VISIBLE_STATE.SystemVaTypeCount",
				    &n)) ||
	    (err = psc_kernel_field(k, "_MI_VISIBLE_STATE.SystemVaType",
				    &types))) {
		psc_error_free(err);
		return NULL;
	}
	if (n.count != PSC_ARRAY_SIZE(va_types_26100) || types.count != 256)
		return NULL;
	// One byte per top-level slot of the upper half (pool 2.9).
	uint64_t slot = ((base >> 39) & 0x1ff) - 256;
	if (slot >= 256 ||
	    psc_mem_read(psc_kernel_mem(k), state + types.offset + slot, &type,
			 1, NULL) != 1 ||
	    !type || type >= PSC_ARRAY_SIZE(va_types_26100))
		return NULL;
	return va_types_26100[type];
}

struct region {
	const char *name;	/**< NULL: nobody published it. */
	uint32_t index;
	uint64_t base, bytes;
};

static int by_base(const void *a, const void *b)
{
	const struct region *x = a, *y = b;

	return x->base < y->base ? -1 : x->base > y->base;
}

// Regions in use, index order.
static struct psc_error *read_regions(const struct psc_kernel *k,
				      struct region ret[MAX_REGIONS], size_t *n)
{
	uint64_t state;
	struct psc_field f;
	struct psc_error *err = visible_state(k, &state);

	if (!err)
		err = psc_kernel_field(k, "_MI_VISIBLE_STATE.SystemVaRegions",
				       &f);
	if (err)
		return err;
	uint32_t count = PSC_MIN(f.count, (uint32_t)MAX_REGIONS);
	const char *const *names = names_of(psc_kernel_family(k), count);
	const char *asked[MAX_REGIONS] = { NULL };

	if (!names)
		ask_symbols(k, count, asked);
	*n = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t va = state + f.offset + i * f.size, base, bytes;

		if ((err = psc_kernel_get(k, va, "_MI_SYSTEM_VA_ASSIGNMENT."
					  "BaseAddress", &base)) ||
		    (err = psc_kernel_get(k, va, "_MI_SYSTEM_VA_ASSIGNMENT."
					  "NumberOfBytes", &bytes)))
			return err;
		if (!bytes)
			continue;
		const char *name = names ? names[i] : asked[i];
		ret[(*n)++] = (struct region){
			name ? name : type_name(k, state, base), i, base, bytes,
		};
	}
	return NULL;
}

void psc_vm_fill_regions(const struct psc_analysis *a, struct psc_value *o)
{
	struct region v[MAX_REGIONS];
	size_t n;
	struct psc_value *list = psc_set_array(o, "regions");
	struct psc_error *err = read_regions(a->kernel, v, &n);

	if (err) {
		psc_set_strf(o, "regions_error", "%s",
			     err->code == PSC_ERR_ABSENT
			     ? "this kernel keeps no table of regions"
			     : err->message);
		psc_error_free(err);
		return;
	}
	qsort(v, n, sizeof(v[0]), by_base);
	for (size_t i = 0; i < n; i++) {
		struct psc_value *e = psc_add_object(list);

		if (v[i].name)
			psc_set_str(e, "name", v[i].name);
		else
			psc_set_strf(e, "name", "Region %" PRIu32, v[i].index);
		psc_set_hex(e, "base", v[i].base);
		psc_set_uint(e, "bytes", v[i].bytes);
	}
}

// Pages of address space for system PTEs: the region of that name.
static struct psc_error *region_pages(const struct psc_kernel *k,
				      uint64_t *ret)
{
	struct region v[MAX_REGIONS];
	size_t n;
	struct psc_error *err = read_regions(k, v, &n);

	*ret = 1ull << 32;	// where the region's name is not known
	for (size_t i = 0; !err && i < n; i++) {
		if (v[i].name && strcmp(v[i].name, "SystemPtes") == 0)
			*ret = v[i].bytes / PSC_PAGE_SIZE;
	}
	return err;
}

/** What Free System PTEs are made of. */
struct ptes {
	uint64_t space;		/**< Pages of address space. */
	uint64_t total, unused;	/**< Made into PTEs; of these not in use. */
	uint64_t views, stacks;	/**< Free ones of the other two kinds. */
	bool has_kinds;
};

// 17763 on: PTEs for views and for kernel stacks are kept apart and belong to
// the same figure.
static struct psc_error *read_kinds(const struct psc_kernel *k,
				    struct ptes *ret)
{
	uint64_t va;
	struct psc_error *err = psc_kernel_symbol(k, "MiState", &va);

	if (!err)
		err = psc_kernel_get(k, va, "_MI_SYSTEM_INFORMATION.SystemPtes."
				     "KernelStackPteInfo.TotalFreeSystemPtes",
				     &ret->stacks);
	if (!err)
		err = psc_kernel_get(k, va, "_MI_SYSTEM_INFORMATION.SystemPtes."
				     "SystemViewPteInfo.TotalFreeSystemPtes",
				     &ret->views);
	ret->has_kinds = !err;
	// Absent: an older kernel, or one whose layout does not tell.
	if (psc_error_catch(&err, PSC_ERR_ABSENT) ||
	    psc_error_catch(&err, PSC_ERR_UNSUPPORTED))
		ret->stacks = ret->views = 0;
	return err;
}

static struct psc_error *read_visible(const struct psc_kernel *k, uint64_t va,
				      struct ptes *ret)
{
	struct psc_error *err;

	if ((err = psc_kernel_get(k, va, "_MI_VISIBLE_STATE.SystemPteInfo."
				  "TotalSystemPtes", &ret->total)) ||
	    (err = psc_kernel_get(k, va, "_MI_VISIBLE_STATE.SystemPteInfo."
				  "TotalFreeSystemPtes", &ret->unused)) ||
	    (err = region_pages(k, &ret->space)))
		return err;
	return read_kinds(k, ret);
}

// 7601 and 9600: globals, in 128 GB of address space.
static struct psc_error *read_globals(const struct psc_kernel *k,
				      struct ptes *ret)
{
	uint64_t va;
	struct psc_error *err = psc_kernel_symbol(k, "MiSystemPteInfo", &va);

	ret->space = 33554432;
	if (err || (err = psc_kernel_get(k, va, "_MI_SYSTEM_PTE_TYPE."
					 "TotalSystemPtes", &ret->total)))
		return err;
	return psc_kernel_get(k, va, "_MI_SYSTEM_PTE_TYPE.TotalFreeSystemPtes",
			      &ret->unused);
}

static struct psc_error *read_ptes(const struct psc_kernel *k,
				   struct ptes *ret)
{
	uint64_t va;
	struct psc_error *err = visible_state(k, &va);

	if (!err)
		err = read_visible(k, va, ret);
	else if (psc_error_catch(&err, PSC_ERR_ABSENT))
		err = read_globals(k, ret);
	if (!err && ret->total > ret->space)
		err = psc_error_new(PSC_ERR_DAMAGED, "TotalSystemPtes %" PRIu64
				    " is more than the address space of %"
				    PRIu64 " pages", ret->total, ret->space);
	return err;
}

// The exact formula is not published: approximate (vm-and-windbg-output 2.5).
void psc_vm_read_ptes(const struct psc_analysis *a, struct psc_vm *vm)
{
	struct ptes p = { 0 };
	struct psc_error *err = read_ptes(a->kernel, &p);

	if (err) {
		psc_vm_fail(vm, PSC_VM_FREE_SYSTEM_PTES, err);
		return;
	}
	psc_vm_set(vm, PSC_VM_FREE_SYSTEM_PTES, p.space - p.total + p.unused +
		   p.views + p.stacks, "address space for system PTEs - "
		   "TotalSystemPtes + TotalFreeSystemPtes%s", p.has_kinds
		   ? " + those for views and kernel stacks" : "");
	vm->v[PSC_VM_FREE_SYSTEM_PTES].approximate = true;
}
