// SPDX-License-Identifier: MIT
#include "kernel/recover.h"

#include <time.h>

#include "recover_world.h"

// A kernel of the table is laid out in a machine of arrays, then hidden, and
// must be found again by what its memory says.

static struct psc_recovered *recover(struct world *w)
{
	struct psc_recovered *r;
	struct psc_recover_input in = {
		.mem = w->mem, .pe = &w->pe, .base = BASE, .size = SIZE,
		.kdbg = w->kdbg, .kdbg_size = sizeof(w->kdbg), .arch = "x64",
		.family = 19041, .version = "10.0.19041.3571",
		.processors = CPUS,
	};
	psc_builtin_hide(TRUE_VERSION, 20);
	struct psc_error *err = psc_recover(&in, &r);
	psc_builtin_hide(NULL, 0);
	CHECK_OK(err);
	return r;
}

static void done(struct psc_recovered *r)
{
	psc_sym_free(r->sym);
	psc_recovered_free(r);
}

static const struct psc_proof *proof(const struct psc_recovered *r,
				     const char *anchor)
{
	for (size_t i = 0; i < r->n_proofs; i++)
		if (!strcmp(r->proofs[i].anchor, anchor))
			return &r->proofs[i];
	fail_msg("no proof of %s", anchor);
	return NULL;
}

static void expect_proven(const struct psc_recovered *r, const char *anchor,
			  bool proven)
{
	const struct psc_proof *p = proof(r, anchor);
	assert_non_null(p->proof);
	if (p->proven != proven)
		fail_msg("%s: %s", anchor, p->proof);
}

static void expect_not_given(const struct psc_recovered *r, const char *path)
{
	struct psc_field f;
	CHECK_ERR(psc_sym_field(r->sym, path, &f), PSC_ERR_UNSUPPORTED);
}

static void finds_everything(void **state)
{
	(void)state;
	static const char *const names[] = {
		"MiSystemPartition", "MiVisibleState", "MiState",
		"ExPoolState", "PoolTrackTable", "ExPoolTagTables",
		"PoolBigPageTable", "PsActiveProcessHead", "KiProcessorBlock",
	};
	static const char *const paths[] = {
		"_MI_PARTITION.Vp.TotalCommittedPages",
		"_MI_PARTITION.Commit.PeakCommitment",
		"_MI_VISIBLE_STATE.DriverCommit",
		"_MI_SYSTEM_INFORMATION.Vs.DriverCommit",
		"_MI_SYSTEM_INFORMATION.SystemPtes.StackGrowthFailures",
		"_SEGMENT_HEAP.MemStats.TotalCommittedPages",
		"_POOL_TRACKER_TABLE.PagedBytes",
		"_POOL_TRACKER_BIG_PAGES.PoolType", "_EPROCESS.CommitCharge",
		"_KPRCB.CachedCommit", "_KTHREAD.StackBase",
		"_LIST_ENTRY.Blink", "_MMPTE.u.Soft.SwizzleBit",
	};
	struct world w;
	make_world(&w);
	struct psc_recovered *r = recover(&w);
	for (size_t i = 0; i < r->n_proofs; i++)
		expect_proven(r, r->proofs[i].anchor, true);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(names); i++) {
		uint64_t rva = 0;
		struct psc_error *err = psc_sym_rva(r->sym, names[i], &rva);
		if (err)
			fail_msg("%s: %s", names[i], err->message);
		if (BASE + rva != symbol(&w, names[i]))
			fail_msg("%s at 0x%llx", names[i],
				 (unsigned long long)rva);
	}
	for (size_t i = 0; i < PSC_ARRAY_SIZE(paths); i++) {
		struct psc_field f, want = field(&w, paths[i]);
		struct psc_error *err = psc_sym_field(r->sym, paths[i], &f);
		if (err)
			fail_msg("%s: %s", paths[i], err->message);
		assert_int_equal(f.offset, want.offset);
		assert_int_equal(f.size, want.size);
		assert_int_equal(f.bit, want.bit);
	}
	assert_int_equal(r->n_values, 3);
	assert_string_equal(r->values[0].name, "PoolTrackTableSize");
	assert_int_equal(r->values[0].value, TABLE_ENTRIES);
	assert_string_equal(psc_sym_source(r->sym), "recovered");
	assert_non_null(strstr(psc_sym_what(r->sym), "10.0.19041.3448"));
	done(r);
	free_world(&w);
}

