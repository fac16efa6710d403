// SPDX-License-Identifier: MIT
// Where each counter lies, era by era: the first source that exists is read
// (vm-and-windbg-output 2.1 to 2.5, newer-kernels 2.3). To add an era add its
// sources; offsets come from the kernel's own layouts.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/vm.h"
#include "base/bytes.h"

#define PAGE_BYTES_SHIFT 12
#define MAX_SOURCES 6

enum unit {
	PAGES,
	BYTES,
};

/** One candidate. Exactly one of @c symbol and @c kdbg is set. */
struct source {
	const char *symbol;	/**< Global; object when @c field is set. */
	const char *field;	/**< "Type.path" inside the object. */
	uint8_t bytes;		/**< Width of a plain global; 0: pointer. */
	bool indirect;		/**< The symbol is a pointer to the object. */
	bool is_signed;		/**< A plain global that is a LONG. */
	enum unit unit;
	uint16_t kdbg;		/**< Slot of KDBG that points to the variable. */
	uint8_t list;		/**< Of a list head: its ListName; else 0. */
};

#define VP(path) { .symbol = "MiSystemPartition", \
		   .field = "_MI_PARTITION." path }
#define VS(path) { .symbol = "MiState", \
		   .field = "_MI_SYSTEM_INFORMATION.Vs." path }, \
		 { .symbol = "MiVisibleState", .indirect = true, \
		   .field = "_MI_VISIBLE_STATE." path }
#define MI(path) { .symbol = "MiState", \
		   .field = "_MI_SYSTEM_INFORMATION." path }
#define GLOBAL(name) { .symbol = name }
#define IN(name, path) { .symbol = name, .field = path }
#define KDBG(slot) { .kdbg = slot }
#define KDBG_LIST(slot, name) { .kdbg = slot, .list = name }
#define POOL_FAILURES MI("Pools.PoolFailures"), \
		      { .symbol = "MmPoolFailures", .bytes = 4 }
#define POOL_REASONS MI("Pools.PoolFailureReasons"), \
		     { .symbol = "MmPoolFailureReasons", .bytes = 4 }

struct counter {
	enum psc_vm_counter id;
	struct source from[MAX_SOURCES];
};

