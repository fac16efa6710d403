// SPDX-License-Identifier: MIT
// Session pool: each session has tables of its own, readable only in the
// address space of one of its processes (pool 4.6).
#include <stdlib.h>
#include <string.h>

#include "analysis/poolused.h"
#include "base/map.h"
#include "base/vec.h"

struct sum {
	struct psc_map index;	/**< Tag → row. */
	PSC_VEC(struct psc_tag_row) rows;
	struct psc_map seen;	/**< Sessions. */
	struct psc_map tables;	/**< Physical addresses of tables. */
	struct psc_tag_table *total;
};

static void add_counts(struct psc_tag_counts *into,
		       const struct psc_tag_counts *c)
{
	into->allocs += c->allocs;
	into->frees += c->frees;
	into->bytes += c->bytes;
}

static bool add_table(struct sum *s, const struct psc_tag_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		bool added;
		uint64_t *at = psc_map_put(&s->index, t->v[i].tag, &added);

		if (!at)
			return false;
		if (added) {
			*at = s->rows.n;
			if (!psc_vec_push(&s->rows, t->v[i]))
				return false;
		} else {
			add_counts(&s->rows.v[*at].nonpaged, &t->v[i].nonpaged);
			add_counts(&s->rows.v[*at].paged, &t->v[i].paged);
		}
	}
	s->total->counter_bits = t->counter_bits;
	s->total->pages_missing += t->pages_missing;
	s->total->pages_paged_out += t->pages_paged_out;
	s->total->complete &= t->complete;
	s->total->processors++;
	return true;
}

// All sessions use the same addresses; the memory behind tells them apart.
static bool is_new_table(struct sum *s, struct psc_mem *mem, uint64_t va)
{
	struct psc_xlat x = psc_mem_translate(mem, va);
	bool added = true;

	return x.status != PSC_VA_OK ||
	       (psc_map_put(&s->tables, x.pa, &added) && added);
}

static struct psc_error *add_session(struct psc_analysis *a, struct sum *s,
				     const struct psc_process *p)
{
	struct psc_tag_table *t = NULL;
	struct psc_mem *mem;
	struct psc_error *err =
		psc_mem_with_root(a->mem, p->directory_table_base, &mem);

	if (err)
		return err;
	err = psc_tag_session_read(a->kernel, mem, p->session, &t);
	if (!err && is_new_table(s, mem, t->va) && !add_table(s, t))
		err = &psc_nomem;
	psc_mem_absorb(a->mem, mem);
	psc_mem_free(mem);
	psc_tag_table_free(t);
	return err;
}

// One process of each session is enough; another is tried when it failed.
static struct psc_error *add_sessions(struct psc_analysis *a, struct sum *s,
				      const struct psc_processes *p)
{
	struct psc_error *last = NULL;

	for (size_t i = 0; i < p->n; i++) {
		if (!p->v[i].session ||
		    psc_map_get(&s->seen, p->v[i].session))
			continue;
		psc_error_free(last);
		last = add_session(a, s, &p->v[i]);
		if (last && last->code == PSC_ERR_NOMEM)
			return last;
		if (!last && !psc_map_put(&s->seen, p->v[i].session, NULL))
			return &psc_nomem;
	}
	if (s->seen.n) {	// a session more is better than none
		psc_error_free(last);
		return NULL;
	}
	return last ? last : psc_error_new(PSC_ERR_ABSENT, "no process of the "
					   "dump belongs to a session");
}

struct psc_error *psc_poolused_sessions(struct psc_analysis *a,
					unsigned int *n_sessions,
					struct psc_tag_table **ret)
{
	struct sum s = { .total = calloc(1, sizeof(*s.total)) };
	const struct psc_processes *p;
	struct psc_error *err = s.total ? psc_analysis_processes(a, &p)
					: &psc_nomem;

	if (!err) {
		s.total->complete = true;
		err = add_sessions(a, &s, p);
	}
	*n_sessions = (unsigned int)s.seen.n;
	psc_map_free(&s.index);
	psc_map_free(&s.seen);
	psc_map_free(&s.tables);
	if (err) {
		psc_vec_free(&s.rows);
		free(s.total);
		return err;
	}
	s.total->v = s.rows.v;
	s.total->n = s.rows.n;
	*ret = s.total;
	return NULL;
}
