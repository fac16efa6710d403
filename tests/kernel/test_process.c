// SPDX-License-Identifier: MIT
#include "test.h"

#include "fake_kernel.h"
#include "kernel/process.h"
#include "kernel/processor.h"

#define PROCESS(i) (0xffffa00000100000ULL + (uint64_t)(i) * 0x2000)
#define TABLE 0xffffa00000200010ULL

static struct fake_kernel f;
static struct psc_processes *ps;

static int setup(void **state)
{
	fk_init(&f);
	fk_known_image(&f);
	fk_kdbg(&f, f.kdbg, 0x380);
	fk_list_head(&f, f.modules);
	fk_list_head(&f, f.processes);
	// Published offsets of 19041.
	for (unsigned int i = 0; i < 3; i++) {
		fk_list_add(&f, f.processes,
			    i ? PROCESS(i - 1) + 0x448 : f.processes,
			    PROCESS(i) + 0x448);
		fake_w64(&f.m, PROCESS(i) + 0x28, 0x1000 * (i + 1));
		fake_w64(&f.m, PROCESS(i) + 0x440, 4 + 100 * i);
		fake_w64(&f.m, PROCESS(i) + 0x470, 0x110 + i);
		fake_w64(&f.m, PROCESS(i) + 0x478, 0x220 + i);
		fake_w64(&f.m, PROCESS(i) + 0x648, 1000 + i);
		fake_w64(&f.m, PROCESS(i) + 0x928, 50 + i);
		fake_write(&f.m, PROCESS(i) + 0x5a8, "fifteen-bytes.ex", 15);
		fake_map(&f.m, PROCESS(i) + 0x1000);
	}
	return 0;
}

static int teardown(void **state)
{
	psc_processes_free(ps);
	ps = NULL;
	fk_free(&f);
	return 0;
}

static void read_processes(void)
{
	fk_open(&f, NULL);
	CHECK_OK(psc_processes_read(f.k, &ps));
}

static void fields(void **state)
{
	fake_w64(&f.m, PROCESS(1) + 0x558, 0xffffa00000300000);
	read_processes();
	assert_true(ps->complete);
	assert_int_equal(ps->n, 3);
	const struct psc_process *p = &ps->v[1];
	assert_int_equal(p->va, PROCESS(1));
	assert_int_equal(p->pid, 104);
	assert_string_equal(p->name, "fifteen-bytes.e");
	assert_true(p->has_commit && p->has_shared_commit && p->has_quota);
	assert_int_equal(p->commit_pages, 1001);
	assert_int_equal(p->shared_commit_pages, 51);
	assert_int_equal(p->nonpaged_quota, 0x111);
	assert_int_equal(p->paged_quota, 0x221);
	assert_int_equal(p->directory_table_base, 0x2000);
	assert_int_equal(p->session, 0xffffa00000300000);
	// No object table: an ended process has no handles.
	assert_true(p->has_handles);
	assert_int_equal(p->handles, 0);
}

static void long_names(void **state)
{
	uint64_t info = 0xffffa00000210000;

	fake_w64(&f.m, PROCESS(0) + 0x5c0, info);
	fk_unicode(&f, info, info + 0x10,
		   "\\Device\\HarddiskVolume3\\a-name-of-more-than-fifteen.exe");
	fake_w64(&f.m, PROCESS(1) + 0x5c0, 0xffffb00000000000);
	fake_write(&f.m, PROCESS(2) + 0x5a8, "\x01\xff", 3);
	read_processes();
	assert_string_equal(ps->v[0].name, "a-name-of-more-than-fifteen.exe");
	assert_string_equal(ps->v[1].name, "fifteen-bytes.e");
	assert_string_equal(ps->v[2].name, "\\x01\\xff");
}