static const struct counter counters[] = {
	{ PSC_VM_PHYSICAL_MEMORY,
	  { VP("Vp.NumberOfPhysicalPages"), GLOBAL("MmNumberOfPhysicalPages"),
	    KDBG(0xf8) } },
	{ PSC_VM_AVAILABLE,
	  { VP("Vp.AvailablePages"), GLOBAL("MmAvailablePages"),
	    KDBG(0x1a8) } },
	{ PSC_VM_RESIDENT_AVAILABLE,
	  { VP("Vp.ResidentAvailablePages"),
	    GLOBAL("MmResidentAvailablePages"), KDBG(0x1b0) } },
	{ PSC_VM_MODIFIED,
	  { VP("Vp.ModifiedPageListHead.Total"),
	    VP("Vp.ModifiedPageListHead.Core.Total"),
	    IN("MmModifiedPageListHead", "_MMPFNLIST.Total"),
	    KDBG_LIST(0x198, 3) } },
	{ PSC_VM_MODIFIED_PAGEFILE,
	  { VP("Vp.TotalPagesForPagingFile"),
	    GLOBAL("MmTotalPagesForPagingFile") } },
	{ PSC_VM_MODIFIED_NO_WRITE,
	  { VP("Vp.ModifiedNoWritePageListHead.Total"),
	    VP("Vp.ModifiedNoWritePageListHead.Core.Total"),
	    IN("MmModifiedNoWritePageListHead", "_MMPFNLIST.Total"),
	    KDBG_LIST(0x1a0, 4) } },
	{ PSC_VM_NONPAGED_MAX,
	  { VS("MaximumNonPagedPoolInPages"),
	    GLOBAL("MmMaximumNonPagedPoolInPages"),
	    { .symbol = "MmMaximumNonPagedPoolInBytes", .unit = BYTES },
	    { .kdbg = 0x100, .unit = BYTES } } },
	{ PSC_VM_PAGED_MAX,
	  { VS("SizeOfPagedPoolInPages"), GLOBAL("MmSizeOfPagedPoolInPages"),
	    { .symbol = "MmSizeOfPagedPoolInBytes", .unit = BYTES },
	    { .kdbg = 0x140, .unit = BYTES } } },
	{ PSC_VM_SHARED_COMMIT,
	  { VP("Vp.SharedCommit"), VS("SharedCommit"),
	    GLOBAL("MmSharedCommit"), KDBG(0x158) } },
	{ PSC_VM_SPECIAL_POOL,
	  { VS("SpecialPagesInUse"), GLOBAL("MmSpecialPagesInUse") } },
	{ PSC_VM_MDL_PAGES,
	  { VS("MdlPagesAllocated"), VP("Vp.MdlPagesAllocated"),
	    GLOBAL("MmMdlPagesAllocated") } },
	{ PSC_VM_CONTIGUOUS_PAGES,
	  { VS("ContiguousPagesAllocated"),
	    VP("Vp.ContiguousPagesAllocated") } },
	{ PSC_VM_PARTITION_PAGES,
	  { MI("Partitions.TotalPagesInChildPartitions") } },
	{ PSC_VM_AWE_PAGES,
	  { VP("Vp.VadPhysicalPages"), GLOBAL("MmVadPhysicalPages") } },
	{ PSC_VM_NONPAGED_COMMIT, { VS("NonPagedPoolCommit") } },
	{ PSC_VM_PAGED_COMMIT,
	  { VS("PagedPoolInfo.AllocatedPagedPool"),
	    GLOBAL("MmPagedPoolCommit"),
	    IN("MmPagedPoolInfo", "_MM_PAGED_POOL_INFO.AllocatedPagedPool") } },
	{ PSC_VM_DRIVER_COMMIT,
	  { VS("DriverCommit"),
	    { .symbol = "MmDriverCommit", .bytes = 4, .is_signed = true },
	    { .kdbg = 0x160, .bytes = 4, .is_signed = true } } },
	{ PSC_VM_BOOT_COMMIT, { VS("BootCommit") } },
	{ PSC_VM_PFN_ARRAY_COMMIT, { VS("PfnDatabaseCommit") } },
	{ PSC_VM_SMALL_PTES_COMMIT, { VS("SmallNonPagedPtesCommit") } },
	{ PSC_VM_SLAB_PAGES, { VP("Vp.SlabAllocatorPages") } },
	{ PSC_VM_SK_PAGES,
	  { VP("Core.NonChargedSecurePages"),
	    VP("Vp.SecureKernelPagesFromNonChargedSlabs") } },
	{ PSC_VM_SYSTEM_PAGE_TABLES, { VS("SystemPageTableCommit") } },
	{ PSC_VM_LOCKED_FILE_PAGES, { VP("Vp.ProcessLockedFilePages") } },
	{ PSC_VM_PAGEFILE_HASH, { VS("PagefileHashPages") } },
	{ PSC_VM_COMMITTED,
	  { VP("Vp.TotalCommittedPages"), GLOBAL("MmTotalCommittedPages"),
	    KDBG(0x150) } },
	{ PSC_VM_COMMIT_LIMIT,
	  { VP("Vp.TotalCommitLimit"), GLOBAL("MmTotalCommitLimit"),
	    KDBG(0x148) } },
	{ PSC_VM_PEAK_COMMIT,
	  { VP("Commit.PeakCommitment"), GLOBAL("MmPeakCommitment"),
	    KDBG(0x258) } },
	// The memory manager's own counts, to check pool usage against.
	{ PSC_VM_ALLOCATED_NONPAGED,
	  { MI("Pools.AllocatedNonPagedPool"),
	    GLOBAL("MmAllocatedNonPagedPool"), KDBG(0x250) } },
	{ PSC_VM_ALLOCATED_PAGED,
	  { VS("PagedPoolInfo.AllocatedPagedPool"),
	    IN("MmPagedPoolInfo", "_MM_PAGED_POOL_INFO.AllocatedPagedPool") } },
};

