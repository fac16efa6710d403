// SPDX-License-Identifier: MIT
// Memory of a triage dump: blocks tagged with their VA.
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "mem/mem_impl.h"

#define KERNEL_48 0xffff800000000000ULL
#define KERNEL_57 0xff00000000000000ULL

/** Immutable after psc_sparse_new(); shared by clones. */
struct psc_sparse {
	unsigned int refs;	/**< Atomic. */
	uint64_t kernel_start;
	PSC_VEC(struct psc_va_block) runs; /**< Ascending, disjoint. */
};

// A block with its place in the caller's order: the lower wins.
struct entry {
	struct psc_va_block b;
	size_t order;
};

struct sweep {
	struct entry *in;	/**< By address. */
	size_t n, next;
	size_t *heap;		/**< Indexes of open blocks, best on top. */
	size_t n_heap;
};

static int by_va(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->b.va != y->b.va)
		return x->b.va < y->b.va ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool better(const struct sweep *s, size_t a, size_t b)
{
	return s->in[s->heap[a]].order < s->in[s->heap[b]].order;
}

static void heap_swap(struct sweep *s, size_t a, size_t b)
{
	size_t t = s->heap[a];

	s->heap[a] = s->heap[b];
	s->heap[b] = t;
}

static void heap_push(struct sweep *s, size_t block)
{
	size_t i = s->n_heap++;

	s->heap[i] = block;
	for (; i && better(s, i, (i - 1) / 2); i = (i - 1) / 2)
		heap_swap(s, i, (i - 1) / 2);
}

static void heap_pop(struct sweep *s)
{
	size_t i = 0, child;

	s->heap[0] = s->heap[--s->n_heap];
	while ((child = 2 * i + 1) < s->n_heap) {
		if (child + 1 < s->n_heap && better(s, child + 1, child))
			child++;
		if (!better(s, child, i))
			return;
		heap_swap(s, i, child);
		i = child;
	}
}

static uint64_t block_end(const struct psc_va_block *b)
{
	return b->va + b->size;
}

// Bytes [pos, end) of block b; a continued block grows its run.
static bool emit(struct psc_sparse *out, const struct psc_va_block *b,
		 uint64_t pos, uint64_t end)
{
	const uint8_t *data = b->data + (pos - b->va);
	struct psc_va_block *last =
		out->runs.n ? &out->runs.v[out->runs.n - 1] : NULL;

	if (last && block_end(last) == pos && last->data + last->size == data) {
		last->size += end - pos;
		return true;
	}
	return psc_vec_push(&out->runs, (struct psc_va_block){
		.va = pos, .size = end - pos, .data = data });
}

// Move a line over the address space. At each place the open block that came
// first in the file speaks.
static bool sweep_blocks(struct sweep *s, struct psc_sparse *out)
{
	uint64_t pos = 0;

	for (;;) {
		while (s->n_heap &&
		       block_end(&s->in[s->heap[0]].b) <= pos)
			heap_pop(s);
		if (!s->n_heap && s->next == s->n)
			return true;
		if (!s->n_heap)
			pos = s->in[s->next].b.va;
		while (s->next < s->n && s->in[s->next].b.va <= pos)
			heap_push(s, s->next++);

		const struct psc_va_block *top = &s->in[s->heap[0]].b;
		uint64_t end = block_end(top);
		if (s->next < s->n && s->in[s->next].b.va < end)
			end = s->in[s->next].b.va;
		if (end <= pos)
			continue;	// the top one ended: pop it
		if (!emit(out, top, pos, end))
			return false;
		pos = end;
	}
}

// 32-bit targets have nothing above 4 GiB; LA57 ones have blocks between the
// two kernel halves.
static uint64_t guess_kernel_start(const struct psc_sparse *s)
{
	uint64_t start = KERNEL_48;

	if (s->runs.n && s->runs.v[s->runs.n - 1].va >> 32 == 0)
		return 0x80000000;
	for (size_t i = 0; i < s->runs.n; i++) {
		if (s->runs.v[i].va >= KERNEL_57 && s->runs.v[i].va < KERNEL_48)
			start = KERNEL_57;
	}
	return start;
}

struct psc_error *psc_sparse_new(const struct psc_va_block *blocks, size_t n,
				 struct psc_sparse **ret)
{
	PSC_FREE struct entry *in = calloc(n ? n : 1, sizeof(*in));
	PSC_FREE size_t *heap = calloc(n ? n : 1, sizeof(*heap));
	struct psc_sparse *s = calloc(1, sizeof(*s));
	size_t used = 0;

	if (!in || !heap || !s) {
		free(s);
		return &psc_nomem;
	}
	s->refs = 1;
	for (size_t i = 0; i < n; i++) {
		struct entry e = { blocks[i], i };
		// The very last byte of the space is given up, so that
		// block_end() never wraps.
		if (e.b.size > UINT64_MAX - e.b.va)
			e.b.size = UINT64_MAX - e.b.va;
		if (e.b.size)
			in[used++] = e;
	}
	qsort(in, used, sizeof(*in), by_va);
	struct sweep sweep = { .in = in, .n = used, .heap = heap };
	if (!sweep_blocks(&sweep, s)) {
		psc_sparse_unref(s);
		return &psc_nomem;
	}
	s->kernel_start = guess_kernel_start(s);
	*ret = s;
	return NULL;
}

struct psc_sparse *psc_sparse_ref(struct psc_sparse *s)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void psc_sparse_unref(struct psc_sparse *s)
{
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	psc_vec_free(&s->runs);
	free(s);
}

uint64_t psc_sparse_kernel_start(const struct psc_sparse *s)
{
	return s->kernel_start;
}

// Index of the first run that ends behind va; runs.n when there is none.
static size_t first_behind(const struct psc_sparse *s, uint64_t va)
{
	size_t lo = 0, hi = s->runs.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (block_end(&s->runs.v[mid]) <= va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t psc_sparse_at(const struct psc_sparse *s, uint64_t va,
		     const uint8_t **ret)
{
	size_t i = first_behind(s, va);

	if (i == s->runs.n || s->runs.v[i].va > va)
		return 0;
	*ret = s->runs.v[i].data + (va - s->runs.v[i].va);
	return (size_t)(block_end(&s->runs.v[i]) - va);
}

bool psc_sparse_next(const struct psc_sparse *s, uint64_t va,
		     struct psc_va_range *ret)
{
	size_t i = first_behind(s, va);

	if (i == s->runs.n)
		return false;
	uint64_t start = PSC_MAX(va, s->runs.v[i].va);
	uint64_t end = block_end(&s->runs.v[i]);
	while (++i < s->runs.n && s->runs.v[i].va == end)
		end = block_end(&s->runs.v[i]);
	*ret = (struct psc_va_range){
		.va = start, .size = end - start, .status = PSC_VA_OK,
	};
	return true;
}
