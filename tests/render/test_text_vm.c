// SPDX-License-Identifier: MIT
// Published `!vm` outputs, rebuilt from their values and compared byte for
// byte (vm-and-windbg-output 1.4: V1 to V4).
#include "render/rendered.h"

#include <regex.h>
#include <string.h>

#include "base/bytes.h"

struct pages {
	const char *counter;
	uint64_t pages;
};

static struct psc_value *vm_of(struct psc_report *r, uint64_t flags,
			       const struct pages *p)
{
	struct psc_value *vm = psc_set_object(psc_report_root(r), "vm");

	psc_set_hex(vm, "flags", flags);
	for (; p->counter; p++) {
		struct psc_value *c = psc_set_object(vm, p->counter);
		psc_set_uint(c, "pages", p->pages);
	}
	return vm;
}

static void page_file(struct psc_value *vm, const char *name, uint64_t current,
		      uint64_t free_kb, uint64_t minimum, uint64_t maximum)
{
	struct psc_value *f = psc_add_object(psc_set_array(vm, "page_files"));

	psc_set_str(f, "name", name);
	psc_set_uint(f, "current_bytes", current * 1024);
	psc_set_uint(f, "free_bytes", free_kb * 1024);
	psc_set_uint(f, "minimum_bytes", minimum * 1024);
	psc_set_uint(f, "maximum_bytes", maximum * 1024);
}

static const struct pages v1[] = {
	{ "physical_memory", 2844914 },
	{ "available", 666710 },
	{ "resident_available", 2714282 },
	{ "locked_io", 0 },
	{ "free_system_ptes", 4294977138 },
	{ "modified", 12504 },
	{ "modified_pagefile", 12461 },
	{ "modified_no_write", 0 },
	{ "nonpaged_pool_usage", 272 },
	{ "nonpaged_pool_nx_usage", 33612 },
	{ "nonpaged_pool_max", 4294967296 },
	{ "paged_pool_usage", 66288 },
	{ "paged_pool_max", 4294967296 },
	{ "processor_commit", 741 },
	{ "session_commit", 208 },
	{ "shared_commit", 1417735 },
	{ "special_pool", 0 },
	{ "kernel_stacks", 14874 },
	{ "mdl_pages", 3008 },
	{ "contiguous_pages", 4 },
	{ "partition_pages", 0 },
	{ "awe_pages", 0 },
	{ "nonpaged_pool_commit", 35482 },
	{ "paged_pool_commit", 18446735282293205272u },
	{ "driver_commit", 13223 },
	{ "boot_commit", 4899 },
	{ "pfn_array_commit", 34410 },
	{ "small_nonpaged_ptes_commit", 462 },
	{ "slab_allocator_pages", 4608 },
	{ "sk_pages_in_uncharged_slabs", 7380 },
	{ "system_page_tables", 1115 },
	{ "process_locked_file_pages", 14 },
	{ "pagefile_hash_pages", 106 },
	{ "sum_system_commit", 18446735282294738933u },
	{ "total_private", 754817 },
	{ "committed", 2355436 },
	{ "commit_limit", 5990642 },
	{ NULL, 0 },
};

