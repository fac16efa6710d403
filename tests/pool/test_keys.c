// SPDX-License-Identifier: MIT
// The vectors of two real triage dumps (real-pool 4 and 5), and votes over
// pages made by the test.
#include "test.h"

#include "triage.h"

#include "pool/keys.h"
#include "pool/header.h"
#include "pool/lfh.h"
#include "pool/segment.h"
#include "pool/vs.h"

#define KERNEL UINT64_C(0xffff800000000000)
#define ALL UINT64_C(0xffffffffffffffff)

struct chunk_vector {
	uint64_t va, stored;
	uint32_t word;
	uint16_t size, previous;
	int page;		/**< −1: a free chunk. */
	const char *tag;	/**< NULL: not checked. */
	uint8_t block, type;
};

static const struct chunk_vector x64_chunks[] = {
	{ 0xffffad0ec1204bc0, 0x9df03453f74c3526, 0x024, 0x1a, 0x1a, 2,
	  "MmSt", 0x19, 0x03 },
	{ 0xffffad0ec129cd00, 0x9df0346ff779b3e6, 0x0e6, 0x26, 0x26, 0,
	  "MmSt", 0x25, 0x03 },
	{ 0xffffad0ec12b6ee0, 0x9df0347cf75a1006, 0x00f, 7, 0x35, 9,
	  "MmSt", 6, 0x03 },
	{ 0xffffad0ec12b6f50, 0x9df0344ef75411b6, 0x1bf, 9, 7, 9,
	  "MmSt", 7, 0x03 },
	{ 0xffffc08bdce4aef0, 0x9df059caea95d016, 0x01d, 7, 6, 0xb,
	  "MmSe", 6, 0x02 },
	{ 0xffffc08bdce4af60, 0x9df059cbea94d186, 0x08d, 6, 7, 0xb,
	  "VadS", 5, 0x02 },
	{ 0xffffc08bdce4afc0, 0x9df159caea90d126, 0, 2, 6, -1, NULL, 0, 0 },
	{ 0xffffc08bdce98a00, 0x9df0596eead6f4e6, 0x0eb, 0x49, 0xa2, 0xd,
	  "FxDr", 0x48, 0x02 },
	{ 0xffffc08be46b0880, 0x9df05946d23a7666, 0x063, 0x27, 0x8a, 5,
	  "KETR", 0x26, 0x02 },
	{ 0xffffc08be46b0af0, 0x9df059ebd23a7416, 0x013, 0x27, 0x27, 5,
	  "KETR", 0x26, 0x02 },
	{ 0xffffc08be4fb1fb0, 0x9df159fdd28e6156, 0, 3, 0x31, -1, NULL, 0,
	  0 },
	{ 0xffffc08be4fb1fe0, 0x9df059cfd2fb6106, 0x008, 0x76, 3, 0xe,
	  "VdWd", 0x74, 0x02 },
	{ 0xffffc08be5063880, 0x9df05946d3114666, 0x06f, 0x61, 0x8a, 9,
	  "Txrn", 0x60, 0x02 },
	{ 0xffffc08be52e6670, 0x9df059f9d3791896, 0x098, 0x21, 0x35, 0xe,
	  "FxDr", 0x20, 0x02 },
	{ 0xffffc08be52e6880, 0x9df059edd3771666, 0x068, 0x2f, 0x21, 0xe,
	  "AmdP", 0x2e, 0x02 },
};

static const struct chunk_vector arm64_chunks[] = {
	{ 0xffffa90365e06600, 0xbf718d336d012c9a, 0x09e, 0xe, 0xe, 4,
	  "SeLs", 0xd, 0x03 },
	{ 0xffffa90365e06d60, 0xbf718d646d2727fa, 0x1fe, 0x28, 0x59, 4,
	  "FMfn", 0x26, 0x03 },
	{ 0xffffbb8eb165eef0, 0xbf719fb6b98da46a, 0x061, 7, 6, 0xb,
	  "MmSe", 6, 0x02 },
	{ 0xffffbb8eb165ef60, 0xbf719fb7b98ca5fa, 0x0f1, 6, 7, 0xb,
	  "BGBK", 5, 0x02 },
	{ 0xffffbb8eb168b030, 0xbf719fb0b9adfaaa, 0x0aa, 0x2a, 0, 0,
	  "Ntfn", 0x29, 0x02 },
	{ 0xffffbb8eb1719be0, 0xbf719f01b9add17a, 0x06d, 0x33, 0xb1, 0x17,
	  "Dnod", 0x32, 0x02 },
	{ 0xffffbb8ec2f93b00, 0xbf719f02ca30719a, 0x095, 0x26, 0xb2, 0xf,
	  "ALPC", 0x25, 0x02 },
	{ 0xffffbb8ec3246fe0, 0xbf709fbccb8d257b, 0, 0x46, 0xc, -1, NULL, 0,
	  0 },
};

