// SPDX-License-Identifier: MIT
#include "test.h"

#include <string.h>

#include "analysis/vm.h"
#include "pool/fake.h"

#define STATE UINT64_C(0xfffff80000100000)
#define PARTITION UINT64_C(0xfffff80000200000)
#define GLOBALS UINT64_C(0xfffff80000300000)

// Slots of the debugger block.
static struct slot {
	unsigned int offset;
	uint64_t va;
} slots[4];

bool psc_kernel_kdbg(const struct psc_kernel *k, unsigned int offset,
		     uint64_t *value)
{
	for (size_t i = 0; i < 4; i++) {
		if (slots[i].va && slots[i].offset == offset) {
			*value = slots[i].va;
			return true;
		}
	}
	return false;
}

uint64_t psc_kernel_base(const struct psc_kernel *k)
{
	return STATE;
}

uint64_t psc_kernel_size(const struct psc_kernel *k)
{
	return GLOBALS + 0x1000 - STATE;
}

static struct psc_analysis analysis(void)
{
	memset(slots, 0, sizeof(slots));
	fake_reset();
	fake_map(STATE, 0x1000);
	fake_map(PARTITION, 0x1000);
	fake_map(GLOBALS, 0x1000);
	return (struct psc_analysis){
		.kernel = fake_kernel(),
		.mem = fake_mem(),
	};
}

static const struct psc_vm_value *value(const struct psc_vm *vm,
					enum psc_vm_counter c)
{
	return &vm->v[c];
}

// Where a kernel has several, the first source of the row is read.
static void first_source_wins(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	fake_symbol("MiSystemPartition", PARTITION);
	fake_field("_MI_PARTITION.Vp.AvailablePages", 0x10, 8);
	fake_put(PARTITION + 0x10, 1234, 8);
	fake_global("MmAvailablePages", GLOBALS, 9999);
	fake_global("MmNumberOfPhysicalPages", GLOBALS + 8, 2097152);
	psc_vm_read_counters(&a, &vm);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_AVAILABLE), 1234);
	assert_string_equal(value(&vm, PSC_VM_AVAILABLE)->text,
			    "nt!MiSystemPartition.Vp.AvailablePages");
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_PHYSICAL_MEMORY), 2097152);
	assert_string_equal(value(&vm, PSC_VM_PHYSICAL_MEMORY)->text,
			    "nt!MmNumberOfPhysicalPages");
}

static void no_such_counter(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	psc_vm_read_counters(&a, &vm);
	for (int c = 0; c < PSC_VM_N_COUNTERS; c++)
		assert_int_equal(vm.v[c].state, PSC_VM_NONE);
}

// Unreadable is not absent, and never a number.
static void unreadable(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	fake_global("MmAvailablePages", GLOBALS, 5);
	fake_unmap(GLOBALS, PSC_VA_NOT_IN_DUMP);
	psc_vm_read_counters(&a, &vm);
	assert_int_equal(value(&vm, PSC_VM_AVAILABLE)->state,
			 PSC_VM_UNREADABLE);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_AVAILABLE), 0);
	assert_non_null(strstr(value(&vm, PSC_VM_AVAILABLE)->text,
			       "MmAvailablePages"));
}

static void units_and_signs(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	fake_global("MmMaximumNonPagedPoolInBytes", GLOBALS, 0x123456000);
	fake_global("MmSizeOfPagedPoolInBytes", GLOBALS + 8, 0x7000);
	fake_global("MmSizeOfPagedPoolInPages", GLOBALS + 16, 6);
	// A LONG with other memory behind it.
	fake_global("MmDriverCommit", GLOBALS + 24, 0xaaaaaaaa00000012);
	psc_vm_read_counters(&a, &vm);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_NONPAGED_MAX), 0x123456);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_PAGED_MAX), 6);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_DRIVER_COMMIT), 0x12);
	fake_put(GLOBALS + 24, 0xfffffffe, 4);
	psc_vm_read_counters(&a, &vm);
	assert_true(psc_vm_pages(&vm, PSC_VM_DRIVER_COMMIT) == (uint64_t)-2);
}

