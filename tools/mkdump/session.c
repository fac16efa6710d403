// SPDX-License-Identifier: MIT
#include "session.h"

#include "processes.h"

/** The pool lies behind the session's fixed objects. */
#define POOL_AT 0x1000000000u
#define POOL_BYTES 0x800000000u
#define HEAP_SIGNATURE 0xddeeddeeu
#define SLOT_SHIFT 39

uint64_t mk_session_space(struct mk *m)
{
	uint64_t va;

	if (!mk_label_find(m, "session:1", &va))
		mk_fail(m, "session pool needs 'session 1', and a kernel that "
			"has it");
	return va;
}

uint64_t mk_session_pool_start(const struct mk *m)
{
	return m->area[MK_SESSION].base + POOL_AT;
}

void mk_session_pool_bounds(struct mk *m, uint64_t session)
{
	mk_field(m, session, "_MM_SESSION_SPACE.PagedPoolStart",
		 mk_session_pool_start(m));
	mk_field(m, session, "_MM_SESSION_SPACE.PagedPoolEnd",
		 mk_session_pool_end(m) - 1);
}

uint64_t mk_session_pool_end(const struct mk *m)
{
	return m->area[MK_SESSION].base + POOL_AT + POOL_BYTES;
}

uint64_t mk_session_lookaside(struct mk *m, unsigned int units)
{
	uint64_t lists = mk_session_space(m) +
			 mk_offset(m, "_MM_SESSION_SPACE.Lookaside");

	mk_global_opt(m, "ExpSessionPoolSmallLists", MK_SESSION_LOOKASIDES, 4);
	return lists + mk_sizeof(m, "_GENERAL_LOOKASIDE") * (units - 1);
}

uint64_t mk_session_heap(struct mk *m)
{
	uint64_t session = mk_session_space(m), heap, state;

	heap = mk_alloc(m, MK_SESSION, mk_sizeof(m, "_SEGMENT_HEAP"));
	state = mk_alloc(m, MK_SESSION,
			 mk_sizeof(m, "_EX_HEAP_SESSION_STATE"));
	mk_field(m, heap, "_SEGMENT_HEAP.Signature", HEAP_SIGNATURE);
	// Its heap manager has the system's keys (pool 3.6, 3.10).
	mk_write64(m, state, mk_symbol(m, "RtlpHpHeapGlobals"));
	mk_field(m, state, "_EX_HEAP_SESSION_STATE.PagedHeap", heap);
	mk_field(m, session, "_MM_SESSION_SPACE.HeapState", state);
	return heap;
}

void mk_session_hide(struct mk *m)
{
	const struct mk_processes *s = m->processes;
	const struct mk_area_state *a = &m->area[MK_SESSION];
	bool has_process = false;

	for (size_t i = 0; i < s->v.n; i++)
		has_process |= s->v.v[i].in_session;
	// With five levels the top table's entry holds more than sessions.
	if (!has_process || m->levels == 5)
		return;
	for (uint64_t va = a->base; va < a->base + a->bytes;
	     va += 1ull << SLOT_SHIFT) {
		size_t slot = (va >> SLOT_SHIFT & 0x1ff) * 8;

		psc_put64(mk_pfn_bytes(m, m->root) + slot, 0);
		for (size_t i = 0; i < s->v.n; i++) {
			if (!s->v.v[i].in_session)
				psc_put64(mk_pfn_bytes(m, s->v.v[i].root) +
					  slot, 0);
		}
	}
}
