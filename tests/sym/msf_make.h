// SPDX-License-Identifier: MIT
/** @file
 * Take a PDB apart into streams, change them, write a fresh MSF file with
 * any block size: how tests make what no linker here writes.
 */
#ifndef PSC_TESTS_MSF_MAKE_H
#define PSC_TESTS_MSF_MAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct msf_make_stream {
	uint8_t *data;
	size_t size;
	bool nil;
};

struct msf_make {
	struct msf_make_stream *v;
	size_t n;
};

/** Fixture file of that name, or NULL when it was not built. Free it. */
uint8_t *fixture_read(const char *name, size_t *size);
/** Path of a fixture in a static buffer. */
const char *fixture_path(const char *name);
bool fixture_exists(const char *name);
/** Line of fixtures/driver.c that carries the mark "LINE name". */
unsigned int fixture_line(const char *name);

/** Streams of a fixture. @return false when it was not built. */
bool msf_make_load(struct msf_make *m, const char *name);
void msf_make_free(struct msf_make *m);
/** New stream; @return its number. Copies @p data. */
size_t msf_make_add(struct msf_make *m, const void *data, size_t size);
/** Replace a stream. Copies @p data. */
void msf_make_set(struct msf_make *m, size_t i, const void *data, size_t size);
/** Grow stream 3's optional debug header to 11 entries; set one of them. */
void msf_make_debug_stream(struct msf_make *m, unsigned int index,
			   uint16_t stream);
/** The file, in an exact-size heap block. @p shuffle: no two blocks of a
 *  stream are adjacent. */
uint8_t *msf_make_write(const struct msf_make *m, uint32_t block_size,
			bool shuffle, size_t *size);

#endif
