// SPDX-License-Identifier: MIT
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "driver_checks.h"
#include "msf_make.h"
#include "sym/cabinet.h"
#include "sym/sym_open.h"

#define HEAD (36 + 8 + 16 + 6)	// header, folder, file, "a.pdb"

static size_t deflate_piece(const uint8_t *p, size_t at, size_t n,
			    uint8_t *out)
{
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9,
				      Z_DEFAULT_STRATEGY), Z_OK);
	if (at)
		deflateSetDictionary(&z, p + at - 32768, 32768);
	memcpy(out, "CK", 2);
	z.next_in = (Bytef *)(uintptr_t)(p + at);
	z.avail_in = (uInt)n;
	z.next_out = out + 2;
	z.avail_out = 40000;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t done = z.total_out + 2;
	deflateEnd(&z);
	return done;
}

/** A cabinet of one file; method 0 stored, 1 MSZIP. Exact-size heap block. */
static uint8_t *make_cabinet(const uint8_t *p, size_t n, uint16_t method,
			     size_t *size)
{
	size_t blocks = (n + 32767) / 32768, at = HEAD;
	uint8_t *cab = calloc(1, HEAD + blocks * 40016);

	memcpy(cab, "MSCF", 4);
	psc_put32(cab + 16, 44);	// file entry
	cab[24] = 3;
	cab[25] = 1;
	psc_put16(cab + 26, 1);
	psc_put16(cab + 28, 1);
	psc_put32(cab + 36, HEAD);	// folder: first block
	psc_put16(cab + 40, (uint16_t)blocks);
	psc_put16(cab + 42, method);
	psc_put32(cab + 44, (uint32_t)n);
	memcpy(cab + 60, "a.pdb", 6);
	for (size_t done = 0; done < n; done += 32768) {
		size_t piece = n - done < 32768 ? n - done : 32768;
		size_t packed = piece;
		if (method)
			packed = deflate_piece(p, done, piece, cab + at + 8);
		else
			memcpy(cab + at + 8, p + done, piece);
		psc_put16(cab + at + 4, (uint16_t)packed);
		psc_put16(cab + at + 6, (uint16_t)piece);
		at += 8 + packed;
	}
	psc_put32(cab + 8, (uint32_t)at);
	*size = at;
	return realloc(cab, at);
}

static uint8_t *sample(size_t n)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * i >> 7 ^ i / 100);
	return p;
}

static void both_methods(void **state)
{
	static const size_t sizes[] = { 1, 32768, 32769, 100000 };

	for (size_t i = 0; i < PSC_ARRAY_SIZE(sizes); i++) {
		for (uint16_t method = 0; method < 2; method++) {
			uint8_t *p = sample(sizes[i]);
			struct psc_unpacked u;
			size_t n;
			uint8_t *cab = make_cabinet(p, sizes[i], method, &n);
			CHECK_OK(psc_cabinet_unpack(cab, n, 1 << 20, &u));
			assert_int_equal(u.n, sizes[i]);
			assert_memory_equal(u.data, p, u.n);
			free(u.data);
			free(cab);
			free(p);
		}
	}
}

static void every_truncation(void **state)
{
	uint8_t *p = sample(40000);
	struct psc_unpacked u;
	size_t n;
	uint8_t *cab = make_cabinet(p, 40000, 1, &n);

	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);
		memcpy(copy, cab, cut);
		CHECK_ERR(psc_cabinet_unpack(copy, cut, 1 << 20, &u),
			  PSC_ERR_TRUNCATED);
		free(copy);
	}
	free(cab);
	free(p);
}

static void damage(size_t at, uint8_t value, enum psc_error_code code,
		   const char *says)
{
	uint8_t *p = sample(40000);
	struct psc_unpacked u;
	size_t n;
	uint8_t *cab = make_cabinet(p, 40000, 1, &n);

	cab[at] = value;
	struct psc_error *err = psc_cabinet_unpack(cab, n, 1 << 20, &u);
	assert_non_null(err);
	assert_int_equal(err->code, code);
	assert_non_null(strstr(err->message, says));
	psc_error_free(err);
	free(cab);
	free(p);
}

static void each_rule(void **state)
{
	damage(26, 0, PSC_ERR_DAMAGED, "no file");
	damage(30, 1, PSC_ERR_UNSUPPORTED, "set");
	damage(42, 3, PSC_ERR_UNSUPPORTED, "LZX");
	damage(42, 2, PSC_ERR_UNSUPPORTED, "Quantum");
	damage(42, 9, PSC_ERR_DAMAGED, "method");
	damage(48, 1, PSC_ERR_UNSUPPORTED, "first folder");
	damage(40, 1, PSC_ERR_TRUNCATED, "of 40000 bytes");
	damage(47, 0x40, PSC_ERR_LIMIT, "limit");
	damage(HEAD + 7, 0xff, PSC_ERR_DAMAGED, "one block");
	damage(HEAD + 8, 'X', PSC_ERR_DAMAGED, "unpacked");
	damage(HEAD + 60, 0xff, PSC_ERR_DAMAGED, "unpacked");
}

// A block of no bytes comes before there is any output.
static void an_empty_block(void **state)
{
	uint8_t *p = sample(10);
	struct psc_unpacked u;
	size_t n;
	uint8_t *cab = make_cabinet(p, 10, 1, &n);

	psc_put16(cab + HEAD + 6, 0);
	CHECK_ERR(psc_cabinet_unpack(cab, n, 1 << 20, &u), PSC_ERR_DAMAGED);
	free(cab);
	free(p);
}

static void a_compressed_pdb(void **state)
{
	char path[] = "/tmp/poolscope-XXXXXX";
	struct psc_sym *s;
	size_t n, n_cab;
	uint8_t *p = fixture_read("x64.pdb", &n);

	if (!p)
		skip();
	uint8_t *cab = make_cabinet(p, n, 1, &n_cab);
	int fd = mkstemp(path);
	assert_int_equal(write(fd, cab, n_cab), n_cab);
	close(fd);
	CHECK_OK(psc_sym_open_file(path, NULL, false, &s));
	check_driver(s, 8);
	psc_sym_free(s);
	unlink(path);
	free(cab);
	free(p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_methods),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(each_rule),
		cmocka_unit_test(an_empty_block),
		cmocka_unit_test(a_compressed_pdb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