static const char v1_text[] =
	"Page File: \\??\\C:\\pagefile.sys\n"
	"  Current:  12582912 Kb  Free Space:  12527296 Kb\n"
	"  Minimum:  12582912 Kb  Maximum:     12582912 Kb\n"
	"Page File: \\??\\C:\\swapfile.sys\n"
	"  Current:    262144 Kb  Free Space:    223824 Kb\n"
	"  Minimum:    262144 Kb  Maximum:      6289836 Kb\n"
	"No Name for Paging File\n"
	"  Current:  16776136 Kb  Free Space:  16095604 Kb\n"
	"  Minimum:  16776136 Kb  Maximum:     16776136 Kb\n"
	"\n"
	"Physical Memory:          2844914 (   11379656 Kb)\n"
	"Available Pages:           666710 (    2666840 Kb)\n"
	"ResAvail Pages:           2714282 (   10857128 Kb)\n"
	"Locked IO Pages:                0 (          0 Kb)\n"
	"Free System PTEs:      4294977138 (17179908552 Kb)\n"
	"\n"
	"******* 73746 kernel stack PTE allocations have failed ******\n"
	"\n"
	"Modified Pages:             12504 (      50016 Kb)\n"
	"Modified PF Pages:          12461 (      49844 Kb)\n"
	"Modified No Write Pages:        0 (          0 Kb)\n"
	"NonPagedPool Usage:           272 (       1088 Kb)\n"
	"NonPagedPoolNx Usage:       33612 (     134448 Kb)\n"
	"NonPagedPool Max:      4294967296 (17179869184 Kb)\n"
	"PagedPool Usage:            66288 (     265152 Kb)\n"
	"PagedPool Maximum:     4294967296 (17179869184 Kb)\n"
	"Processor Commit:             741 (       2964 Kb)\n"
	"Session Commit:               208 (        832 Kb)\n"
	"Shared Commit:            1417735 (    5670940 Kb)\n"
	"Special Pool:                   0 (          0 Kb)\n"
	"Kernel Stacks:              14874 (      59496 Kb)\n"
	"Pages For MDLs:              3008 (      12032 Kb)\n"
	"ContigMem Pages:                4 (         16 Kb)\n"
	"Partition Pages:                0 (          0 Kb)\n"
	"Pages For AWE:                  0 (          0 Kb)\n"
	"NonPagedPool Commit:        35482 (     141928 Kb)\n"
	"PagedPool Commit:  18446735282293205272 (18446708908044166240 Kb)\n"
	"Driver Commit:              13223 (      52892 Kb)\n"
	"Boot Commit:                 4899 (      19596 Kb)\n"
	"PFN Array Commit:           34410 (     137640 Kb)\n"
	"SmallNonPagedPtesCommit:      462 (       1848 Kb)\n"
	"SlabAllocatorPages:          4608 (      18432 Kb)\n"
	"SkPagesInUnchargedSlabs:     7380 (      29520 Kb)\n"
	"System PageTables:           1115 (       4460 Kb)\n"
	"ProcessLockedFilePages:        14 (         56 Kb)\n"
	"Pagefile Hash Pages:          106 (        424 Kb)\n"
	"Sum System Commit: 18446735282294738933 (18446708908050300884 Kb)\n"
	"Total Private:             754817 (    3019268 Kb)\n"
	"\n"
	"********** Sum of individual system commit + Process commit exceeds "
	"overall commit by 18446708908043898408 Kb ? ********\n"
	"Committed pages:          2355436 (    9421744 Kb)\n"
	"Commit limit:             5990642 (   23962568 Kb)\n";

static void v1_windows_11(void **state)
{
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 1, v1);
	page_file(vm, "\\??\\C:\\pagefile.sys", 12582912, 12527296, 12582912,
		  12582912);
	page_file(vm, "\\??\\C:\\swapfile.sys", 262144, 223824, 262144,
		  6289836);
	page_file(vm, NULL, 16776136, 16095604, 16776136, 16776136);
	psc_set_uint(psc_set_object(vm, "failures"), "kernel_stack_ptes",
		     73746);
	check_rendered(r, "vm", v1_text);
	psc_report_free(r);
}

static const struct {
	const char *name;
	uint64_t base, bytes;
} v2_regions[] = {
	{ "PfnDatabase", 0xffff830000000000, 0x38000000000 },
	{ "Cfg", 0xffff873a7f879fe0, 0x28000000000 },
	{ "Session", 0xffff8b0000000000, 0x8000000000 },
	{ "SecureNonPagedPool", 0xffffd00000000000, 0x8000000000 },
};

static void v2_failures_and_regions(void **state)
{
	static const struct pages p[] = {
		{ "free_system_ptes", 4295077047 },
		{ "modified", 57837 },
		{ NULL, 0 },
	};
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 0x21, p);
	struct psc_value *failures = psc_set_object(vm, "failures");
	psc_set_uint(failures, "kernel_stack_ptes", 67968);
	psc_set_uint(failures, "kernel_stack_growths", 247785920);
	for (size_t i = 0; i < 4; i++) {
		struct psc_value *g =
			psc_add_object(psc_set_array(vm, "regions"));
		psc_set_str(g, "name", v2_regions[i].name);
		psc_set_hex(g, "base", v2_regions[i].base);
		psc_set_uint(g, "bytes", v2_regions[i].bytes);
	}
	check_contains(r, "vm",
		"Free System PTEs:      4295077047 (17180308188 Kb)\n"
		"\n"
		"******* 67968 kernel stack PTE allocations have failed ******\n"
		"\n"
		"\n"
		"******* 247785920 kernel stack growth attempts have failed "
		"******\n"
		"\n"
		"Modified Pages:             57837 (     231348 Kb)\n");
	check_contains(r, "vm",
		"\nSystem Region               Base Address    NumberOfBytes\n"
		"\n"
		"PfnDatabase           : ffff830000000000      38000000000\n"
		"Cfg                   : ffff873a7f879fe0      28000000000\n"
		"Session               : ffff8b0000000000       8000000000\n"
		"SecureNonPagedPool    : ffffd00000000000       8000000000\n");
	psc_report_free(r);
}