/** Counts of failures since boot. */
static const struct failure {
	const char *name;
	unsigned int skip, n;	/**< Elements to add up: 32-bit each. */
	struct source from[MAX_SOURCES];
} failures[] = {
	{ "pool_allocations", 0, 1,
	  { { .symbol = "ExPoolFailures", .bytes = 4 } } },
	{ "commit_requests", 0, 4,
	  { VP("Vp.ChargeCommitmentFailures"),
	    { .symbol = "MiChargeCommitmentFailures", .bytes = 4 } } },
	{ "system_ptes", 0, 1,
	  { VS("SystemPteInfo.PteFailures"),
	    IN("MiSystemPteInfo", "_MI_SYSTEM_PTE_TYPE.PteFailures") } },
	{ "system_view_ptes", 0, 1,
	  { MI("SystemPtes.SystemViewPteInfo.PteFailures"),
	    IN("MiSystemViewPteInfo", "_MI_SYSTEM_PTE_TYPE.PteFailures") } },
	{ "kernel_stack_ptes", 0, 1,
	  { MI("SystemPtes.KernelStackPteInfo.PteFailures"),
	    IN("MiKernelStackPteInfo", "_MI_SYSTEM_PTE_TYPE.PteFailures") } },
	{ "kernel_stack_growths", 0, 1,
	  { MI("SystemPtes.StackGrowthFailures"),
	    { .symbol = "MiStackGrowthFailures", .bytes = 4 } } },
	// [kind of pool][priority]
	{ "nonpaged_pool", 0, 3, { POOL_FAILURES } },
	{ "paged_pool", 3, 3, { POOL_FAILURES } },
	{ "session_pool", 6, 3, { POOL_FAILURES } },
	// why, in the order of the kernel's own enumeration (pool 6)
	{ "nonpaged_no_ptes", 0, 1, { POOL_REASONS } },
	{ "priority_too_low", 1, 1, { POOL_REASONS } },
	{ "nonpaged_no_pages_available", 2, 1, { POOL_REASONS } },
	{ "paged_no_ptes", 3, 1, { POOL_REASONS } },
	{ "session_paged_no_ptes", 4, 1, { POOL_REASONS } },
	{ "paged_no_pages_available", 5, 1, { POOL_REASONS } },
	{ "session_paged_no_pages_available", 6, 1, { POOL_REASONS } },
	{ "paged_no_commit", 7, 1, { POOL_REASONS } },
	{ "session_paged_no_commit", 8, 1, { POOL_REASONS } },
	{ "nonpaged_no_resident_available", 9, 1, { POOL_REASONS } },
	{ "nonpaged_no_commit", 10, 1, { POOL_REASONS } },
};

const char *psc_vm_counter_name(enum psc_vm_counter c)
{
	static const char *const names[] = {
#define X(id, name) [PSC_VM_##id] = name,
		PSC_VM_COUNTERS(X)
#undef X
	};
	return names[c];
}

uint64_t psc_vm_pages(const struct psc_vm *vm, enum psc_vm_counter c)
{
	return psc_vm_known(vm, c) ? vm->v[c].pages : 0;
}

bool psc_vm_known(const struct psc_vm *vm, enum psc_vm_counter c)
{
	return vm->v[c].state == PSC_VM_KNOWN;
}

void psc_vm_set(struct psc_vm *vm, enum psc_vm_counter c, uint64_t pages,
		const char *from, ...)
{
	struct psc_vm_value *v = &vm->v[c];
	va_list ap;

	v->state = PSC_VM_KNOWN;
	v->pages = pages;
	va_start(ap, from);
	vsnprintf(v->text, sizeof(v->text), from, ap);
	va_end(ap);
}

void psc_vm_fail(struct psc_vm *vm, enum psc_vm_counter c,
		 struct psc_error *err)
{
	struct psc_vm_value *v = &vm->v[c];

	v->state = err->code == PSC_ERR_ABSENT ? PSC_VM_NONE
					       : PSC_VM_UNREADABLE;
	snprintf(v->text, sizeof(v->text), "%s", err == &psc_absent
		 ? "this kernel has no such counter, or its layout is not known" : err->message);
	psc_error_free(err);
}

/** Where a source's value lies and how wide it is. */
struct place {
	uint64_t va;
	struct psc_field field;
};

