// SPDX-License-Identifier: MIT
// Kernel stacks have no counter since 8.1: add up the stacks of all threads.
// Stacks kept for reuse are not on any thread, so the sum is approximate.
#include "analysis/vm.h"
#include "base/map.h"

// More than Windows can number; a longer list is damage.
#define MAX_THREADS (1u << 22)

struct walk {
	const struct psc_kernel *k;
	struct psc_field head, link, base, limit;
	struct psc_map seen;
	uint64_t pages;
};

static struct psc_error *layout(struct walk *w)
{
	struct psc_error *err;

	if ((err = psc_kernel_field(w->k, "_EPROCESS.ThreadListHead",
				    &w->head)) ||
	    (err = psc_kernel_field(w->k, "_ETHREAD.ThreadListEntry",
				    &w->link)) ||
	    (err = psc_kernel_field(w->k, "_KTHREAD.StackBase", &w->base)) ||
	    (err = psc_kernel_field(w->k, "_KTHREAD.StackLimit", &w->limit)))
		return err;
	return NULL;
}

static struct psc_error *add_stack(struct walk *w, uint64_t thread)
{
	uint64_t base, limit;
	struct psc_error *err;

	if ((err = psc_kernel_pointer(w->k, thread + w->base.offset,
				      "StackBase", &base)) ||
	    (err = psc_kernel_pointer(w->k, thread + w->limit.offset,
				      "StackLimit", &limit)))
		return err;
	// A thread being made has none yet.
	if (base > limit && base - limit <= 1u << 24)
		w->pages += (base - limit) / PSC_PAGE_SIZE;
	return NULL;
}

static struct psc_error *walk_process(struct walk *w, uint64_t process)
{
	uint64_t head = process + w->head.offset, at;
	struct psc_error *err = psc_kernel_pointer(w->k, head,
						   "ThreadListHead", &at);

	while (!err && at && at != head) {
		bool added;

		if (w->seen.n >= MAX_THREADS)
			return psc_error_new(PSC_ERR_LIMIT,
					     "more threads than can be");
		if (!psc_map_put(&w->seen, at, &added))
			return &psc_nomem;
		if (!added)
			return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_ADDRESS,
					    at, "thread list runs in a circle");
		err = add_stack(w, at - w->link.offset);
		if (!err)
			err = psc_kernel_pointer(w->k, at, "thread list", &at);
	}
	return err;
}

struct psc_error *psc_vm_stack_pages(const struct psc_kernel *k,
				     const struct psc_processes *p,
				     uint64_t *pages, uint64_t *threads)
{
	struct walk w = { .k = k };
	struct psc_error *err = layout(&w);

	for (size_t i = 0; !err && i < p->n; i++)
		err = walk_process(&w, p->v[i].va);
	*threads = w.seen.n;
	*pages = w.pages;
	psc_map_free(&w.seen);
	return err;
}