static void v3_two_nodes(void **state)
{
	static const struct pages p[] = {
		{ "nonpaged_pool_usage", 239 },
		{ "nonpaged_pool_nx_usage", 30120 },
		{ "nonpaged_pool_max", 4294967296 },
		{ "paged_pool_usage", 37783 },
		{ NULL, 0 },
	};
	static const uint64_t nodes[2][3] = {
		{ 231, 17887, 21987 }, { 8, 12233, 15796 },
	};
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 1, p);
	for (size_t i = 0; i < 2; i++) {
		struct psc_value *n = psc_add_object(psc_set_array(vm, "nodes"));
		psc_set_uint(n, "node", i);
		psc_set_uint(n, "nonpaged_pages", nodes[i][0]);
		psc_set_uint(n, "nonpaged_nx_pages", nodes[i][1]);
		psc_set_uint(n, "paged_pages", nodes[i][2]);
	}
	check_contains(r, "vm",
		"NonPagedPool    0:            231 (        924 Kb)\n"
		"NonPagedPoolNx  0:          17887 (      71548 Kb)\n"
		"NonPagedPool    1:              8 (         32 Kb)\n"
		"NonPagedPoolNx  1:          12233 (      48932 Kb)\n"
		"NonPagedPool Usage:           239 (        956 Kb)\n"
		"NonPagedPoolNx Usage:       30120 (     120480 Kb)\n"
		"NonPagedPool Max:      4294967296 (17179869184 Kb)\n"
		"PagedPool  0:               21987 (      87948 Kb)\n"
		"PagedPool  1:               15796 (      63184 Kb)\n"
		"PagedPool Usage:            37783 (     151132 Kb)\n");
	psc_report_free(r);
}

static void add_process(struct psc_value *vm, uint64_t pid, const char *name,
			uint64_t commit_kb)
{
	struct psc_value *p = psc_add_object(psc_set_array(vm, "processes"));

	psc_set_uint(p, "pid", pid);
	psc_set_str(p, "name", name);
	psc_set_uint(p, "commit_pages", commit_kb / 4);
	psc_set_uint(p, "shared_commit_pages", 0);
	psc_set_uint(p, "nonpaged_quota_bytes", 2048);
	psc_set_uint(p, "paged_quota_bytes", 4096);
	psc_set_uint(p, "handles", 7);
}

// Equal commit: the kernel's list decides, not the pid that sorts the report.
static void equal_commit_in_list_order(void **state)
{
	static const struct pages p[] = { { NULL, 0 } };
	static const struct {
		uint64_t pid, index;
		const char *name;
	} v[] = { { 4, 2, "a.exe" }, { 8, 0, "b.exe" }, { 12, 1, "c.exe" } };
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 0, p);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(v); i++) {
		add_process(vm, v[i].pid, v[i].name, 8);
		const struct psc_value *list = psc_get(vm, "processes");
		psc_set_uint((struct psc_value *)psc_at(list, i, NULL),
			     "list_index", v[i].index);
	}
	char *text = rendered(r, "vm");
	regex_t order;
	assert_int_equal(regcomp(&order, "b\\.exe.*c\\.exe.*a\\.exe", REG_NOSUB),
			 0);
	assert_int_equal(regexec(&order, text, 0, NULL, 0), 0);
	regfree(&order);
	free(text);
	psc_report_free(r);
}

