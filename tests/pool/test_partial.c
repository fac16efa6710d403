// SPDX-License-Identifier: MIT
// Pieces of pool in a triage dump: keys come from the pieces themselves, a
// block is only called in use when the structure around it says so.
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "collect.h"
#include "encode.h"
#include "fake.h"
#include "kernel/module.h"
#include "pool/view.h"

#define VS UINT64_C(0xffff9a8013400000)
#define LFH UINT64_C(0xffff9a8013500000)
#define STRAY UINT64_C(0xffff9a8013600000)
#define DRIVER UINT64_C(0xfffff80012340000)
#define VS_PAGES 16u
#define N_BLOCKS 40u
#define TAG_VS TAG('V', 's', 'b', 'l')
#define TAG_LFH TAG('L', 'f', 'h', 'b')
#define TAG_STRAY TAG('S', 't', 'r', 'y')
#define PROCESS UINT64_C(0xffff9a8011112080)

static struct collect got;
static uint64_t block_va[N_BLOCKS];
static bool modules_fail;

// --- the module list: one driver, whose data is no pool ----------------------

struct psc_error *psc_modules_read(const struct psc_kernel *k, bool details,
				   struct psc_modules **ret)
{
	if (modules_fail)
		return psc_error_new(PSC_ERR_DAMAGED, "no modules");
	*ret = calloc(1, sizeof(**ret));
	assert_non_null(*ret);
	return NULL;
}

void psc_modules_free(struct psc_modules *m)
{
	free(m);
}

const struct psc_module *psc_module_at(const struct psc_modules *m,
				       uint64_t va)
{
	static const struct psc_module driver;

	return va - DRIVER < 0x10000 ? &driver : NULL;
}

// --- memory ------------------------------------------------------------------

/** 40 VS blocks; the second half of the subsegment may be missing. */
static uint8_t *put_vs(void)
{
	uint8_t *p = fake_map(VS, VS_PAGES * PSC_PAGE_SIZE);
	struct enc_vs e;

	enc_vs_begin(&e, p, VS, VS_PAGES);
	for (unsigned int i = 0; i < N_BLOCKS; i++) {
		block_va[i] = enc_vs_alloc(&e, 0x210 + i * 0x10,
					   i & 1 ? 0x03 : 0x02, TAG_VS);
		if (i % 5 == 4)
			enc_vs_free(&e, 3 + i);
	}
	enc_vs_end(&e);
	return p;
}

/** Two LFH subsegments of two pages; blocks 3, 5 and 60 are busy, 4 was and
 *  is free now. */
static void put_lfh(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t va = LFH + i * 0x10000;
		uint8_t *p = fake_map(va, 2 * PSC_PAGE_SIZE);

		enc_lfh(p, va, 2, 0x60);
		enc_lfh_alloc(p, va, 3, 0x02, TAG_LFH);
		enc_lfh_alloc(p, va, 4, 0x02, TAG_LFH);
		enc_lfh_alloc(p, va, 5, 0x02, TAG_LFH);
		enc_lfh_alloc(p, va, 60, 0x02, TAG_LFH);
		p[0x30 + 1] &= (uint8_t)~1u;	// block 4
	}
}

/** A block aligned to a cache line: its two headers tell the cookie. */
static void put_aligned(uint8_t *p, uint64_t va)
{
	enc_header(p, 0, 0x5a, 0x20, 0x02, TAG_VS, 0);
	psc_put64(p + 0x10, (va + 0x30) ^ COOKIE);
	enc_header(p + 0x30, 3, 0x5a, 0x1d, 0x06, TAG_VS, 0);
}

static struct psc_pool_view *view_of(uint32_t family)
{
	struct psc_pool_view *v = NULL;

	fake_family(family);
	fake_sparse();
	CHECK_OK(psc_pool_view_open(fake_kernel(), &v));
	const struct psc_view_info *info = psc_pool_view_info(v);
	assert_true(info->partial);
	assert_false(info->complete);
	return v;
}

