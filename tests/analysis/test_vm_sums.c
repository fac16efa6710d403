// SPDX-License-Identifier: MIT
// Sums, sessions and system PTEs on a kernel made of arrays.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/vm.h"
#include "kernel/processor.h"
#include "pool/fake.h"

#define STATE UINT64_C(0xfffff80000100000)
#define GLOBALS UINT64_C(0xfffff80000300000)
#define SESSION UINT64_C(0xffffc00000001000)
#define OWN_ROOT UINT64_C(0x5000)

static struct psc_pool_usage usage;
static uint64_t own_session;	// readable through OWN_ROOT only

// --- the parts of the library that these sums ask ---------------------------

struct psc_error *psc_analysis_processes(struct psc_analysis *a,
					 const struct psc_processes **ret)
{
	*ret = a->processes;
	return NULL;
}

struct psc_error *psc_pool_usage_read(const struct psc_kernel *k,
				      struct psc_pool_usage *ret)
{
	*ret = usage;
	return NULL;
}

struct psc_error *psc_processors_read(const struct psc_kernel *k,
				      struct psc_processors *ret)
{
	*ret = (struct psc_processors){ 0 };
	return NULL;
}

void psc_processors_free(struct psc_processors *p)
{
}

struct psc_xlat psc_mem_translate(struct psc_mem *m, uint64_t va)
{
	const uint8_t *p;

	return (struct psc_xlat){
		.status = va == own_session ? PSC_VA_NOT_MAPPED
					    : psc_mem_page(m, va, NULL, &p),
	};
}

struct psc_error *psc_mem_with_root(const struct psc_mem *m, uint64_t root,
				    struct psc_mem **ret)
{
	assert_int_equal(root, OWN_ROOT);
	return psc_mem_clone(m, ret);
}

struct psc_error *psc_sym_constant(const struct psc_sym *s, const char *type,
				   const char *name, int64_t *ret)
{
	return &psc_absent;
}

// --- set-up ------------------------------------------------------------------

static struct psc_process process[3];
static struct psc_processes processes = { .v = process, .complete = true };

static struct psc_analysis analysis(void)
{
	fake_reset();
	memset(process, 0, sizeof(process));
	processes.n = 0;
	usage = (struct psc_pool_usage){ .complete = true };
	own_session = 0;
	fake_map(STATE, 0x1000);
	fake_map(GLOBALS, 0x1000);
	fake_map(SESSION, 0x2000);
	return (struct psc_analysis){
		.kernel = fake_kernel(), .mem = fake_mem(),
		.processes = &processes,
	};
}

static void add_process(uint64_t session)
{
	process[processes.n++] = (struct psc_process){
		.va = 0x100 + processes.n, .session = session,
		.has_commit = true, .directory_table_base = OWN_ROOT,
	};
}

static void session_fields(void)
{
	fake_field("_MM_SESSION_SPACE.SessionId", 8, 4);
	fake_field("_MM_SESSION_SPACE.NonPagablePages", 0x28, 8);
	fake_field("_MM_SESSION_SPACE.CommittedPages", 0x30, 8);
}

static void put_session(uint64_t va, uint64_t id, uint64_t nonpaged,
			uint64_t commit)
{
	fake_put(va + 8, id, 4);
	fake_put(va + 0x28, nonpaged, 8);
	fake_put(va + 0x30, commit, 8);
}

// --- PagedPool Commit --------------------------------------------------------

static void paged_commit(struct psc_analysis *a, struct psc_vm *vm,
			 uint64_t counter)
{
	*vm = (struct psc_vm){ 0 };
	usage.total.paged = 4321;
	psc_vm_set(vm, PSC_VM_PAGED_COMMIT, counter, "a counter");
	psc_vm_read_sums(a, vm);
	assert_true(psc_vm_known(vm, PSC_VM_PAGED_COMMIT));
}

static void paged_commit_that_is_an_address(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm;

	fake_put(GLOBALS + 0x918, 66288, 8);
	paged_commit(&a, &vm, GLOBALS + 0x918);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_PAGED_COMMIT), 66288);
	assert_non_null(strstr(vm.v[PSC_VM_PAGED_COMMIT].text, "address"));
	// Two addresses in a row, or memory that is not there: the usage.
	fake_put(GLOBALS + 0x918, GLOBALS, 8);
	paged_commit(&a, &vm, GLOBALS + 0x918);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_PAGED_COMMIT), 4321);
	paged_commit(&a, &vm, GLOBALS + 0x100000);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_PAGED_COMMIT), 4321);
	paged_commit(&a, &vm, 17);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_PAGED_COMMIT), 17);
}