// Without names: a variable of the kernel, a list under its own name.
static void through_kdbg(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	fake_map(STATE - 0x10000, 0x1000);
	fake_put(STATE - 0x10000, 111, 8);
	fake_put(GLOBALS, 222, 8);
	fake_put(GLOBALS + 8, 3, 4);
	fake_put(GLOBALS + 0x10, 333, 8);
	fake_put(GLOBALS + 0x18, 3, 4);
	slots[0] = (struct slot){ 0x1a8, STATE - 0x10000 };
	slots[1] = (struct slot){ 0x198, GLOBALS };
	slots[2] = (struct slot){ 0x1a0, GLOBALS + 0x10 };
	slots[3] = (struct slot){ 0x150, GLOBALS };
	psc_vm_read_counters(&a, &vm);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_MODIFIED), 222);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_COMMITTED), 222);
	assert_int_equal(value(&vm, PSC_VM_AVAILABLE)->state,
			 PSC_VM_UNREADABLE);
	assert_non_null(strstr(value(&vm, PSC_VM_AVAILABLE)->text,
			       "outside the kernel"));
	assert_int_equal(value(&vm, PSC_VM_MODIFIED_NO_WRITE)->state,
			 PSC_VM_UNREADABLE);
	assert_non_null(strstr(value(&vm, PSC_VM_MODIFIED_NO_WRITE)->text,
			       "page list 3 instead of 4"));
}

// MiVisibleState is a pointer; it serves where MiState is not known.
static void through_the_pointer(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	fake_global("MiVisibleState", GLOBALS, STATE + 0x100);
	fake_field("_MI_VISIBLE_STATE.BootCommit", 0x20, 8);
	fake_put(STATE + 0x120, 77, 8);
	psc_vm_read_counters(&a, &vm);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_BOOT_COMMIT), 77);
	assert_string_equal(value(&vm, PSC_VM_BOOT_COMMIT)->text,
			    "nt!MiVisibleState->BootCommit");
}

static void bitmaps_are_a_sum(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_vm vm = { 0 };

	fake_symbol("MiState", STATE);
	fake_symbol("MiSystemPartition", PARTITION);
	fake_field("_MI_SYSTEM_INFORMATION.Vs.WsOverheadPages", 0, 8);
	fake_field("_MI_SYSTEM_INFORMATION.Vs.VadBitmapPages", 8, 8);
	fake_field("_MI_PARTITION.Vp.PageTableBitmapPages", 0, 8);
	fake_put(STATE, 1, 8);
	fake_put(STATE + 8, 20, 8);
	fake_put(PARTITION, 300, 8);
	psc_vm_read_counters(&a, &vm);
	assert_int_equal(psc_vm_pages(&vm, PSC_VM_VAD_BITMAPS), 321);
}

static void failures(void **state)
{
	struct psc_analysis a = analysis();
	struct psc_report *r;
	uint64_t n;

	fake_global("ExPoolFailures", GLOBALS, 7);
	fake_symbol("MiChargeCommitmentFailures", GLOBALS + 0x10);
	for (unsigned int i = 0; i < 4; i++)
		fake_put(GLOBALS + 0x10 + 4 * i, 1 + i, 4);
	fake_symbol("MmPoolFailures", GLOBALS + 0x20);
	for (unsigned int i = 0; i < 9; i++)
		fake_put(GLOBALS + 0x20 + 4 * i, i < 3 ? 1 : i < 6 ? 10 : 100,
			 4);
	fake_symbol("MmPoolFailureReasons", GLOBALS + 0x60);
	fake_put(GLOBALS + 0x60 + 4 * 10, 55, 4);
	CHECK_OK(psc_report_new(&r));
	psc_vm_fill_failures(&a, psc_report_root(r));
	const struct psc_value *f = psc_get(psc_report_root(r), "failures");
	assert_true(psc_get_uint(f, "pool_allocations", &n));
	assert_int_equal(n, 7);
	assert_true(psc_get_uint(f, "commit_requests", &n));
	assert_int_equal(n, 10);
	assert_true(psc_get_uint(f, "nonpaged_pool", &n));
	assert_int_equal(n, 3);
	assert_true(psc_get_uint(f, "paged_pool", &n));
	assert_int_equal(n, 30);
	assert_true(psc_get_uint(f, "session_pool", &n));
	assert_int_equal(n, 300);
	assert_true(psc_get_uint(f, "nonpaged_no_commit", &n));
	assert_int_equal(n, 55);
	assert_int_equal(psc_kind(psc_get(f, "kernel_stack_ptes")), PSC_NULL);
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_source_wins),
		cmocka_unit_test(no_such_counter),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(units_and_signs),
		cmocka_unit_test(through_kdbg),
		cmocka_unit_test(through_the_pointer),
		cmocka_unit_test(bitmaps_are_a_sum),
		cmocka_unit_test(failures),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