static void v4_windows_7(void **state)
{
	static const struct pages p[] = {
		{ "nonpaged_pool_usage", 28106 },
		{ "nonpaged_pool_max", 382974 },
		{ "paged_pool_usage", 33184 },
		{ "paged_pool_max", 33554432 },
		{ "processor_commit", 186 },
		{ "session_commit", 5662 },
		{ "shared_commit", 18111 },
		{ NULL, 0 },
	};
	static const uint64_t paged[] = { 26504, 3823, 962, 926, 969 };
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 0, p);
	for (size_t i = 0; i < 5; i++)
		psc_set_uint(psc_add_object(psc_set_array(vm, "paged_pools")),
			     "pages", paged[i]);
	add_process(vm, 4, "System", 112);
	add_process(vm, 0xd4, "smss.exe", 368);
	add_process(vm, 0x11c, "svchost.exe", 63236);
	add_process(vm, 0x454, "dwm.exe", 80020);
	add_process(vm, 0x6b4, "chrome.exe", 88540);
	add_process(vm, 0x6b8, "dead.exe", 0);
	add_process(vm, 0x1228, "chrome.exe", 24752);
	check_contains(r, "vm",
		"NonPagedPool Usage:         28106 (     112424 Kb)\n"
		"NonPagedPool Max:          382974 (    1531896 Kb)\n"
		"PagedPool  0:               26504 (     106016 Kb)\n"
		"PagedPool  1:                3823 (      15292 Kb)\n"
		"PagedPool  2:                 962 (       3848 Kb)\n"
		"PagedPool  3:                 926 (       3704 Kb)\n"
		"PagedPool  4:                 969 (       3876 Kb)\n"
		"PagedPool Usage:            33184 (     132736 Kb)\n"
		"PagedPool Maximum:       33554432 (  134217728 Kb)\n"
		"Processor Commit:             186 (        744 Kb)\n"
		"Session Commit:              5662 (      22648 Kb)\n"
		"Shared Commit:              18111 (      72444 Kb)\n");
	check_contains(r, "vm",
		"\n  Pid ImageName                        Commit   SharedCommit"
		"        Debt\n\n"
		"  6b4 chrome.exe                     88540 Kb           0 Kb"
		"        0 Kb\n"
		"  454 dwm.exe                        80020 Kb           0 Kb"
		"        0 Kb\n"
		"  11c svchost.exe                    63236 Kb           0 Kb"
		"        0 Kb\n"
		" 1228 chrome.exe                     24752 Kb           0 Kb"
		"        0 Kb\n"
		"   d4 smss.exe                         368 Kb           0 Kb"
		"        0 Kb\n"
		"    4 System                           112 Kb           0 Kb"
		"        0 Kb\n");
	psc_report_free(r);
}

static void sessions_and_quota(void **state)
{
	static const struct pages p[] = { { NULL, 0 } };
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 5, p);
	psc_set_bool(vm, "quota", true);
	add_process(vm, 4, "System", 112);
	struct psc_value *s = psc_add_object(psc_set_array(vm, "sessions"));
	psc_set_uint(s, "id", 0);
	psc_set_hex(s, "address", 0xfffff88002dfa000);
	psc_set_uint(s, "paged_pool_bytes", 3060 * 1024);
	psc_set_uint(s, "nonpaged_bytes", 316 * 1024);
	psc_set_uint(s, "commit_bytes", 6484 * 1024);
	check_contains(r, "vm",
		"    4 System                             2 Kb         4 Kb"
		"          7\n"
		"\nTerminal Server Memory Usage By Session:\n"
		"\n"
		"Session ID 0 @ fffff88002dfa000:\n"
		"Paged Pool Usage:     3060 Kb\n"
		"NonPaged Usage:        316 Kb\n"
		"Commit Usage:         6484 Kb\n"
		"\n"
		"Session Summary\n"
		"Paged Pool Usage:     3060 Kb\n"
		"NonPaged Usage:        316 Kb\n"
		"Commit Usage:         6484 Kb\n");
	psc_report_free(r);
}

static void sessions_that_are_missing(void **state)
{
	static const struct pages p[] = { { NULL, 0 } };
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 0x25, p);
	psc_set_str(vm, "sessions_error", "nobody knows");
	psc_set_array(vm, "regions");
	psc_set_str(vm, "regions_error", "no table");
	char *text = rendered(r, "vm");
	assert_null(strstr(text, "Session Summary"));
	assert_null(strstr(text, "System Region"));
	assert_non_null(strstr(text, "poolscope: no regions: no table\n"));
	assert_non_null(strstr(text, "poolscope: no sessions: nobody knows\n"));
	free(text);
	psc_set_bool(vm, "quota", true);
	add_process(vm, 4, "System", 112);
	struct psc_value *process = (struct psc_value *)psc_at(
		psc_get(vm, "processes"), 0, NULL);
	psc_set_null(process, "handles");
	psc_set_null(process, "paged_quota_bytes");
	struct psc_value *s = psc_add_object(psc_set_array(vm, "sessions"));
	psc_set_null(s, "id");
	psc_set_hex(s, "address", 0xfffff88002dfa000);
	psc_set_str(s, "error", "not in the dump");
	check_contains(r, "vm",
		"    4 System                             2 Kb         ? Kb"
		"          ?\n"
		"\nTerminal Server Memory Usage By Session:\n"
		"\n"
		"Session @ fffff88002dfa000:\n"
		"poolscope: not readable, not in the dump\n"
		"\n"
		"Session Summary (of those that are readable)\n");
	psc_report_free(r);
}

