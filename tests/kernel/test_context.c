// SPDX-License-Identifier: MIT
// Registers: CONTEXT records of both machines.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "kernel/context.h"

static uint64_t value(const struct psc_registers *r, const char *name)
{
	for (unsigned int i = 0; i < r->n; i++) {
		if (strcmp(r->r[i].name, name) == 0)
			return r->r[i].v;
	}
	fail_msg("no register %s", name);
	return 0;
}

static void record(uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 8 <= n; i += 8)
		psc_put64(p + i, 0x1000 + i);
}

static void x64_record(void **state)
{
	uint8_t p[0x4d0];
	struct psc_registers r;

	record(p, sizeof(p));
	assert_true(psc_context_decode(PSC_ARCH_X64, p, sizeof(p), &r));
	assert_int_equal(r.n, 15);
	assert_int_equal(r.pc, 0x10f8);
	assert_int_equal(r.sp, 0x1098);
	assert_int_equal(value(&r, "rax"), 0x1078);
	assert_int_equal(value(&r, "rbx"), 0x1090);
	assert_int_equal(value(&r, "rdi"), 0x10b0);
	assert_int_equal(value(&r, "r15"), 0x10f0);
}

static void arm64_record(void **state)
{
	uint8_t p[0x390];
	struct psc_registers r;

	record(p, sizeof(p));
	assert_true(psc_context_decode(PSC_ARCH_ARM64, p, sizeof(p), &r));
	assert_int_equal(r.n, 31);
	assert_int_equal(r.pc, 0x1108);
	assert_int_equal(r.sp, 0x1100);
	assert_int_equal(value(&r, "x0"), 0x1008);
	assert_int_equal(value(&r, "x28"), 0x10e8);
	assert_int_equal(value(&r, "lr"), 0x10f8);
}

static void every_truncation_and_other_machines(void **state)
{
	struct psc_registers r = { .pc = 7 };

	for (size_t n = 0; n < 0x100; n++) {
		uint8_t *copy = calloc(1, n ? n : 1);

		assert_false(psc_context_decode(PSC_ARCH_X64, copy, n, &r));
		assert_false(psc_context_decode(PSC_ARCH_ARM64, copy, n, &r));
		free(copy);
	}
	uint8_t p[0x4d0] = { 0 };
	assert_false(psc_context_decode(PSC_ARCH_X86, p, sizeof(p), &r));
	assert_int_equal(r.pc, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x64_record),
		cmocka_unit_test(arm64_record),
		cmocka_unit_test(every_truncation_and_other_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