static void check_chunks(struct triage *t, const struct chunk_vector *v,
			 size_t n, uint64_t key)
{
	for (size_t i = 0; i < n; i++, v++) {
		uint8_t b[16], h[16];
		uint64_t bytes;

		CHECK_OK(psc_mem_read_all(t->mem, v->va, b, 16, "chunk"));
		assert_int_equal(psc_le64(b), v->stored);
		struct psc_vs_chunk c = psc_vs_decode(psc_le64(b),
						      psc_le32(b + 8), v->va,
						      key);
		assert_int_equal(c.size, v->size);
		assert_int_equal(c.previous, v->previous);
		assert_int_equal(c.rest, 0);
		assert_int_equal(c.allocated, v->page >= 0);
		if (v->page < 0)
			continue;
		assert_int_equal(c.word, v->word);
		assert_int_equal(c.page, v->page);
		assert_int_equal(c.cost, 0);
		uint64_t va = psc_vs_block(v->va, c.size,
					   c.word & 0x100 ? 0x10 : 0, &bytes);
		CHECK_OK(psc_mem_read_all(t->mem, va, h, 16, "pool header"));
		struct psc_pool_header p =
			psc_header_decode(&psc_header64, h);
		assert_memory_equal(h + 4, v->tag, 4);
		assert_int_equal(p.size, v->block);
		assert_int_equal(p.type, v->type);
		assert_int_equal(p.size * 16u, bytes);
		assert_true(psc_header_is_candidate(&p));
	}
}

struct lfh_vector {
	uint64_t va;
	uint32_t stored, plain, count, free, busy;
	uint8_t location;
};

static const struct lfh_vector x64_lfh[] = {
	{ 0xffffad0ec10b2000, 0x6db9e9b6, 0x00600020, 125, 0, 125, 1 },
	{ 0xffffc08bdcea8000, 0x6d98375c, 0x004000d0, 19, 0, 19, 1 },
	{ 0xffffc08bdcec1000, 0x6db837c5, 0x00600020, 125, 0, 125, 1 },
	{ 0xffffc08bdfc67000, 0x6db80563, 0x00600020, 125, 0, 125, 1 },
	{ 0xffffc08be51b0000, 0x6dbba8b4, 0x00600020, 125, 46, 66, 0 },
};

static void x64_subsegments(void **state)
{
	const struct psc_heap_layout *l = &psc_heap_layout_common;
	const uint64_t key = 0x6dd5f924;
	struct triage t;
	uint8_t b[0x80];

	if (!triage_open("triage_x64.dmp", &t))
		return;
	for (size_t i = 0; i < 5; i++) {
		const struct lfh_vector *v = &x64_lfh[i];
		uint32_t busy = 0;

		CHECK_OK(psc_mem_read_all(t.mem, v->va, b, sizeof(b), "LFH"));
		assert_int_equal(psc_le32(b + 0x28), v->stored);
		struct psc_lfh_header h = psc_lfh_decode(l, b, v->va, key);
		assert_int_equal(h.first << 16 | h.block_bytes, v->plain);
		assert_int_equal(h.count, v->count);
		assert_int_equal(h.free, v->free);
		assert_int_equal(h.location, v->location);
		assert_true(psc_lfh_is_sane(l, &h));
		assert_int_equal(psc_lfh_guess(l, &h), h.block_bytes);
		assert_int_equal(psc_lfh_first(l, h.blocks, h.units,
					       h.block_bytes), h.first);
		for (uint32_t j = 0; j < h.blocks; j++)
			busy += b[0x30 + j / 4] >> j % 4 * 2 & 1;
		assert_int_equal(busy, v->busy);
	}
	// A page of an earlier boot: another key, so it must not decode.
	const uint64_t old = 0xffffc08be51fe000;
	CHECK_OK(psc_mem_read_all(t.mem, old, b, sizeof(b), "LFH"));
	struct psc_lfh_header h = psc_lfh_decode(l, b, old, key);
	assert_false(psc_lfh_is_sane(l, &h));
	assert_int_equal(psc_le32(b + 0x28), 0x387d1f70);
	assert_int_equal(h.withheld, 1);
	// The slot of the last one holds 0xD of its free blocks.
	uint64_t slot;
	CHECK_OK(psc_mem_u64(t.mem, 0xffffc08bdd015a38, "slot", &slot));
	assert_int_equal(slot, 0xffffc08be51b000d);
	assert_int_equal(125 - 66, 46 + (slot & 0xfff));
	// Two segments of the nonpaged heap.
	const uint64_t context = 0xffffc08bdd010100;
	const uint64_t segments[] = { 0xffffc08bdce00000, 0xffffc08be5300000 };
	for (size_t i = 0; i < 2; i++) {
		uint64_t s;

		CHECK_OK(psc_mem_u64(t.mem, segments[i] + 0x10, "sig", &s));
		assert_int_equal(s, psc_segment_signature(
					    l, context, segments[i],
					    0x620e994736767ee6));
	}
	triage_close(&t);
}