// Which figures are estimates is said below them.
static void approximate_is_told(void **state)
{
	static const struct pages p[] = {
		{ "kernel_stacks", 5 }, { "free_system_ptes", 6 }, { NULL, 0 },
	};
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 1, p);
	psc_set_bool(psc_set_object(vm, "kernel_stacks"), "approximate", true);
	psc_set_bool(psc_set_object(vm, "free_system_ptes"), "approximate",
		     true);
	psc_set_str(vm, "page_files_error", "one lies");
	check_contains(r, "vm", "Kb)\n\npoolscope: approximate: Free System "
		       "PTEs, Kernel Stacks\n"
		       "poolscope: page files are missing: one lies\n");
	psc_report_free(r);
}

// No counter: 0 as the original prints, or the line left out. Unreadable:
// never a number.
static void unknown_is_not_zero(void **state)
{
	static const struct pages p[] = { { NULL, 0 } };
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 1, p);
	psc_set_null(vm, "boot_commit");
	psc_set_null(vm, "pfn_array_commit");
	psc_set_null(psc_set_object(vm, "driver_commit"), "pages");
	psc_set_null(psc_set_object(vm, "small_nonpaged_ptes_commit"), "pages");
	check_contains(r, "vm",
		"Driver Commit:                  ? (          ? Kb)\n"
		"Boot Commit:                    0 (          0 Kb)\n"
		"SmallNonPagedPtesCommit:        ? (          ? Kb)\n");
	psc_report_free(r);
}

static void excessive_nonpaged(void **state)
{
	static const struct pages p[] = {
		{ "nonpaged_pool_usage", 79 },
		{ "nonpaged_pool_nx_usage", 1 },
		{ "nonpaged_pool_max", 100 },
		{ NULL, 0 },
	};
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	struct psc_value *vm = vm_of(r, 1, p);
	psc_set_uint(psc_set_object(vm, "failures"), "pool_allocations", 3);
	check_contains(r, "vm",
		"NonPagedPool Max:             100 (        400 Kb)\n"
		"********** Excessive NonPaged Pool Usage *****\n"
		"PagedPool Usage:                0 (          0 Kb)\n"
		"PagedPool Maximum:              0 (          0 Kb)\n"
		"\n********** 3 pool allocations have failed **********\n\n");
	psc_report_free(r);
}

static void failed_identity_is_told(void **state)
{
	static const struct pages p[] = { { NULL, 0 } };
	struct psc_report *r;

	CHECK_OK(psc_report_new(&r));
	psc_set_str(vm_of(r, 1, p), "pool_usage_incomplete", "no such page");
	struct psc_value *f = psc_add_object(
		psc_set_array(psc_report_root(r), "findings"));
	psc_set_str(f, "code", "vm-commit-limit");
	psc_set_str(f, "text", "the commit limit differs");
	psc_add_str(psc_set_array(f, "evidence"), "/vm/commit_limit");
	f = psc_add_object(psc_set_array(psc_report_root(r), "findings"));
	psc_set_str(f, "code", "tag-growth");
	psc_set_str(f, "text", "not of this view");
	psc_add_str(psc_set_array(f, "evidence"), "/poolused/tags/0");
	check_contains(r, "vm", "Kb)\n\npoolscope: pool usage is a "
		       "lower bound: no such page\n"
		       "poolscope: the commit limit differs\n");
	char *text = rendered(r, "vm");
	assert_null(strstr(text, "not of this view"));
	free(text);
	psc_report_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1_windows_11),
		cmocka_unit_test(v2_failures_and_regions),
		cmocka_unit_test(v3_two_nodes),
		cmocka_unit_test(v4_windows_7),
		cmocka_unit_test(equal_commit_in_list_order),
		cmocka_unit_test(sessions_and_quota),
		cmocka_unit_test(sessions_that_are_missing),
		cmocka_unit_test(approximate_is_told),
		cmocka_unit_test(unknown_is_not_zero),
		cmocka_unit_test(excessive_nonpaged),
		cmocka_unit_test(failed_identity_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
