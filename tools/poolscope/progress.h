// SPDX-License-Identifier: MIT
/** @file
 * A bar on stderr for work that lasts over a second.
 */
#ifndef POOLSCOPE_PROGRESS_H
#define POOLSCOPE_PROGRESS_H

#include "base/progress.h"

/** Draws only when stderr is a terminal. */
struct psc_progress progress_on_terminal(void);
/** Wipe the bar before anything else is printed. */
void progress_done(struct psc_progress *p);

#endif
