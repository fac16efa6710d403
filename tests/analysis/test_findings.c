// SPDX-License-Identifier: MIT
// Thresholds of published guides, at and beside each limit.
#include "test.h"

#include <string.h>

#include "analysis/analysis.h"
#include "analysis/pooltag.h"
#include "analysis/vm.h"
#include "pool/fake.h"
#include "pool/tagtable.h"

#define GB_PAGES (1024ull * 1024 / 4)

static struct psc_vm vm;
static struct psc_report *report;

static struct psc_analysis analysis(void)
{
	fake_reset();
	memset(&vm, 0, sizeof(vm));
	psc_report_free(report);
	CHECK_OK(psc_report_new(&report));
	struct psc_value *root = psc_report_root(report);
	psc_set_object(root, "vm");
	return (struct psc_analysis){
		.kernel = fake_kernel(),
		.mem = fake_mem(),
		.vm = &vm,
		.root = root,
	};
}

// The finding's severity, or "" when it was not made.
static const char *severity(const char *code)
{
	const struct psc_value *list =
		psc_get(psc_report_root(report), "findings");

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *f = psc_at(list, i, NULL);

		if (strcmp(psc_get_str(f, "code"), code) == 0)
			return psc_get_str(f, "severity");
	}
	return "";
}

static const char *judge(struct psc_analysis *a, const char *code)
{
	CHECK_OK(psc_analyse_findings(a));
	return severity(code);
}

static void pool_against_its_maximum(void **state)
{
	static const struct {
		uint64_t used;
		const char *high, *exhausted;
	} t[] = {
		{ 59, "", "" }, { 60, "warning", "" }, { 79, "warning", "" },
		{ 80, "", "critical" }, { 100, "", "critical" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct psc_analysis a = analysis();

		psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 10000, "x");
		psc_vm_set(&vm, PSC_VM_NONPAGED_USAGE, t[i].used - 1, "x");
		psc_vm_set(&vm, PSC_VM_NONPAGED_NX_USAGE, 1, "x");
		psc_vm_set(&vm, PSC_VM_NONPAGED_MAX, 100, "x");
		assert_string_equal(judge(&a, "pool-high"), t[i].high);
		assert_string_equal(severity("pool-exhausted"),
				    t[i].exhausted);
	}
}

// A maximum of 16 TB never alarms: the machine's memory is the measure.
static void pool_against_memory(void **state)
{
	struct psc_analysis a = analysis();

	psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 64 * GB_PAGES, "x");
	psc_vm_set(&vm, PSC_VM_PAGED_MAX, 1ull << 32, "x");
	psc_vm_set(&vm, PSC_VM_PAGED_USAGE, GB_PAGES - 1, "x");
	assert_string_equal(judge(&a, "pool-large"), "");
	psc_vm_set(&vm, PSC_VM_PAGED_USAGE, GB_PAGES, "x");
	assert_string_equal(judge(&a, "pool-large"), "info");
	a = analysis();
	psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 64 * GB_PAGES, "x");
	psc_vm_set(&vm, PSC_VM_PAGED_MAX, 1ull << 32, "x");
	psc_vm_set(&vm, PSC_VM_PAGED_USAGE, 7 * GB_PAGES, "x");
	assert_string_equal(judge(&a, "pool-large"), "warning");
}

static void commit_and_memory(void **state)
{
	struct psc_analysis a = analysis();

	psc_vm_set(&vm, PSC_VM_COMMITTED, 7999, "x");
	psc_vm_set(&vm, PSC_VM_COMMIT_LIMIT, 10000, "x");
	assert_string_equal(judge(&a, "commit-high"), "");
	psc_vm_set(&vm, PSC_VM_COMMITTED, 8000, "x");
	assert_string_equal(judge(&a, "commit-high"), "warning");
	a = analysis();
	psc_vm_set(&vm, PSC_VM_COMMITTED, 9000, "x");
	psc_vm_set(&vm, PSC_VM_COMMIT_LIMIT, 10000, "x");
	psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 2000000, "x");
	psc_vm_set(&vm, PSC_VM_AVAILABLE, 200000, "x");
	assert_string_equal(judge(&a, "commit-high"), "critical");
	assert_string_equal(severity("memory-low"), "");
	psc_vm_set(&vm, PSC_VM_AVAILABLE, 199999, "x");
	assert_string_equal(judge(&a, "memory-low"), "warning");
	a = analysis();
	psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 2000000, "x");
	psc_vm_set(&vm, PSC_VM_AVAILABLE, 99999, "x");
	psc_vm_set(&vm, PSC_VM_FREE_SYSTEM_PTES, 7999, "x");
	assert_string_equal(judge(&a, "memory-low"), "critical");
	assert_string_equal(severity("ptes-low"), "critical");
}

