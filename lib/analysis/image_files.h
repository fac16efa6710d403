// SPDX-License-Identifier: MIT
/** @file
 * Call sites of image files: a customer's folder of drivers, without a dump.
 */
#ifndef PSC_ANALYSIS_IMAGE_FILES_H
#define PSC_ANALYSIS_IMAGE_FILES_H

#include "base/progress.h"
#include "psc/psc.h"

/**
 * Fill "callsites" and "callsite_modules" of @p root from files and folders
 * (searched to the bottom for .sys, .exe and .dll).
 * @param symbols  folder with PDBs, or NULL: beside the images.
 * @return PSC_ERR_OS when a path cannot be read, &psc_absent when there is no
 *         image.
 */
PSC_NODISCARD struct psc_error *
psc_analyse_image_files(const char *const *paths, size_t n,
			const char *tag_pattern, const char *symbols,
			const struct psc_progress *progress,
			struct psc_value *root);

#endif