/** What is not known is not given, and told from what does not exist. */
static void says_what_it_lacks(void **state)
{
	(void)state;
	struct world w;
	uint64_t rva;
	struct psc_field f;
	make_world(&w);
	struct psc_recovered *r = recover(&w);
	CHECK_ERR(psc_sym_rva(r->sym, "ExPoolFailures", &rva),
		  PSC_ERR_UNSUPPORTED);
	CHECK_ERR(psc_sym_rva(r->sym, "MmTotalCommittedPages", &rva),
		  PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_field(r->sym, "_MI_PARTITION.Vp.NoSuch", &f),
		  PSC_ERR_ABSENT);
	CHECK_ERR(psc_sym_field(r->sym, "_POOL_DESCRIPTOR.PoolType", &f),
		  PSC_ERR_ABSENT);
	done(r);
	free_world(&w);
}

static void second_partition(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	make_partition(&w, symbol(&w, "MiSystemPartition") + 0x3000);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiSystemPartition", false);
	assert_true(proof(r, "MiSystemPartition")->contradiction);
	expect_not_given(r, "_MI_PARTITION.Vp.TotalCommittedPages");
	expect_proven(r, "MiState", true);	// KDBG leads there
	done(r);
	free_world(&w);
}

/** A page count alone, without the rest of a partition, is no partition. */
static void stray_page_counts(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	for (unsigned int i = 0; i < 20; i++)
		fake_w64(&w.machine, BASE + DATA_RVA + 0x108 + 0x40 * i,
			 PAGES);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiSystemPartition", true);
	done(r);
	free_world(&w);
}

static void no_physical_pages(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	slot(&w, 0x270, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiSystemPartition", false);
	done(r);
	free_world(&w);
}

static void without_pte_slot(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	slot(&w, 0x170, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiVisibleState", true);
	assert_int_equal(proof(r, "MiVisibleState")->address,
			 symbol(&w, "MiVisibleState"));
	done(r);
	free_world(&w);
}

/** All that could tell the distance of MiState from its Vs is gone. */
static void state_without_pool(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	set(&w, symbol(&w, "MiState"),
	    "_MI_SYSTEM_INFORMATION.Pools.AllocatedNonPagedPool", 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiVisibleState", true);
	expect_proven(r, "MiState", false);
	expect_not_given(r, "_MI_SYSTEM_INFORMATION.Vs.DriverCommit");
	done(r);
	free_world(&w);
}

static void second_pointer_to_visible(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x200,
		 symbol(&w, "MiState") +
		 field(&w, "_MI_SYSTEM_INFORMATION.Vs").offset);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "MiVisibleState", false);
	expect_proven(r, "MiState", false);
	expect_not_given(r, "_MI_VISIBLE_STATE.DriverCommit");
	expect_not_given(r, "_MI_SYSTEM_INFORMATION.Vs.DriverCommit");
	done(r);
	free_world(&w);
}

/** A copy of the pool state whose heaps belong to the original. */
static void stale_pool_state(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	uint64_t heaps[4], node = field(&w, "_EX_POOL_HEAP_MANAGER_STATE."
					"PoolNode").offset;
	uint64_t copy = BASE + DATA_RVA + 0x40;
	assert_int_equal(psc_mem_read(w.mem, symbol(&w, "ExPoolState") + node,
				      heaps, sizeof(heaps), NULL),
			 sizeof(heaps));
	set(&w, copy, "_EX_POOL_HEAP_MANAGER_STATE.NumberOfPools", 1);
	fake_write(&w.machine, copy + node, heaps, sizeof(heaps));
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "ExPoolState", true);
	assert_int_equal(proof(r, "ExPoolState")->address,
			 symbol(&w, "ExPoolState"));
	done(r);
	free_world(&w);
}

static void damaged_tag_table(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w32(&w.machine, TABLES + 0x38 * 3, 0x12345678);
	fake_w32(&w.machine, TABLES + 0x38 * 2, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PoolTrackTable", false);
	expect_proven(r, "ExPoolTagTables", false);
	expect_not_given(r, "_POOL_TRACKER_TABLE.PagedBytes");
	done(r);
	free_world(&w);
}

/** Arrays that begin with the base table but go on with something else. */
static void decoy_arrays(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x300, TABLES);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x308, HEAPS);
	fake_w64(&w.machine, BASE + DATA_RVA + 0x310, TABLES);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "ExPoolTagTables", true);
	assert_int_equal(proof(r, "ExPoolTagTables")->address,
			 symbol(&w, "ExPoolTagTables"));
	done(r);
	free_world(&w);
}