static void x64_keys(void **state)
{
	struct psc_pool_keys k;
	struct triage t;

	if (!triage_open("triage_x64.dmp", &t))
		return;
	CHECK_OK(psc_keys_vote(t.mem, &psc_heap_layout_common, KERNEL, ALL,
			       1 << 24, &k));
	assert_true(k.has_heap);
	assert_int_equal(k.heap_key, 0x620e994736767ee6);
	assert_int_equal(k.heap_mask, UINT64_MAX);
	assert_int_equal(k.heap_votes, 20);
	assert_true(k.heap_runner_up <= 1);
	assert_true(k.has_lfh);
	assert_int_equal(k.lfh_key, 0x6dd5f924);
	assert_true(k.has_cookie);
	assert_int_equal(k.cookie, 0xf91f699bec0f8c69);
	check_chunks(&t, x64_chunks, PSC_ARRAY_SIZE(x64_chunks), k.heap_key);
	triage_close(&t);
}

static void arm64_keys(void **state)
{
	struct psc_pool_keys k;
	struct triage t;
	uint8_t b[0x80];

	if (!triage_open("triage_arm64.dmp", &t))
		return;
	CHECK_OK(psc_keys_vote(t.mem, &psc_heap_layout_common, KERNEL, ALL,
			       1 << 24, &k));
	assert_true(k.has_heap);
	assert_int_equal(k.heap_key, 0x408f243e08ef4a9a);
	assert_int_equal(k.heap_votes, 10);
	assert_true(k.has_lfh);
	assert_int_equal(k.lfh_key, 0x0c534e8b);
	assert_int_equal(k.cookie, 0xf000a9dce583a17f);
	check_chunks(&t, arm64_chunks, PSC_ARRAY_SIZE(arm64_chunks),
		     k.heap_key);
	// The only stored VS subsegment header; a quota block.
	const uint64_t vs = 0xffffbb8eb168b000, quota = 0xffffa9036981b490;
	CHECK_OK(psc_mem_read_all(t.mem, vs, b, 0x28, "VS"));
	struct psc_vs_header h =
		psc_vs_header_decode(&psc_heap_layout_common, b, vs);
	assert_true(h.signature_ok);
	assert_int_equal(h.size, 0xffd);
	assert_int_equal(h.flink, 0xffffbb8eb16a4000);
	assert_int_equal(h.blink, 0xffffbb8eb166b000);
	CHECK_OK(psc_mem_read_all(t.mem, quota, b, 16, "header"));
	struct psc_pool_header p = psc_header_decode(&psc_header64, b);
	assert_int_equal(p.type, 0x0b);
	assert_int_equal(psc_header_process(&p, quota, k.cookie),
			 0xffffbb8ebf166100);
	assert_true(psc_process_is_sane(0xffffbb8ebf166100,
					PSC_PROCESS_ALIGN));
	triage_close(&t);
}

// Facts pool 11, vectors 2 and 6.
static void made_up_vectors(void **state)
{
	const uint64_t header = 0xffff9a8013402040;
	struct psc_pool_header h = { .billed = 0x012345678ebd9d2f };

	assert_int_equal(psc_header_process(&h, header, 0x0123456789abcdef),
			 0xffff9a8014567080);
	assert_int_equal(psc_segment_signature(&psc_heap_layout_common,
					       0xffff9a8012300140,
					       0xffff9a8013400000,
					       0x1122334455667788),
			 0xb3c47de9f6f03865);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_up_vectors),
		cmocka_unit_test(x64_keys),
		cmocka_unit_test(x64_subsegments),
		cmocka_unit_test(arm64_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