// _HANDLE_TABLE: FreeLists at 40, each 40 bytes with HandleCount at 18.
static void handles(void **state)
{
	fake_w64(&f.m, PROCESS(0) + 0x570, TABLE);
	for (unsigned int i = 0; i < 6; i++)
		fake_w32(&f.m, TABLE + 0x40 + i * 0x40 + 0x18,
			 i ? 10 : (uint32_t)-3);
	fake_w64(&f.m, PROCESS(1) + 0x570, 0xffffb00000000000);
	read_processes();
	// Four processors: no more than four lists.
	assert_true(ps->v[0].has_handles);
	assert_int_equal(ps->v[0].handles, 27);
	assert_false(ps->v[1].has_handles);
}

static void handle_lists_end_with_the_pool_block(void **state)
{
	fake_w64(&f.m, PROCESS(0) + 0x570, TABLE);
	for (unsigned int i = 0; i < 4; i++)
		fake_w32(&f.m, TABLE + 0x40 + i * 0x40 + 0x18, 10);
	// Pool header: (10 + 40 + 2*40) / 10 units, tag Obtb.
	fake_w32(&f.m, TABLE - 0x10, 0xd << 16);
	fake_w32(&f.m, TABLE - 0xc, 0x6274624f);
	read_processes();
	assert_int_equal(ps->v[0].handles, 20);
}

static void unreadable_process(void **state)
{
	fake_drop(&f.m, psc_le64(fake_entry(&f.m, PROCESS(1), 1)) >> 12 &
			0xfffff);
	read_processes();
	assert_false(ps->complete);
	assert_non_null(strstr(ps->why_incomplete, "PsActiveProcessHead"));
	assert_int_equal(ps->n, 2);
	assert_int_equal(ps->v[1].pid, 204);
	assert_int_equal(psc_mem_coverage(f.mem).structures_unreadable, 1);
}

static void cycle(void **state)
{
	fake_w64(&f.m, PROCESS(2) + 0x448, PROCESS(0) + 0x448);
	read_processes();
	assert_false(ps->complete);
	assert_int_equal(ps->n, 3);
}

static void no_layout(void **state)
{
	struct psc_pdb_id id = { .age = 1 };

	f.build = 12345;	// nor anything to borrow one from
	fk_image(&f, FK_BASE, &id);
	fk_open(&f, NULL);
	CHECK_ERR(psc_processes_read(f.k, &ps), PSC_ERR_ABSENT);
}

static void processors(void **state)
{
	struct psc_processors p;
	uint64_t array = FK_BASE + 0xcfdc80;

	for (unsigned int i = 0; i < 4; i++)
		fake_w64(&f.m, array + 8 * i, 0xffffa00000400180 + i * 0x10000);
	fake_w64(&f.m, array + 16, 0x1234);
	fk_open(&f, NULL);
	CHECK_OK(psc_processors_read(f.k, &p));
	assert_int_equal(p.n, 4);
	assert_false(p.complete);
	assert_int_equal(p.prcb[1], 0xffffa00000410180);
	assert_int_equal(p.prcb[2], 0);
	psc_processors_free(&p);
}

// A writer that left the number out: the slots in use.
static void processors_are_counted(void **state)
{
	struct psc_processors p;
	uint64_t array = FK_BASE + 0xcfdc80;

	f.processors = 0;
	for (unsigned int i = 0; i < 8; i++)
		fake_w64(&f.m, array + 8 * i, i < 3 ? 0xffffa00000400180 +
			 i * 0x10000 : 0);
	fk_open(&f, NULL);
	CHECK_OK(psc_processors_read(f.k, &p));
	assert_int_equal(p.n, 3);
	assert_true(p.complete);
	assert_int_equal(p.prcb[2], 0xffffa00000420180);
	psc_processors_free(&p);
}

static void processor_count_is_capped(void **state)
{
	struct psc_processors p;

	f.processors = UINT32_MAX;
	fk_open(&f, NULL);
	CHECK_OK(psc_processors_read(f.k, &p));
	assert_int_equal(p.n, PSC_MAX_PROCESSORS);
	assert_false(p.complete);
	psc_processors_free(&p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(fields),
		T(long_names),
		T(handles),
		T(handle_lists_end_with_the_pool_block),
		T(unreadable_process),
		T(cycle),
		T(no_layout),
		T(processors),
		T(processors_are_counted),
		T(processor_count_is_capped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
