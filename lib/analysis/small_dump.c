// SPDX-License-Identifier: MIT
// What a small (triage) dump allows to check, what it does not, and what a
// larger one would add (real-pool 6).
#include "analysis/small_dump.h"

#include "analysis/bugcheck_place.h"
#include "analysis/walk.h"
#include "base/bytes.h"

/**
 * A chunk header that nothing behind it contradicts or confirms: what lies
 * behind is not stored.
 */
static bool has_no_witness(const struct psc_check *c, const struct psc_fault *f)
{
	return f->rule == PSC_V2 && !f->bits &&
	       !psc_check_named(c, f->va, 0x30);
}

void psc_small_dump_faults(struct psc_check *c)
{
	struct psc_faults *f = &c->faults;
	size_t n = 0;

	if (!psc_pool_view_info(c->view)->partial)
		return;
	for (size_t i = 0; i < f->list.n; i++) {
		if (!has_no_witness(c, &f->list.v[i]))
			f->list.v[n++] = f->list.v[i];
	}
	f->total -= f->list.n - n;
	f->list.n = n;
}

// --- what was tested ---------------------------------------------------------

struct tested {
	const struct psc_check *c;
	struct psc_checks checks;
};

static void see_block(void *ctx, const struct psc_block *b)
{
	struct tested *t = ctx;

	psc_checks_of_block(t->c, b, &t->checks);
}

/** The blocks are few: they are looked at once more. */
static struct psc_error *set_tested(struct psc_check *c, struct psc_value *o)
{
	struct tested t = { .c = c };
	const struct psc_sink sink = { .ctx = &t, .block = see_block };
	struct psc_walk walk = { 0 };
	struct psc_error *err = psc_pool_walk(c->view, &sink, 1, NULL, &walk);
	struct psc_value *list = psc_set_array(o, "checked");

	for (unsigned int i = 0; i < PSC_N_RULES; i++) {
		if (t.checks.rule[i])
			psc_add_str(list,
				    psc_rule_info((enum psc_rule)i)->name);
	}
	psc_walk_free(&walk);
	return err;
}

// --- what was not ------------------------------------------------------------

/** Groups of rules that need what no small dump holds. */
static const struct {
	const char *what;
	int classic;		/**< 1 classic, 0 segment heap, −1 both. */
	enum psc_rule rules[10];
	unsigned int n;
	const char *why;
} absent[] = {
	{ "lists of free blocks", 1, { PSC_L9, PSC_L10 }, 2,
	  "their heads lie in pool descriptors that are not stored" },
	{ "lookasides", 1, { PSC_L13 }, 1,
	  "the blocks that they link are stored by chance only" },
	{ "limits of PoolIndex", 1, { PSC_L7 }, 1,
	  "the number of pools is not stored" },
	{ "tails of big allocations", 1, { PSC_L17, PSC_L18 }, 2,
	  "the table of big allocations is not stored" },
	{ "trees of free chunks", 0, { PSC_V9 }, 1,
	  "their roots and most of their nodes are not stored" },
	{ "segments and their descriptors", 0,
	  { PSC_S1, PSC_S2, PSC_S3, PSC_S4, PSC_S5, PSC_S6, PSC_S7, PSC_S8,
	    PSC_S9 }, 9, "heaps and segments are stored by chance only" },
	{ "cached free pages", -1, { PSC_Z1 }, 1,
	  "the lists of the page allocator are not stored" },
	{ "big allocations", -1, { PSC_B1, PSC_B2, PSC_B3, PSC_B4, PSC_B6 }, 5,
	  "their table is not stored" },
	{ "tags", -1, { PSC_K1, PSC_K2, PSC_K3, PSC_K5, PSC_K6 }, 5,
	  "the tag tables are not stored" },
	{ "payers against the list of processes", -1, { PSC_Q2 }, 1,
	  "only one process is stored" },
};

static void set_absent(struct psc_value *o, enum psc_pool_design design)
{
	struct psc_value *list = psc_set_array(o, "not_checked");
	int classic = design == PSC_POOL_CLASSIC;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(absent); i++) {
		if (absent[i].classic >= 0 && absent[i].classic != classic)
			continue;
		struct psc_value *v = psc_add_object(list);
		psc_set_str(v, "what", absent[i].what);
		struct psc_value *rules = psc_set_array(v, "rules");
		for (unsigned int j = 0; j < absent[i].n; j++)
			psc_add_str(rules,
				    psc_rule_info(absent[i].rules[j])->name);
		psc_set_str(v, "why", absent[i].why);
	}
}

/** Keys that the dump gave, or did not. */
static void set_keys(struct psc_value *o, const struct psc_view_info *v)
{
	struct psc_value *k = psc_set_object(o, "keys");

	psc_set_bool(k, "heap", v->keys.has_heap);
	psc_set_bool(k, "lfh", v->keys.has_lfh);
	psc_set_bool(k, "cookie", v->keys.has_cookie);
}

struct psc_error *psc_check_small_dump(struct psc_check *c, uint64_t pages)
{
	const struct psc_view_info *v = psc_pool_view_info(c->view);
	struct psc_error *err;

	if (!v->partial)
		return NULL;
	struct psc_value *check = psc_set_object(c->a->root, "check");
	struct psc_value *o = psc_set_object(check, "small_dump");
	psc_set_uint(o, "pages", pages);
	psc_set_uint(o, "blocks", c->walk->blocks);
	set_keys(o, v);
	err = set_tested(c, o);
	set_absent(o, v->design);
	psc_set_str(o, "would_add", "a kernel memory dump holds every page of "
		    "the pool with its lists, tables, keys and the blocks "
		    "beside each: all checks can be made, and the owner of a "
		    "damaged block's neighbour is known");
	return err;
}
