// SPDX-License-Identifier: MIT
/** @file
 * Loaded and unloaded drivers (facts dump-format 5, 6.2).
 */
#ifndef PSC_KERNEL_MODULE_H
#define PSC_KERNEL_MODULE_H

#include "kernel/kernel.h"

struct psc_module {
	char *name;		/**< "ntoskrnl.exe"; never NULL. */
	char *path;		/**< Full name, or NULL. */
	uint64_t base, size;
	uint32_t timestamp;	/**< Raw: can be a hash. */
	bool has_timestamp;
	bool has_pdb;
	struct psc_pe_pdb pdb;
	bool has_version;
	struct psc_pe_version version;
};

struct psc_unloaded {
	char *name;
	uint64_t start, end;
	uint64_t time;		/**< FILETIME; 0 = not recorded. */
};

struct psc_modules {
	struct psc_module *v;	/**< Sorted by base. */
	size_t n;
	struct psc_unloaded *unloaded;	/**< Newest first where times exist. */
	size_t n_unloaded;
	bool complete;		/**< The lists were walked to their end. */
	char *why_incomplete;	/**< Or NULL. */
};

/**
 * @param details also read PDB identity and version resource of each image
 *                (touches pages of every module).
 */
PSC_NODISCARD struct psc_error *
psc_modules_read(const struct psc_kernel *k, bool details,
		 struct psc_modules **ret);
void psc_modules_free(struct psc_modules *m);
/** Module that contains @p va, or NULL. */
const struct psc_module *psc_module_at(const struct psc_modules *m,
				       uint64_t va);
/** The image's bytes in memory as a source for psc_pe_open(). The returned
 *  source borrows @p k and @p mod. */
struct psc_module_image {
	const struct psc_kernel *k;
	uint64_t base, size;
};
struct psc_image_source psc_module_source(struct psc_module_image *img,
					  const struct psc_kernel *k,
					  const struct psc_module *mod);

#endif
