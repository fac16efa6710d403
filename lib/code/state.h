// SPDX-License-Identifier: MIT
/** @file
 * Abstract machine state at one point of a function: registers, vector
 * registers by 32-bit lanes, and the stack around the entry stack pointer.
 */
#ifndef PSC_CODE_STATE_H
#define PSC_CODE_STATE_H

#include "code/insn.h"

/** @c size bytes at entry stack pointer + @c off. */
struct psc_cell {
	int32_t off;
	uint32_t size;
	psc_vid v;
};

struct psc_state {
	psc_vid reg[PSC_REGS];
	psc_vid vec[PSC_VECS][4];
	PSC_VEC(struct psc_cell) cells;	/**< Sorted by off, disjoint. */
};

struct psc_state *psc_state_new(void);
void psc_state_free(struct psc_state *s);
/** Deep copy. @return NULL when out of memory. */
struct psc_state *psc_state_copy(const struct psc_state *s);
bool psc_state_assign(struct psc_state *to, const struct psc_state *from);

/** What a stack slot holds that was never written in this function. */
typedef psc_vid (*psc_initial_cell)(void *ctx, int32_t off, uint32_t size);

/** Value of @p size bytes at @p off. */
psc_vid psc_state_load(struct psc_vals *v, const struct psc_state *s,
		       int32_t off, uint32_t size, psc_initial_cell initial,
		       void *ctx);
void psc_state_store(struct psc_vals *v, struct psc_state *s, int32_t off,
		     uint32_t size, psc_vid value);
/** Bytes from @p off up to @p end become unknown. */
void psc_state_kill(struct psc_vals *v, struct psc_state *s, int32_t off,
		    int32_t end);

/** How two values of one place become one. */
typedef psc_vid (*psc_merge)(struct psc_vals *v, psc_vid old, psc_vid new_v);

/** Join @p from into @p to. @return whether @p to changed. */
bool psc_state_join(struct psc_vals *v, struct psc_state *to,
		    const struct psc_state *from, psc_merge merge, uint8_t sp,
		    psc_initial_cell initial, void *ctx);

#endif
