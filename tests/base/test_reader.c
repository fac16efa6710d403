// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/reader.h"

static const uint8_t bytes[] = { 1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
				 'h', 'i', 0 };

static struct psc_error *parse(struct psc_reader *r)
{
	struct psc_error *err;
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;
	const char *s;

	if ((err = psc_reader_u8(r, "a", &a)) ||
	    (err = psc_reader_u16(r, "b", &b)) ||
	    (err = psc_reader_u32(r, "c", &c)) ||
	    (err = psc_reader_u64(r, "d", &d)) ||
	    (err = psc_reader_cstr(r, "s", &s)))
		return err;
	assert_int_equal(a + b + c + d, 10);
	assert_string_equal(s, "hi");
	return NULL;
}

static void every_truncation_is_reported(void **state)
{
	for (size_t n = 0; n < sizeof(bytes); n++) {
		// Exact-size heap copy: a sanitizer sees a one-byte overread.
		uint8_t *copy = malloc(n ? n : 1);
		struct psc_reader r;

		memcpy(copy, bytes, n);
		psc_reader_init(&r, copy, n, PSC_WHERE_OFFSET, 0x100, "Thing");
		CHECK_ERR(parse(&r), PSC_ERR_TRUNCATED);
		free(copy);
	}
	struct psc_reader r;
	psc_reader_init(&r, bytes, sizeof(bytes), PSC_WHERE_OFFSET, 0, "Thing");
	CHECK_OK(parse(&r));
}

static void messages_name_structure_field_and_place(void **state)
{
	struct psc_reader r;
	uint32_t v;

	psc_reader_init(&r, bytes, 6, PSC_WHERE_OFFSET, 0x80, "Thing");
	CHECK_OK(psc_reader_skip(&r, "head", 3));
	struct psc_error *err = psc_reader_u32(&r, "Count", &v);
	assert_string_equal(err->message,
			    "Thing: Count at 0x83: need 4 bytes, have 3");
	assert_int_equal(err->where, 0x83);
	psc_error_free(err);
	assert_int_equal(r.pos, 3);

	psc_reader_init(&r, bytes, 8, PSC_WHERE_OFFSET, 0x80, "Thing");
	CHECK_OK(psc_reader_u32(&r, "Count", &v));
	err = psc_reader_error(&r, PSC_ERR_DAMAGED, "%u is odd", 3);
	assert_string_equal(err->message, "Thing: Count at 0x80: 3 is odd");
	psc_error_free(err);
	CHECK_ERR(psc_reader_seek(&r, "Next", UINT64_MAX), PSC_ERR_TRUNCATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_truncation_is_reported),
		cmocka_unit_test(messages_name_structure_field_and_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
