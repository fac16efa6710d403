// SPDX-License-Identifier: MIT
/** @file
 * Abstract values: sets of alternatives ("atoms"), interned so that machine
 * states hold small numbers and equal sets are the same number.
 */
#ifndef PSC_CODE_VALS_H
#define PSC_CODE_VALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "code/callsites.h"

enum psc_atom_kind {
	PSC_A_UNKNOWN,		/**< reason. */
	PSC_A_CONST,		/**< val. */
	PSC_A_BITS,		/**< Bits of mask are known to be val's. */
	PSC_A_ARG,		/**< Location aux at function entry, + val,
				     then | mask. */
	PSC_A_ARGMEM,		/**< size bytes at address (aux at entry) + val. */
	PSC_A_SP,		/**< Stack pointer at entry + val. */
	PSC_A_IMG,		/**< Address of RVA val. */
	PSC_A_GLOBAL,		/**< size bytes of a variable at RVA val. */
	PSC_A_SCALED,		/**< Unknown multiple of val, + mask. */
	PSC_A_TABPTR,		/**< Address RVA val + unknown multiple of aux. */
	PSC_A_TABLE,		/**< size bytes read at such an address. */
	PSC_A_JUMPTABLE,	/**< (entry of TABLE << shift) + RVA mask. */
	PSC_A_IMPORT,		/**< Pointer in import slot at RVA val. */
	PSC_A_API,		/**< Pointer to allocator row val. */
};

struct psc_atom {
	uint8_t kind, size, reason, shift;
	uint32_t aux;
	uint64_t val, mask;
};

typedef uint32_t psc_vid;	/**< Number of an interned set. */

enum { PSC_V_NONE = 0 };	/**< Empty set: not reached. */
#define PSC_ATOMS_MAX 24

struct psc_vals {
	PSC_VEC(struct psc_atom) atoms;
	PSC_VEC(uint64_t) sets;		/**< offset << 8 | count. */
	uint32_t *hash;
	uint32_t hash_cap;
	unsigned int ptr;		/**< Bytes of an address. */
	bool oom;
	psc_vid why[PSC_WHY_MISSING + 1]; /**< Unknown, by reason. */
};

bool psc_vals_init(struct psc_vals *v, unsigned int ptr);
void psc_vals_free(struct psc_vals *v);

const struct psc_atom *psc_vals_get(const struct psc_vals *v, psc_vid id,
				    unsigned int *n);
/** Set of atoms in any order, with duplicates. */
psc_vid psc_vals_set(struct psc_vals *v, const struct psc_atom *a,
		     unsigned int n);
psc_vid psc_vals_atom(struct psc_vals *v, struct psc_atom a);
psc_vid psc_vals_const(struct psc_vals *v, uint64_t c);
/** The only atom of @p id if it has that kind, else NULL. */
const struct psc_atom *psc_vals_one(const struct psc_vals *v, psc_vid id,
				    enum psc_atom_kind kind);
psc_vid psc_vals_join(struct psc_vals *v, psc_vid a, psc_vid b);
/** Join over a backward jump: a pointer that steps through data becomes a
 *  table pointer. */
psc_vid psc_vals_step(struct psc_vals *v, psc_vid old, psc_vid new_id);
/** Join at a loop head that was seen before: growth becomes a table pointer
 *  or unknown. */
psc_vid psc_vals_widen(struct psc_vals *v, psc_vid old, psc_vid new_id);

enum psc_arith {
	PSC_ADD, PSC_SUB, PSC_AND, PSC_OR, PSC_XOR, PSC_SHL, PSC_SHR,
	PSC_SAR, PSC_MUL,
};
/** a op b on @p size bytes; results are zero-extended. */
psc_vid psc_vals_arith(struct psc_vals *v, enum psc_arith op, psc_vid a,
		       psc_vid b, unsigned int size);
/** Low @p size bytes, zero-extended. */
psc_vid psc_vals_trunc(struct psc_vals *v, psc_vid a, unsigned int size);
/** Low @p size bytes, sign-extended to @p to bytes. */
psc_vid psc_vals_sext(struct psc_vals *v, psc_vid a, unsigned int size,
		      unsigned int to);
/** Low @p size bytes of @p a replaced by @p b. */
psc_vid psc_vals_insert(struct psc_vals *v, psc_vid a, psc_vid b,
			unsigned int size);

#endif