static struct psc_walk walk(struct psc_pool_view *v)
{
	struct psc_sink sink = collect_sink(&got);
	struct psc_walk w = { 0 };

	CHECK_OK(psc_pool_walk(v, &sink, 1, NULL, &w));
	assert_int_equal(w.blocks, got.n_blocks);
	assert_false(w.complete);
	return w;
}

static const struct psc_block *block_at(uint64_t va)
{
	for (unsigned int i = 0; i < got.n_blocks; i++) {
		if (got.b[i].va == va)
			return &got.b[i];
	}
	return NULL;
}

static unsigned int count(enum psc_block_owner owner,
			  enum psc_block_state state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < got.n_blocks; i++)
		n += got.b[i].owner == owner && got.b[i].state == state;
	return n;
}

static void begin(void)
{
	fake_reset();
	modules_fail = false;
}

// --- tests -------------------------------------------------------------------

static void keys_and_blocks_of_pieces(void **state)
{
	begin();
	put_vs();
	put_lfh();
	struct psc_pool_view *v = view_of(19041);
	const struct psc_pool_keys *k = &psc_pool_view_info(v)->keys;
	assert_true(k->has_heap);
	assert_int_equal(k->heap_key, HEAP_KEY);
	assert_int_equal(k->heap_mask, UINT64_MAX);
	assert_true(k->has_lfh);
	assert_int_equal(k->lfh_key, LFH_KEY & 0xffffffff);
	assert_false(k->has_cookie);
	struct psc_walk w = walk(v);
	assert_int_equal(count(PSC_OWNER_VS, PSC_BLOCK_IN_USE), N_BLOCKS);
	for (unsigned int i = 0; i < N_BLOCKS; i++) {
		const struct psc_block *b = block_at(block_va[i]);

		assert_non_null(b);
		assert_int_equal(b->bytes, 0x210 + i * 0x10);
		assert_int_equal(b->pool, i & 1 ? PSC_POOL_PAGED
						: PSC_POOL_NONPAGED);
	}
	assert_int_equal(count(PSC_OWNER_LFH, PSC_BLOCK_IN_USE), 6);
	assert_int_equal(count(PSC_OWNER_LFH, PSC_BLOCK_FREE), 2);
	assert_int_equal(w.n, 3);	// and where parts of both lie
	assert_true(w.v[0].st.free >= 2 * 0x60);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** The chunk header of a block that others of its subsegment surround. */
static void a_broken_header_of_a_subsegment(void **state)
{
	begin();
	uint8_t *p = put_vs();
	uint64_t bad = block_va[11];
	p[bad - VS + 2] ^= 0x08;		// BlockSize
	bad = block_va[21];
	p[bad - 0x10 - VS + 4] ^= 0x02;		// UnsafePrevSize
	struct psc_pool_view *v = view_of(19041);
	struct psc_walk w = walk(v);
	assert_int_equal(got.n_faults, 2);
	for (unsigned int i = 0; i < 2; i++) {
		const struct psc_fault *f = &got.f[i];
		bool size = f->rule == PSC_V6;

		assert_true(size || f->rule == PSC_V3);
		assert_int_equal(f->va, size ? block_va[11]
					     : block_va[21] - 0x10);
		assert_int_equal(__builtin_popcountll(f->expected ^ f->found),
				 1);
	}
	// The place of the subsegment is known, though no list gives it.
	struct psc_place at;
	psc_pool_locate(v, block_va[11], &at);
	assert_true(at.found);
	assert_int_equal(at.unit.va, VS);
	assert_int_equal(at.unit.kind, PSC_UNIT_VS);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** Headers by chance: counted, but never as memory in use. */
static void headers_that_nothing_confirms(void **state)
{
	begin();
	put_vs();
	uint8_t *p = fake_map(STRAY, PSC_PAGE_SIZE);
	enc_header(p + 0x100, 0, 0x5a, 0x10, 0x02, TAG_STRAY, 0);
	enc_header(p + 0x180, 0, 0x5a, 0x10, 0x23, TAG_STRAY, 0);
	enc_header(p + 0x308, 0, 0x5a, 0x10, 0x02, TAG_STRAY, 0); // unaligned
	p = fake_map(DRIVER, PSC_PAGE_SIZE);
	enc_header(p + 0x100, 0, 0x5a, 0x10, 0x02, TAG_STRAY, 0);
	struct psc_pool_view *v = view_of(19041);
	struct psc_walk w = walk(v);
	assert_int_equal(count(PSC_OWNER_VS, PSC_BLOCK_UNATTRIBUTED), 2);
	assert_int_equal(block_at(STRAY + 0x100)->state,
			 PSC_BLOCK_UNATTRIBUTED);
	assert_int_equal(block_at(STRAY + 0x180)->pool, PSC_POOL_SESSION);
	assert_null(block_at(DRIVER + 0x100));
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** Where no block of the subsegment begins, or of another size. */
static void headers_beside_the_blocks_of_a_subsegment(void **state)
{
	begin();
	put_lfh();
	uint8_t *p = fake_map(STRAY, PSC_PAGE_SIZE);
	unsigned int n = enc_lfh(p, STRAY, 1, 0x60);
	uint64_t at = enc_lfh_alloc(p, STRAY, 5, 0x02, TAG_STRAY);
	p[at - STRAY + 2] = 5;			// 0x50 bytes
	at = enc_lfh_alloc(p, STRAY, n - 4, 0x02, TAG_STRAY);
	memmove(p + (at - STRAY) + 0x10, p + (at - STRAY), 16);
	memset(p + (at - STRAY), 0, 16);
	struct psc_pool_view *v = view_of(19041);
	assert_true(psc_pool_view_info(v)->keys.has_lfh);
	struct psc_walk w = walk(v);
	// The busy blocks there break their rule; what lies in them is data.
	unsigned int broken = 0;
	for (unsigned int i = 0; i < got.n_faults; i++)
		broken += got.f[i].rule == PSC_F5 && got.f[i].va - STRAY <
						     PSC_PAGE_SIZE;
	assert_int_equal(broken, 2);
	assert_int_equal(count(PSC_OWNER_VS, PSC_BLOCK_UNATTRIBUTED), 0);
	assert_int_equal(count(PSC_OWNER_LFH, PSC_BLOCK_IN_USE), 7);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** A header inside a block that is known is that block's data. */
static void data_of_a_block_is_not_looked_at(void **state)
{
	begin();
	uint8_t *p = put_vs();
	enc_header(p + (block_va[2] + 0x80 - VS), 0, 0x5a, 4, 0x02, TAG_STRAY,
		   0);
	struct psc_pool_view *v = view_of(19041);
	struct psc_walk w = walk(v);
	assert_null(block_at(block_va[2] + 0x80));
	assert_int_equal(count(PSC_OWNER_VS, PSC_BLOCK_IN_USE), N_BLOCKS);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** Each field of the chunk header must fit the block behind it. */
static void a_chunk_that_does_not_fit(void **state)
{
	static const struct {
		unsigned int byte, flip;
	} t[] = {
		{ 0, 1 },	// crosses pages, as only free chunks may
		{ 2, 1 },	// another size
		{ 6, 1 },	// free
		{ 7, 1 },	// a byte that is always zero
		{ 9, 2 },	// bits that do not exist
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(t); i++) {
		begin();
		uint8_t *p = put_vs() + (block_va[10] - 0x10 - VS);
		p[t[i].byte] ^= (uint8_t)t[i].flip;
		struct psc_pool_view *v = view_of(19041);
		struct psc_walk w = walk(v);
		// Its neighbours tell what it should say.
		assert_int_equal(got.n_faults, 1);
		assert_int_equal(got.f[0].va, block_va[10] - 0x10);
		assert_int_equal(got.f[0].rule, i < 4 ? PSC_V2 : PSC_V4);
		assert_int_equal(block_at(block_va[10])->state,
				 PSC_BLOCK_IN_USE);
		assert_int_equal(count(PSC_OWNER_VS, PSC_BLOCK_IN_USE),
				 N_BLOCKS);
		psc_walk_free(&w);
		psc_pool_view_free(v);
	}
}

/** A page of special pool; its owner wrote one byte too many. */
static void a_page_of_special_pool(void **state)
{
	begin();
	put_vs();
	uint8_t *p = fake_map(STRAY, PSC_PAGE_SIZE);
	memset(p, 0x5c, PSC_PAGE_SIZE);
	memset(p, 0, 0x10);
	psc_put32(p, 0x123 | 0x5c << 16);
	psc_put32(p + 4, TAG_STRAY);
	memset(p + PSC_PAGE_SIZE - 0x130, 'x', 0x124);
	struct psc_pool_view *v = view_of(19041);
	struct psc_walk w = walk(v);
	const struct psc_block *b = block_at(STRAY + PSC_PAGE_SIZE - 0x130);
	assert_non_null(b);
	assert_int_equal(b->owner, PSC_OWNER_SPECIAL);
	assert_int_equal(b->bytes, 0x123);
	assert_int_equal(got.n_faults, 1);
	assert_int_equal(got.f[0].rule, PSC_X1);
	assert_int_equal(got.f[0].field_va, STRAY + PSC_PAGE_SIZE - 0xd);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** Too few headers for a vote: nothing is in use, and a note says why. */
static void without_a_key(void **state)
{
	begin();
	uint8_t *p = fake_map(VS, PSC_PAGE_SIZE);
	struct enc_vs e;
	enc_vs_begin(&e, p, VS, 1);
	for (unsigned int i = 0; i < 6; i++)
		enc_vs_alloc(&e, 0x100, 0x02, TAG_VS);
	enc_vs_end(&e);
	struct psc_pool_view *v = view_of(0);
	assert_int_equal(psc_pool_view_info(v)->design, PSC_POOL_SEGMENT);
	assert_false(psc_pool_view_info(v)->keys.has_heap);
	size_t n = psc_pool_view_n_notes(v);
	assert_int_equal(n, 2);
	assert_non_null(strstr(psc_pool_view_note(v, n - 1), "too few"));
	struct psc_walk w = walk(v);
	assert_int_equal(count(PSC_OWNER_VS, PSC_BLOCK_UNATTRIBUTED), 6);
	assert_int_equal(w.v[0].st.in_use, 0);
	assert_int_equal(w.v[0].st.unattributed, 0x600);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** The payer of quota; a pointer that is no process is not given. */
static void payers_by_the_recovered_cookie(void **state)
{
	begin();
	uint8_t *p = put_vs();
	uint64_t payer = block_va[0], odd = block_va[2];
	put_aligned(fake_map(STRAY, PSC_PAGE_SIZE), STRAY);
	// One pair of headers gives the cookie, most payers confirm it.
	for (unsigned int i = 5; i < 8; i++) {
		p[block_va[i] - VS + 3] |= 8;
		psc_put64(p + (block_va[i] - VS) + 8,
			  PROCESS ^ block_va[i] ^ COOKIE);
	}
	p[payer - VS + 3] |= 8;
	psc_put64(p + (payer - VS) + 8, PROCESS ^ payer ^ COOKIE);
	p[odd - VS + 3] |= 8;
	psc_put64(p + (odd - VS) + 8, 0x1234 ^ odd ^ COOKIE);
	struct psc_pool_view *v = view_of(19041);
	assert_true(psc_pool_view_info(v)->keys.has_cookie);
	assert_int_equal(psc_pool_view_info(v)->keys.cookie, COOKIE);
	struct psc_walk w = walk(v);
	assert_int_equal(block_at(payer)->process, PROCESS);
	assert_int_equal(block_at(odd)->process, 0);
	assert_int_equal(block_at(odd)->state, PSC_BLOCK_IN_USE);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

/** What is this address: the blocks that are stored of its page. */
static void one_address(void **state)
{
	struct psc_place place;

	begin();
	put_vs();
	struct psc_pool_view *v = view_of(19041);
	struct psc_sink sink = collect_sink(&got);
	psc_pool_locate(v, block_va[3] + 0x20, &place);
	assert_true(place.found);
	CHECK_OK(psc_pool_visit(v, &place, block_va[3] + 0x20, &sink));
	assert_non_null(block_at(block_va[3]));
	// The whole subsegment, as of a dump with pages.
	assert_non_null(block_at(block_va[30]));
	psc_pool_locate(v, STRAY, &place);
	assert_false(place.found);
	assert_int_equal(place.status, PSC_VA_NOT_MAPPED);
	psc_pool_view_free(v);
}

static void an_unreadable_module_list_is_told(void **state)
{
	struct psc_walk w = { 0 };

	begin();
	put_vs();
	struct psc_pool_view *v = view_of(19041);
	struct psc_sink sink = collect_sink(&got);
	modules_fail = true;
	CHECK_ERR(psc_pool_walk(v, &sink, 1, NULL, &w), PSC_ERR_DAMAGED);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

// --- classic -----------------------------------------------------------------

static void put_chain(uint64_t va, unsigned int type, unsigned int blocks)
{
	uint8_t *p = fake_map(va, PSC_PAGE_SIZE);
	unsigned int units = 0x100 / blocks;

	for (unsigned int i = 0; i < blocks; i++)
		enc_header(p + i * units * 16, i ? units : 0, 0, units, type,
			   TAG('C', 'h', 'n', '0' + i), 0);
}

static void whole_pages_of_a_classic_pool(void **state)
{
	begin();
	put_chain(VS, 0x03, 8);
	put_chain(VS + 0x5000, 0x02, 4);
	put_chain(DRIVER, 0x02, 4);
	memset(fake_map(STRAY, PSC_PAGE_SIZE), 0x11, PSC_PAGE_SIZE);
	struct psc_pool_view *v = view_of(9600);
	assert_int_equal(psc_pool_view_info(v)->design, PSC_POOL_CLASSIC);
	struct psc_sink sink = collect_sink(&got);
	struct psc_walk w = { 0 };
	CHECK_OK(psc_pool_walk(v, &sink, 1, NULL, &w));
	assert_int_equal(got.n_blocks, 12);
	assert_int_equal(count(PSC_OWNER_CHAIN, PSC_BLOCK_IN_USE), 12);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.v[0].pool, PSC_POOL_NONPAGED);
	assert_int_equal(w.v[0].pages_read, 1);
	assert_int_equal(w.v[0].pages_total, 1);
	assert_int_equal(w.v[1].pool, PSC_POOL_PAGED);
	assert_int_equal(w.v[1].st.in_use, PSC_PAGE_SIZE);
	psc_walk_free(&w);
	psc_pool_view_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_blocks_of_pieces),
		cmocka_unit_test(a_broken_header_of_a_subsegment),
		cmocka_unit_test(a_page_of_special_pool),
		cmocka_unit_test(headers_that_nothing_confirms),
		cmocka_unit_test(headers_beside_the_blocks_of_a_subsegment),
		cmocka_unit_test(data_of_a_block_is_not_looked_at),
		cmocka_unit_test(a_chunk_that_does_not_fit),
		cmocka_unit_test(without_a_key),
		cmocka_unit_test(payers_by_the_recovered_cookie),
		cmocka_unit_test(one_address),
		cmocka_unit_test(an_unreadable_module_list_is_told),
		cmocka_unit_test(whole_pages_of_a_classic_pool),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
