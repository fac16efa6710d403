// SPDX-License-Identifier: MIT
/** @file
 * The tag list that is always there, as text.
 */
#ifndef PSC_ANALYSIS_POOLTAG_BUILTIN_H
#define PSC_ANALYSIS_POOLTAG_BUILTIN_H

extern const char psc_pooltag_builtin[];

#endif
