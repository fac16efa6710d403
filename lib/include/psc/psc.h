// SPDX-License-Identifier: MIT
/** @file
 * The library: open a dump, fill a report, render it.
 */
#ifndef PSC_PSC_H
#define PSC_PSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "psc/error.h"
#include "psc/report.h"

#endif
