// SPDX-License-Identifier: MIT
// Counters against pages: which tags agree, which reason is named for those
// that do not, and when there is none.
#include "test.h"

#include <string.h>

#include "analysis/walk.h"
#include "base/bytes.h"
#include "pool/fake_view.h"
#include "pool/tagtable.h"

#define VA UINT64_C(0xffffe00012340000)

struct world {
	struct psc_report *report;
	struct psc_request req;
	struct psc_analysis a;
	struct psc_tag_row rows[8];
	struct psc_tag_table table;
};

static uint32_t tag_of(const char *text)
{
	uint32_t tag;

	memcpy(&tag, text, 4);
	return tag;
}

/** A classic pool without pages and a tag table without rows. */
static void begin(struct world *w)
{
	fake_reset();
	memset(w, 0, sizeof(*w));
	CHECK_OK(psc_report_new(&w->report));
	w->table = (struct psc_tag_table){
		.v = w->rows, .counter_bits = 64, .complete = true };
	w->a = (struct psc_analysis){
		.kernel = fake_kernel(), .mem = fake_mem(), .req = &w->req,
		.root = psc_report_root(w->report),
		.view = fake_view(PSC_POOL_CLASSIC),
		.tag_table = &w->table };
}

static void end(struct world *w)
{
	psc_walked_free(w->a.walked);
	psc_pool_view_free(w->a.view);
	psc_report_free(w->report);
}

static void counter(struct world *w, const char *tag, bool paged,
		    uint64_t blocks, uint64_t bytes)
{
	struct psc_tag_row *r = &w->rows[w->table.n++];

	r->tag = tag_of(tag);
	*(paged ? &r->paged : &r->nonpaged) =
		(struct psc_tag_counts){ blocks + 100, 100, bytes };
}

/** A block in the big-page table. */
static void big(struct world *w, const char *tag, enum psc_pool_kind pool,
		uint64_t bytes)
{
	fake_view_big(w->a.view, (struct psc_big){
		.va = VA + w->a.view->big.n * 0x100000, .bytes = bytes,
		.tag = tag_of(tag), .pool = pool });
}

static const struct psc_value *walked(struct world *w)
{
	CHECK_OK(psc_analyse_walk(&w->a));
	return psc_get(w->a.root, "walk");
}

static void check_counts(const struct psc_value *walk, uint64_t equal,
			 uint64_t explained, uint64_t unexplained)
{
	static const char *const keys[] = {
		"tags_equal", "tags_explained", "tags_unexplained" };
	const uint64_t want[] = { equal, explained, unexplained };

	for (unsigned int i = 0; i < 3; i++) {
		uint64_t v = UINT64_MAX;

		assert_true(psc_get_uint(walk, keys[i], &v));
		if (v != want[i])
			fail_msg("%s: %u, not %u", keys[i], (unsigned int)v,
				 (unsigned int)want[i]);
	}
}

/** The reasons of the difference of @p tag: "a b"; "" = none is listed. */
static void check_why(const struct psc_value *walk, const char *tag,
		      const char *want)
{
	const struct psc_value *list = psc_get(walk, "reconciliation");
	char got[128] = "";
	uint32_t t = 0;

	for (size_t i = 0; i < psc_count(list); i++) {
		const struct psc_value *d = psc_at(list, i, NULL);
		const struct psc_value *why = psc_get(d, "explained_by");

		if (!psc_get_tag(d, "tag", &t) || t != tag_of(tag))
			continue;
		for (size_t k = 0; k < psc_count(why); k++) {
			if (*got)
				strcat(got, " ");
			strcat(got, psc_value_str(psc_at(why, k, NULL)));
		}
	}
	assert_string_equal(got, want);
}

static const char *finding_text(const struct world *w)
{
	const struct psc_value *list = psc_get(w->a.root, "findings");

	return psc_get_str(psc_at(list, 0, NULL), "text");
}

static void what_agrees_is_not_listed(void **state)
{
	struct world w;

	begin(&w);
	counter(&w, "Aaaa", false, 1, 0x3000);
	counter(&w, "Bbbb", true, 1, 0x5000);
	counter(&w, "Cccc", true, 0, 0);
	big(&w, "Aaaa", PSC_POOL_NONPAGED_NX, 0x3000);
	big(&w, "Bbbb", PSC_POOL_PAGED, 0x5000);
	const struct psc_value *walk = walked(&w);
	check_counts(walk, 2, 0, 0);
	assert_int_equal(psc_count(psc_get(walk, "reconciliation")), 0);
	assert_null(finding_text(&w));
	assert_false(w.a.lower_bound);
	end(&w);
}