static void failed_identities(void **state)
{
	struct psc_analysis a = analysis();

	fake_processors(4);
	psc_vm_set(&vm, PSC_VM_PROCESSOR_COMMIT, 1024, "x");
	psc_vm_set(&vm, PSC_VM_MISC_TRANSIENT, 5, "x");
	psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 100000, "x");
	psc_vm_set(&vm, PSC_VM_AVAILABLE, 50000, "x");
	psc_vm_set(&vm, PSC_VM_COMMIT_LIMIT, 150000, "x");
	vm.files_known = true;
	vm.n_files = 2;
	vm.file[0].current = 50000;
	vm.file[0].maximum = 60000;
	vm.file[1].current = 777;	// swapfile.sys does not count
	vm.file[1].is_swap = true;
	CHECK_OK(psc_analyse_findings(&a));
	assert_int_equal(psc_count(psc_get(a.root, "findings")), 0);

	psc_vm_set(&vm, PSC_VM_PROCESSOR_COMMIT, 1025, "x");
	psc_vm_set(&vm, PSC_VM_MISC_TRANSIENT, (uint64_t)-5, "x");
	vm.file[0].current = 49526;
	assert_string_equal(judge(&a, "vm-processor-commit"), "warning");
	assert_string_equal(severity("vm-commit-sum"), "warning");
	assert_string_equal(severity("vm-commit-limit"), "info");
	assert_string_equal(severity("page-file-full"), "");
	vm.file[0].maximum = vm.file[0].current;
	assert_string_equal(judge(&a, "page-file-full"), "warning");
	a = analysis();
	psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 100000, "x");
	psc_vm_set(&vm, PSC_VM_COMMIT_LIMIT, 150000, "x");
	vm.files_known = true;
	assert_string_equal(judge(&a, "vm-commit-limit"), "warning");

	a = analysis();
	psc_vm_set(&vm, PSC_VM_PHYSICAL_MEMORY, 8000000, "x");
	psc_vm_set(&vm, PSC_VM_PAGED_USAGE, 10000, "x");
	psc_vm_set(&vm, PSC_VM_ALLOCATED_PAGED, 9800, "x");
	vm.has_usage = vm.usage.complete = true;
	assert_string_equal(judge(&a, "vm-pool-usage"), "info");
}

static void set_row(struct psc_tag_row *r, const char *tag, uint64_t allocs,
		    uint64_t frees, uint64_t bytes)
{
	memset(r, 0, sizeof(*r));
	memcpy(&r->tag, tag, 4);
	r->nonpaged = (struct psc_tag_counts){ allocs, frees, bytes };
}

static void tags_that_stand_out(void **state)
{
	struct psc_tag_row rows[5];
	struct psc_tag_table table = {
		.v = rows, .n = 5, .counter_bits = 64, .complete = true,
	};
	struct psc_analysis a = analysis();

	set_row(&rows[0], "LkaL", 70000, 0, 900ull << 20);
	set_row(&rows[1], "File", 90000, 80000, 3 << 20);
	set_row(&rows[2], "FMfn", 10000, 0, 2 << 20);
	set_row(&rows[3], "Toke", 30000, 20000, 1 << 20);
	set_row(&rows[4], "Neg ", 5, 9, 0);
	a.tag_table = &table;
	assert_string_equal(judge(&a, "dominant-tag"), "warning");
	assert_string_equal(severity("no-frees"), "warning");
	assert_string_equal(severity("equal-counts"), "info");
	assert_string_equal(severity("negative-counter"), "warning");
	assert_int_equal(psc_count(psc_get(a.root, "next_steps")), 1);

	// Half is not more than half; a table with holes can be negative.
	a = analysis();
	a.tag_table = &table;
	table.complete = false;
	set_row(&rows[1], "File", 90000, 80001, 900ull << 20);
	rows[2].nonpaged.frees = 1;
	assert_string_equal(judge(&a, "dominant-tag"), "");
	assert_string_equal(severity("equal-counts"), "");
	assert_string_equal(severity("negative-counter"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pool_against_its_maximum),
		cmocka_unit_test(pool_against_memory),
		cmocka_unit_test(commit_and_memory),
		cmocka_unit_test(failed_identities),
		cmocka_unit_test(tags_that_stand_out),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	psc_report_free(report);
	fake_reset();
	return failed;
}