// What a slot of KDBG points to is believed only where it can be a variable of
// the kernel, and a list only under its name: 19041 fills one slot with
// something else (vm-and-windbg-output 2.1, 2.7).
static struct psc_error *check_kdbg(const struct psc_kernel *k,
				    const struct source *s, uint64_t va)
{
	uint64_t base = psc_kernel_base(k), size = psc_kernel_size(k);
	uint32_t name;

	if (base && size && (va < base || va - base >= size))
		return psc_error_at(PSC_ERR_UNSUPPORTED, PSC_WHERE_ADDRESS, va,
				    "KDBG+0x%x points to 0x%" PRIx64 ", outside "
				    "the kernel", s->kdbg, va);
	if (!s->list)
		return NULL;
	// _MMPFNLIST: Total, then ListName.
	struct psc_error *err = psc_mem_u32(
		psc_kernel_mem(k), va + psc_kernel_pointer_size(k),
		"ListName", &name);
	if (!err && name != s->list)
		err = psc_error_at(PSC_ERR_UNSUPPORTED, PSC_WHERE_ADDRESS, va,
				   "KDBG+0x%x points to page list %" PRIu32
				   " instead of %u", s->kdbg, name, s->list);
	return err;
}

static struct psc_error *kdbg_place(const struct psc_kernel *k,
				    const struct source *s, struct place *ret)
{
	if (!psc_kernel_kdbg(k, s->kdbg, &ret->va))
		return &psc_absent;
	struct psc_error *err = check_kdbg(k, s, ret->va);
	if (err)
		return err;
	ret->field = (struct psc_field){
		.size = s->bytes ? s->bytes : psc_kernel_pointer_size(k),
		.is_signed = s->is_signed,
		.count = 1,
	};
	return NULL;
}

static struct psc_error *locate(const struct psc_kernel *k,
				const struct source *s, struct place *ret)
{
	struct psc_error *err;

	if (s->kdbg)
		return kdbg_place(k, s, ret);
	if ((err = psc_kernel_symbol(k, s->symbol, &ret->va)))
		return err;
	if (!s->field) {
		ret->field = (struct psc_field){
			.size = s->bytes ? s->bytes
					 : psc_kernel_pointer_size(k),
			.is_signed = s->is_signed,
			.count = 1,
		};
		return NULL;
	}
	// The layout first: a missing field needs no memory.
	if ((err = psc_kernel_field(k, s->field, &ret->field)))
		return err;
	if (s->indirect &&
	    (err = psc_kernel_pointer(k, ret->va, s->symbol, &ret->va)))
		return err;
	ret->va += ret->field.offset;
	return NULL;
}

static struct psc_error *load(const struct psc_analysis *a,
			      const struct place *p, const char *what,
			      uint64_t *ret)
{
	uint8_t buf[8] = { 0 };
	uint32_t size = p->field.size < 8 ? p->field.size : 8;
	struct psc_error *err = psc_mem_read_all(a->mem, p->va, buf, size, what);

	if (err)
		return err;
	*ret = psc_field_extract(&p->field, buf);
	if (p->field.is_signed && size == 4 && !p->field.bits)
		*ret = (uint64_t)(int64_t)(int32_t)*ret;
	return NULL;
}

// "nt!MiState.Vs.BootCommit": the symbol and the path inside its type.
static void describe(const struct source *s, char *out, size_t n)
{
	const char *path = s->field ? strchr(s->field, '.') : "";

	if (s->kdbg)
		snprintf(out, n, "KDBG+0x%x", s->kdbg);
	else
		snprintf(out, n, "nt!%s%s%s", s->symbol,
			 s->indirect ? "->" : "",
			 s->indirect && path ? path + 1 : path ? path : "");
}

// The first source that this kernel has. &psc_absent: none.
static struct psc_error *find_source(const struct psc_analysis *a,
				     const struct source *from,
				     struct place *place,
				     const struct source **ret)
{
	struct psc_error *first = &psc_absent;

	for (size_t i = 0; i < MAX_SOURCES; i++) {
		if (!from[i].symbol && !from[i].kdbg)
			break;
		struct psc_error *err = locate(a->kernel, &from[i], place);
		*ret = &from[i];
		if (!err || (err->code != PSC_ERR_ABSENT &&
			     err->code != PSC_ERR_UNSUPPORTED)) {
			psc_error_free(first);
			return err;
		}
		// Exists but is not proven: another way to it may be.
		if (err->code == PSC_ERR_UNSUPPORTED && first == &psc_absent)
			first = err;
		else
			psc_error_free(err);
	}
	return first;
}