// No header's number and no KPRCB: unknown, not 0.
static void no_processor_is_not_zero(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	psc_vm_read_sums(&a, &vm);
	assert_int_equal(vm.v[PSC_VM_PROCESSOR_COMMIT].state,
			 PSC_VM_UNREADABLE);
}

// --- sessions ----------------------------------------------------------------

static struct psc_report *report;

static const struct psc_value *fill(struct psc_analysis *a, struct psc_vm *vm)
{
	psc_report_free(report);
	CHECK_OK(psc_report_new(&report));
	*vm = (struct psc_vm){ 0 };
	psc_vm_fill_sessions(a, vm, psc_report_root(report));
	return psc_report_root(report);
}

static uint64_t figure(const struct psc_value *root, size_t i, const char *key)
{
	uint64_t v = UINT64_MAX;

	psc_get_uint(psc_at(psc_get(root, "sessions"), i, NULL), key, &v);
	return v;
}

// Descriptor pages where the session has a descriptor, else the count.
static void session_paged_pool(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm;

	session_fields();
	put_session(SESSION, 3, 79, 1621);
	add_process(SESSION);
	fake_field("_MM_SESSION_SPACE.PagedPoolInfo.AllocatedPagedPool", 0x40,
		   8);
	fake_put(SESSION + 0x40, 700, 8);
	const struct psc_value *root = fill(&a, &vm);
	assert_int_equal(figure(root, 0, "id"), 3);
	assert_int_equal(figure(root, 0, "paged_pool_bytes"), 700 * 4096);
	assert_int_equal(figure(root, 0, "nonpaged_bytes"), 316 * 1024);
	assert_int_equal(figure(root, 0, "commit_bytes"), 6484 * 1024);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_SESSION_COMMIT), 1621);

	fake_field("_MM_SESSION_SPACE.PagedPool.PagesAllocated", 0x50, 8);
	fake_field("_MM_SESSION_SPACE.PagedPool.PagesDeallocated", 0x58, 8);
	fake_field("_MM_SESSION_SPACE.PagedPool.BigPagesAllocated", 0x60, 8);
	fake_field("_MM_SESSION_SPACE.PagedPool.BigPagesDeallocated", 0x68, 8);
	root = fill(&a, &vm);	// an empty descriptor says nothing
	assert_int_equal(figure(root, 0, "paged_pool_bytes"), 700 * 4096);
	fake_put(SESSION + 0x50, 900, 8);
	fake_put(SESSION + 0x58, 100, 8);
	fake_put(SESSION + 0x60, 50, 8);
	fake_put(SESSION + 0x68, 20, 8);
	root = fill(&a, &vm);
	assert_int_equal(figure(root, 0, "paged_pool_bytes"), 830 * 4096);

	fake_field("_MM_SESSION_SPACE.PagedPool.TotalPages", 0x70, 4);
	fake_field("_MM_SESSION_SPACE.PagedPool.TotalBigPages", 0x74, 4);
	fake_put(SESSION + 0x70, 765, 4);
	root = fill(&a, &vm);
	assert_int_equal(figure(root, 0, "paged_pool_bytes"), 3060 * 1024);
}

static void session_of_its_own_space(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm;

	session_fields();
	put_session(SESSION, 1, 2, 30);
	add_process(SESSION);
	add_process(SESSION);	// once only
	own_session = SESSION;
	const struct psc_value *root = fill(&a, &vm);
	assert_int_equal(psc_count(psc_get(root, "sessions")), 1);
	assert_int_equal(figure(root, 0, "commit_bytes"), 30 * 4096);
}

// The others are shown; a sum without one is no sum.
static void session_that_is_missing(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm;

	session_fields();
	put_session(SESSION, 1, 2, 30);
	add_process(SESSION + 0x100000);
	add_process(SESSION);
	const struct psc_value *root = fill(&a, &vm);
	const struct psc_value *list = psc_get(root, "sessions");
	assert_int_equal(psc_count(list), 2);
	assert_int_equal(figure(root, 0, "commit_bytes"), 30 * 4096);
	assert_int_equal(psc_kind(psc_get(psc_at(list, 1, NULL), "id")),
			 PSC_NULL);
	assert_non_null(psc_get_str(psc_at(list, 1, NULL), "error"));
	assert_int_equal(vm.v[PSC_VM_SESSION_COMMIT].state, PSC_VM_UNREADABLE);
}

