// SPDX-License-Identifier: MIT
/** @file
 * What is right for a fixture driver: hand-written rows, and the addresses
 * of their labels from the linker's map (never from our own readers).
 */
#ifndef PSC_TESTS_CODE_TRUTH_H
#define PSC_TESTS_CODE_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

enum { TRUTH_MAX = 256, LABELS_MAX = 1024 };

struct label {
	char name[64];
	uint32_t rva;
};

struct truth {
	char site[64];		/**< Label, or function after '@'. */
	char via[64], tag[40], by[16];
	bool by_function, none, disk_only, memory_only;
	bool has_type, has_size;
	uint64_t type, type_or, size; /**< type_or 0: only one. */
	bool met;		/**< Some row answers it. */
};

struct truths {
	struct label label[LABELS_MAX];
	unsigned int n_labels;
	struct truth v[TRUTH_MAX];
	unsigned int n;
};

/** Read both files; fails the test on errors. */
void truth_read(struct truths *t, const char *map, const char *truth,
		uint64_t image_base);
/** RVA of a label; fails the test when there is none. */
uint32_t truth_rva(const struct truths *t, const char *name);

#endif