static void fewer_tables_than_processors(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	fake_w64(&w.machine, symbol(&w, "ExPoolTagTables") + 16, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PoolTrackTable", true);
	expect_proven(r, "ExPoolTagTables", false);
	assert_non_null(strstr(proof(r, "ExPoolTagTables")->proof, "2 of 3"));
	done(r);
	free_world(&w);
}

/** A page of the last processor's table is not in the dump. */
static void table_with_a_hole(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	uint64_t last;
	assert_int_equal(psc_mem_read(w.mem, symbol(&w, "ExPoolTagTables") + 16,
				      &last, 8, NULL), 8);
	fake_set(&w.machine, last, 1, 0);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "ExPoolTagTables", true);
	assert_non_null(strstr(proof(r, "ExPoolTagTables")->proof, "2 of 3"));
	done(r);
	free_world(&w);
}

/** KDBG contradicts every layout: nothing of a process is given. */
static void unknown_process_size(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	psc_put16(w.kdbg + 0x2a8, 0xa48);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PsActiveProcessHead", false);
	struct psc_field f;
	CHECK_ERR(psc_sym_field(r->sym, "_EPROCESS.CommitCharge", &f),
		  PSC_ERR_UNSUPPORTED);
	done(r);
	free_world(&w);
}

static void wrong_system_process(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	set(&w, SYSTEM, "_EPROCESS.UniqueProcessId", 8);
	struct psc_recovered *r = recover(&w);
	expect_proven(r, "PsActiveProcessHead", false);
	done(r);
	free_world(&w);
}

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/** Data full of what every search follows must not cost without end. */
static void hostile_data(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	const uint64_t fill[] = {
		TABLES, BIG, HEAPS, symbol(&w, "MiSystemPartition"), PAGES,
		symbol(&w, "MiState") + 0x2600, 0x0000000100000001, TABLES,
	};
	for (uint64_t off = 0; off < 0x10000; off += 8)
		fake_w64(&w.machine, BASE + DATA_RVA + off,
			 fill[off / 8 % PSC_ARRAY_SIZE(fill)]);
	// A dense tag table: every probe would run through all of it.
	for (uint64_t off = 0; off < 0x200000; off += 4)
		if (off < BIG - TABLES)
			fake_w32(&w.machine, TABLES + off, 0x41414141);
	double start = cpu_seconds();
	struct psc_recovered *r = recover(&w);
	assert_true(cpu_seconds() - start < 5);
	expect_proven(r, "PoolTrackTable", false);
	done(r);
	free_world(&w);
}

static void nothing_to_go_by(void **state)
{
	(void)state;
	struct world w;
	make_world(&w);
	struct psc_recover_input in = {
		.mem = w.mem, .base = BASE, .size = SIZE, .arch = "x64",
		.family = 19041, .processors = 1,
	};
	struct psc_recovered *r;
	CHECK_OK(psc_recover(&in, &r));
	for (size_t i = 0; i < r->n_proofs; i++)
		expect_proven(r, r->proofs[i].anchor, false);
	done(r);
	in.family = 12345;
	CHECK_ERR(psc_recover(&in, &r), PSC_ERR_ABSENT);
	in.family = 19041;
	in.arch = "x86";
	CHECK_ERR(psc_recover(&in, &r), PSC_ERR_ABSENT);
	free_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_everything),
		cmocka_unit_test(says_what_it_lacks),
		cmocka_unit_test(second_partition),
		cmocka_unit_test(stray_page_counts),
		cmocka_unit_test(no_physical_pages),
		cmocka_unit_test(without_pte_slot),
		cmocka_unit_test(state_without_pool),
		cmocka_unit_test(second_pointer_to_visible),
		cmocka_unit_test(stale_pool_state),
		cmocka_unit_test(damaged_tag_table),
		cmocka_unit_test(decoy_arrays),
		cmocka_unit_test(fewer_tables_than_processors),
		cmocka_unit_test(table_with_a_hole),
		cmocka_unit_test(unknown_process_size),
		cmocka_unit_test(wrong_system_process),
		cmocka_unit_test(hostile_data),
		cmocka_unit_test(nothing_to_go_by),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