static void sessions_that_nobody_knows(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm;
	const struct psc_value *root = fill(&a, &vm);

	assert_null(psc_get(root, "sessions"));
	assert_non_null(psc_get_str(root, "sessions_error"));
	assert_int_equal(vm.v[PSC_VM_SESSION_COMMIT].state, PSC_VM_NONE);
	psc_report_free(report);
	report = NULL;
}

// --- system PTEs --------------------------------------------------------------

static void visible_state(void)
{
	fake_family(17763);
	fake_symbol("MiState", STATE);
	fake_field("_MI_SYSTEM_INFORMATION.Vs", 0x100, 0x100);
	fake_field("_MI_VISIBLE_STATE.SystemPteInfo.TotalSystemPtes", 0, 8);
	fake_field("_MI_VISIBLE_STATE.SystemPteInfo.TotalFreeSystemPtes", 8, 8);
	fake_put(STATE + 0x100, 500, 8);
	fake_put(STATE + 0x108, 120, 8);
	fake_field("_MI_SYSTEM_VA_ASSIGNMENT.BaseAddress", 0, 8);
	fake_field("_MI_SYSTEM_VA_ASSIGNMENT.NumberOfBytes", 8, 8);
}

static const struct psc_vm_value *ptes(const struct psc_analysis *a)
{
	static struct psc_vm vm;

	vm = (struct psc_vm){ 0 };
	psc_vm_read_ptes(a, &vm);
	return &vm.v[PSC_VM_FREE_SYSTEM_PTES];
}

static void system_ptes_of_all_kinds(void **state)
{
	struct psc_analysis a = analysis();
	const uint64_t space = 1ull << 32;

	visible_state();
	fake_field("_MI_VISIBLE_STATE.SystemVaRegions", 0x20, 16);
	assert_int_equal(ptes(&a)->pages, space - 500 + 120);
	assert_true(ptes(&a)->approximate);
	fake_field("_MI_SYSTEM_INFORMATION.SystemPtes.SystemViewPteInfo."
		   "TotalFreeSystemPtes", 0x40, 8);
	fake_field("_MI_SYSTEM_INFORMATION.SystemPtes.KernelStackPteInfo."
		   "TotalFreeSystemPtes", 0x48, 8);
	fake_put(STATE + 0x40, 1000, 8);
	fake_put(STATE + 0x48, 30000, 8);
	assert_int_equal(ptes(&a)->pages, space - 500 + 120 + 31000);
	assert_non_null(strstr(ptes(&a)->text, "kernel stacks"));
	fake_put(STATE + 0x100, space + 1, 8);
	assert_int_equal(ptes(&a)->state, PSC_VM_UNREADABLE);
}

// A kernel with regions whose table is not there has no 128 GB instead.
static void system_ptes_without_regions(void **state)
{
	struct psc_analysis a = analysis();

	visible_state();
	fake_field("_MI_VISIBLE_STATE.SystemVaRegions", 0x100000, 16);
	assert_int_equal(ptes(&a)->state, PSC_VM_UNREADABLE);
	a = analysis();
	fake_symbol("MiSystemPteInfo", GLOBALS);
	fake_field("_MI_SYSTEM_PTE_TYPE.TotalSystemPtes", 0, 4);
	fake_field("_MI_SYSTEM_PTE_TYPE.TotalFreeSystemPtes", 4, 4);
	fake_put(GLOBALS, 69661, 4);
	assert_int_equal(ptes(&a)->pages, 33554432 - 69661);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paged_commit_that_is_an_address),
		cmocka_unit_test(no_processor_is_not_zero),
		cmocka_unit_test(session_paged_pool),
		cmocka_unit_test(session_of_its_own_space),
		cmocka_unit_test(session_that_is_missing),
		cmocka_unit_test(sessions_that_nobody_knows),
		cmocka_unit_test(system_ptes_of_all_kinds),
		cmocka_unit_test(system_ptes_without_regions),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
