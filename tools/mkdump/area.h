// SPDX-License-Identifier: MIT
/** @file Address-space layout of each family. */
#ifndef MK_AREA_H
#define MK_AREA_H

#include "mk.h"

/** Fixed kernel objects begin here inside the pool regions. */
#define MK_OBJECTS_AT 0x40000000u
/** Pool pages that do not fit before them go on here. */
#define MK_POOL_REST_AT 0x1000000000ull

struct mk_places {
	uint32_t family;	/**< This one and newer. */
	uint64_t kernel_base, pte_base, pfn_database;
	struct mk_area_state area[MK_AREAS];	/**< base and bytes. */
};

const struct mk_places *mk_places(const struct mk *m);
/** Set m->area and m->pte_base, once the family is known. */
void mk_areas_init(struct mk *m);

#endif
