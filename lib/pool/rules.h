// SPDX-License-Identifier: MIT
/** @file
 * The catalogue of checks (pool 7): one row per rule, with a stable name.
 */
#ifndef PSC_POOL_RULES_H
#define PSC_POOL_RULES_H

#include <stdbool.h>

enum psc_rule {
	PSC_L1, PSC_L2, PSC_L3, PSC_L4, PSC_L5, PSC_L6, PSC_L7, PSC_L8,
	PSC_L9, PSC_L10, PSC_L11, PSC_L12, PSC_L13, PSC_L14, PSC_L15,
	PSC_L16, PSC_L17, PSC_L18,
	PSC_Z1,
	PSC_X1, PSC_X2,
	PSC_B1, PSC_B2, PSC_B3, PSC_B4, PSC_B5, PSC_B6, PSC_B7, PSC_B8,
	PSC_B9,
	PSC_K1, PSC_K2, PSC_K3, PSC_K4, PSC_K5, PSC_K6,
	PSC_S1, PSC_S1B, PSC_S2, PSC_S3, PSC_S4, PSC_S5, PSC_S6, PSC_S7,
	PSC_S8, PSC_S9, PSC_S10, PSC_S11,
	PSC_V1, PSC_V2, PSC_V3, PSC_V4, PSC_V5, PSC_V6, PSC_V7, PSC_V8,
	PSC_V9, PSC_V10, PSC_V11, PSC_V12,
	PSC_F1, PSC_F2, PSC_F3, PSC_F4, PSC_F5, PSC_F7, PSC_F8,
	PSC_Q1, PSC_Q2, PSC_Q3,
	PSC_N_RULES
};

struct psc_rule_info {
	const char *name;	/**< "L4": stable. */
	const char *test;	/**< What is compared. */
	const char *meaning;	/**< What a failure likely means. */
	/** One field has two stored witnesses: a failure alone convicts. */
	bool strong;
};

const struct psc_rule_info *psc_rule_info(enum psc_rule r);

#endif