/** Rows in table order, walked tags in theirs: both are merged by tag. */
static void both_sides_are_merged_by_tag(void **state)
{
	struct world w;

	begin(&w);
	counter(&w, "Zzzz", true, 1, 0x3000);
	counter(&w, "Aaaa", true, 1, 0x3000);
	counter(&w, "Zzzz", true, 1, 0x1000);	// in the expansion table too
	counter(&w, "Only", true, 1, 0x2000);
	counter(&w, "Over", true, 1, 0x9000);
	w.rows[4].overflow = true;		// a bucket, not a tag
	counter(&w, "Both", true, 1, 0x90000);	// on both sides
	big(&w, "Both", PSC_POOL_PAGED, 0x30000);
	big(&w, "Mmmm", PSC_POOL_PAGED, 0x7000);
	big(&w, "Zzzz", PSC_POOL_PAGED, 0x4000);
	big(&w, "Aaaa", PSC_POOL_PAGED, 0x3000);
	const struct psc_value *walk = walked(&w);
	check_counts(walk, 2, 0, 3);
	check_why(walk, "Only", "unexplained");
	check_why(walk, "Both", "unexplained");
	check_why(walk, "Mmmm", "unexplained");
	check_why(walk, "Over", "");
	assert_string_equal(finding_text(&w), "2 tags are counted without "
			    "blocks, or found without counters; the largest "
			    "is Mmmm: 28672 bytes found, none counted");
	end(&w);
}

/** A block or two that processors had in hand; more is no such thing. */
static void blocks_in_flight(void **state)
{
	static const struct {
		uint64_t blocks, counter, walked;
		const char *why;
	} t[] = {
		{ 3, 0x5ff0, 0x5000, "in-flight" },	// of two: below 2 pages
		{ 3, 0x7000, 0x5000, "in-flight" },	// they may be big ones
		{ 4, 0x5010, 0x5000, "unexplained" },	// three
		{ 1, 0x5ff0, 0x5000, "in-flight" },	// one came, one went
		{ 1, 0x6000, 0x5000, "unexplained" },	// a whole page did
		{ 2, 0x4ff0, 0x5000, "unexplained" },	// more, yet smaller
		{ 0, 0x4ff0, 0x5000, "in-flight" },
		{ 1, 0, 0x5000, "unexplained" },	// one side alone
		{ 1, 0x800, 0, "unexplained" },
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(t); i++) {
		struct world w;

		begin(&w);
		counter(&w, "Aaaa", true, t[i].blocks, t[i].counter);
		if (t[i].walked)
			big(&w, "Aaaa", PSC_POOL_PAGED, t[i].walked);
		const struct psc_value *walk = walked(&w);
		check_why(walk, "Aaaa", t[i].why);
		end(&w);
	}
}

/** A VS subsegment of one page, whose page is not there. */
static void lost_page(struct world *w, enum psc_pool_kind pool,
		      enum psc_va_status why)
{
	struct psc_unit u = {
		.va = VA + 0x1000000 * (w->a.view->units.n + 1), .pages = 1,
		.kind = PSC_UNIT_VS, .pool = (uint8_t)pool };

	fake_map(u.va, PSC_PAGE_SIZE);
	fake_unmap(u.va, why);
	w->a.view->info.keys.has_heap = w->a.view->info.keys.has_lfh = true;
	w->a.view->info.keys.from = "a test";
	fake_view_unit(w->a.view, u);
}

/** Too few bytes were found: what is missing of that pool explains it. */
static void missing_pages_explain_their_pool(void **state)
{
	struct world w;

	begin(&w);
	lost_page(&w, PSC_POOL_PAGED, PSC_VA_PAGED_OUT);
	lost_page(&w, PSC_POOL_NONPAGED_NX, PSC_VA_NOT_IN_DUMP);
	counter(&w, "Page", true, 5, 0x3000);
	counter(&w, "Non ", false, 5, 0x3000);
	counter(&w, "More", true, 5, 0x1000);
	big(&w, "More", PSC_POOL_PAGED, 0x9000);
	const struct psc_value *walk = walked(&w);
	check_why(walk, "Page", "paged-out");
	check_why(walk, "Non ", "missing-pages");
	// More was found than counted: no missing page explains that.
	check_why(walk, "More", "unexplained");
	check_counts(walk, 0, 2, 1);
	assert_true(w.a.lower_bound);
	end(&w);
}

