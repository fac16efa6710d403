// SPDX-License-Identifier: MIT
#include "kernel/list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"

struct walk {
	const struct psc_kernel *k;
	uint64_t head;
	const char *what;
	size_t limit;
	struct psc_map seen;
	PSC_VEC(uint64_t) links;
	char *why;
};

static void walk_free(struct walk *w)
{
	psc_map_free(&w->seen);
	psc_vec_free(&w->links);
	free(w->why);
}

// Keep the first reason only. Running out of memory for it loses the text.
static void say_why(struct walk *w, const char *reason, uint64_t at)
{
	if (!w->why && asprintf(&w->why, "%s: %s at 0x%" PRIx64, w->what,
				reason, at) < 0)
		w->why = NULL;
}

// One link: is it an entry that belongs to the list?
static bool acceptable(struct walk *w, uint64_t at)
{
	bool had_reason = w->why;

	if (w->links.n >= w->limit)
		say_why(w, "more entries than the limit", at);
	else if (at % psc_kernel_pointer_size(w->k) ||
		 !psc_mem_is_kernel_va(psc_kernel_mem(w->k), at))
		say_why(w, "not an address of a list entry", at);
	else if (psc_map_get(&w->seen, at))
		say_why(w, "a cycle that misses the head", at);
	else
		return true;
	if (!had_reason && w->why)
		psc_mem_count_unreadable(psc_kernel_mem(w->k));
	return false;
}

// Follow one direction: offset of Flink (0) or Blink. @p *closed: the head was
// reached.
static struct psc_error *follow(struct walk *w, uint64_t offset, bool *closed)
{
	uint64_t at = w->head;

	*closed = false;
	for (;;) {
		uint64_t from = at;
		struct psc_error *err = psc_kernel_pointer(
			w->k, at + offset, "list link", &at);
		if (err) {
			say_why(w, psc_error_code_name(err->code), from);
			psc_error_free(err);
			return NULL;
		}
		*closed = at == w->head;
		if (*closed || !acceptable(w, at))
			return NULL;
		if (!psc_map_put(&w->seen, at, NULL) ||
		    !psc_vec_push(&w->links, at))
			return &psc_nomem;
	}
}

static void reverse(uint64_t *v, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		uint64_t t = v[i];
		v[i] = v[n - 1 - i];
		v[n - 1 - i] = t;
	}
}

struct psc_error *psc_list_read(const struct psc_kernel *k, uint64_t head,
				const char *what, size_t limit,
				struct psc_list *ret)
{
	PSC_CLEANUP(walk_free) struct walk w = {
		.k = k, .head = head, .what = what, .limit = limit,
	};
	bool closed, ignored;
	struct psc_error *err = follow(&w, 0, &closed);

	if (err)
		return err;
	if (!closed) {
		size_t n = w.links.n;
		if ((err = follow(&w, psc_kernel_pointer_size(k), &ignored)))
			return err;
		reverse(w.links.v + n, w.links.n - n);
	}
	ret->n = w.links.n;
	ret->v = PSC_TAKE(w.links.v);
	ret->complete = closed;
	ret->why = PSC_TAKE(w.why);
	return NULL;
}

void psc_list_free(struct psc_list *l)
{
	free(l->v);
	free(l->why);
	*l = (struct psc_list){ 0 };
}