static void read_counter(const struct psc_analysis *a, struct psc_vm *vm,
			 const struct counter *c)
{
	const struct source *s;
	struct place place;
	char what[120];
	uint64_t v = 0;
	struct psc_error *err = find_source(a, c->from, &place, &s);

	if (!err) {
		describe(s, what, sizeof(what));
		err = load(a, &place, what, &v);
	}
	if (err)
		psc_vm_fail(vm, c->id, err);
	else
		psc_vm_set(vm, c->id,
			   s->unit == BYTES ? v >> PAGE_BYTES_SHIFT : v, "%s",
			   what);
}

// VAD and page-table bitmaps: one counter on 7601 and 9600, three that belong
// together on 14393, none later.
static void read_bitmaps(const struct psc_analysis *a, struct psc_vm *vm)
{
	static const struct source parts[][MAX_SOURCES] = {
		{ VS("WsOverheadPages"), GLOBAL("MiWsOverheadPages") },
		{ VS("VadBitmapPages") },
		{ VP("Vp.PageTableBitmapPages") },
	};
	uint64_t sum = 0;
	size_t found = 0;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(parts); i++) {
		const struct source *s;
		struct place place;
		uint64_t v;
		struct psc_error *err = find_source(a, parts[i], &place, &s);

		if (psc_error_catch(&err, PSC_ERR_ABSENT))
			continue;
		if (!err)
			err = load(a, &place, "VAD bitmap pages", &v);
		if (err) {
			psc_vm_fail(vm, PSC_VM_VAD_BITMAPS, err);
			return;
		}
		sum += v;
		found++;
	}
	if (found)
		psc_vm_set(vm, PSC_VM_VAD_BITMAPS, sum, "%s", found > 1
			   ? "Vs.WsOverheadPages + Vs.VadBitmapPages + "
			     "Vp.PageTableBitmapPages"
			   : "nt!MiWsOverheadPages");
}

// From 20348 on child partitions are counted per node.
static void read_partition_nodes(const struct psc_analysis *a,
				 struct psc_vm *vm)
{
	static const struct source from[MAX_SOURCES] = {
		MI("Partitions.TotalNodePagesInChildPartitions"),
	};
	const struct source *s;
	struct place place;
	uint64_t sum = 0;

	if (vm->v[PSC_VM_PARTITION_PAGES].state != PSC_VM_NONE)
		return;
	struct psc_error *err = find_source(a, from, &place, &s);
	uint32_t count = err ? 0 : place.field.count;
	for (uint32_t i = 0; !err && i < count && i < PSC_POOL_MAX_NODES; i++) {
		uint64_t v;

		err = load(a, &place, s->field, &v);
		if (!err)
			sum += v;
		place.va += place.field.size;
	}
	if (err)
		psc_vm_fail(vm, PSC_VM_PARTITION_PAGES, err);
	else
		psc_vm_set(vm, PSC_VM_PARTITION_PAGES, sum, "sum of nt!MiState."
			   "Partitions.TotalNodePagesInChildPartitions");
}

void psc_vm_read_counters(const struct psc_analysis *a, struct psc_vm *vm)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(counters); i++)
		read_counter(a, vm, &counters[i]);
	read_bitmaps(a, vm);
	read_partition_nodes(a, vm);
}

static void fill_failure(const struct psc_analysis *a, const struct failure *f,
			 struct psc_value *o)
{
	const struct source *s;
	struct place place;
	uint64_t sum = 0;
	struct psc_error *err = find_source(a, f->from, &place, &s);

	for (unsigned int i = f->skip; !err && i < f->skip + f->n; i++) {
		uint32_t v;

		err = psc_mem_u32(a->mem, place.va + i * sizeof(v), f->name,
				  &v);
		if (!err)
			sum += v;
	}
	if (err)
		psc_set_null(o, f->name);
	else
		psc_set_uint(o, f->name, sum);
	psc_error_free(err);
}

void psc_vm_fill_failures(const struct psc_analysis *a, struct psc_value *o)
{
	struct psc_value *f = psc_set_object(o, "failures");

	for (size_t i = 0; i < PSC_ARRAY_SIZE(failures); i++)
		fill_failure(a, &failures[i], f);
}