static void what_was_not_read_explains_both_pools(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct world w;

		begin(&w);
		struct psc_view_info *info = &w.a.view->info;
		info->big.complete = i != 0;
		info->segments_unreadable = i == 1;
		info->design = i >= 2 ? PSC_POOL_SEGMENT : PSC_POOL_CLASSIC;
		info->keys.has_heap = i != 2;
		info->keys.has_lfh = i != 3;
		info->keys.from = "a test";
		counter(&w, "Aaaa", i & 1, 5, 0x3000);
		check_why(walked(&w), "Aaaa", "missing-pages");
		end(&w);
	}
}

/** More was found than counted. */
static void what_explains_a_surplus(void **state)
{
	struct world w;

	begin(&w);
	w.table.complete = false;
	w.a.view->info.complete = false;
	counter(&w, "Aaaa", true, 1, 0x1000);
	big(&w, "Aaaa", PSC_POOL_PAGED, 0x9000);
	check_why(walked(&w), "Aaaa", "missing-pages cached-blocks");
	end(&w);
	begin(&w);
	w.a.view->info.newest = true;
	big(&w, "Aaaa", PSC_POOL_PAGED, 0x9000);
	check_why(walked(&w), "Aaaa", "cached-blocks");
	end(&w);
}

/** Session pool is charged to the paged counters; so is special pool. */
static void other_places_of_a_tag(void **state)
{
	struct world w;

	begin(&w);
	counter(&w, "Gsem", true, 9, 0x9000);
	counter(&w, "Spcl", true, 9, 0x9000);
	counter(&w, "Frag", true, 9, 0x9000);
	big(&w, "Gsem", PSC_POOL_SESSION, 0x4000);
	big(&w, "Spcl", PSC_POOL_SPECIAL, 0x4000);
	big(&w, "Frag", PSC_POOL_PAGED, 0x4000);
	const struct psc_value *walk = walked(&w);
	check_why(walk, "Gsem", "session");
	check_why(walk, "Spcl", "special");
	check_why(walk, "Frag", "frag");
	end(&w);
}

/** No tag table: the walk itself is still worth having. */
static void without_counters(void **state)
{
	struct world w;

	begin(&w);
	w.a.tag_table = NULL;
	big(&w, "Aaaa", PSC_POOL_PAGED, 0x9000);
	const struct psc_value *walk = walked(&w);
	assert_non_null(psc_get_str(walk, "reconciliation_error"));
	assert_null(psc_get(walk, "tags_equal"));
	assert_int_equal(psc_count(psc_get(walk, "tags")), 1);
	end(&w);
}

/** The report asks for counts alone; JSON rows are for `walk`. */
static void the_short_form(void **state)
{
	struct world w;

	begin(&w);
	w.req.top_each = 5;
	counter(&w, "Aaaa", true, 5, 0x3000);
	const struct psc_value *walk = walked(&w);
	check_counts(walk, 0, 0, 1);
	assert_null(psc_get(walk, "reconciliation"));
	assert_null(psc_get(walk, "tags"));
	assert_string_equal(finding_text(&w), "1 tag is counted without "
			    "blocks, or found without counters; the largest "
			    "is Aaaa: 12288 bytes counted, no block found");
	end(&w);
}

/** A pool that is all big allocations has a row; bytes are given once. */
static void big_bytes_have_a_row(void **state)
{
	struct world w;
	uint64_t v = 0, sum = 0;

	begin(&w);
	lost_page(&w, PSC_POOL_NONPAGED_NX, PSC_VA_OK);
	lost_page(&w, PSC_POOL_NONPAGED_NX, PSC_VA_OK);
	w.a.view->units.v[1].node = 1;
	big(&w, "Aaaa", PSC_POOL_PAGED, 0x9000);
	big(&w, "Bbbb", PSC_POOL_NONPAGED_NX, 0x2000);
	const struct psc_value *pools = psc_get(walked(&w), "pools");
	assert_int_equal(psc_count(pools), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(psc_get_uint(psc_at(pools, i, NULL), "bytes_big",
					 &v));
		sum += v;
	}
	assert_int_equal(sum, 0xb000);
	assert_string_equal(psc_get_str(psc_at(pools, 2, NULL), "pool"),
			    "paged");
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_agrees_is_not_listed),
		cmocka_unit_test(both_sides_are_merged_by_tag),
		cmocka_unit_test(blocks_in_flight),
		cmocka_unit_test(missing_pages_explain_their_pool),
		cmocka_unit_test(what_was_not_read_explains_both_pools),
		cmocka_unit_test(what_explains_a_surplus),
		cmocka_unit_test(other_places_of_a_tag),
		cmocka_unit_test(without_counters),
		cmocka_unit_test(the_short_form),
		cmocka_unit_test(big_bytes_have_a_row),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_reset();
	return failed;
}
