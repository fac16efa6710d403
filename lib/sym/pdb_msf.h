// SPDX-License-Identifier: MIT
/** @file
 * MSF 7.00, the container of PDB files: numbered streams cut into blocks
 * (symbols 1). Only the streams that are asked for are touched.
 */
#ifndef PSC_SYM_PDB_MSF_H
#define PSC_SYM_PDB_MSF_H

#include <stddef.h>
#include <stdint.h>

#include "psc/error.h"

#define PSC_MSF_NO_STREAM 0xffff	/**< How DBI and TPI say "none". */

struct psc_msf {
	const uint8_t *data;	/**< Borrowed: the file. */
	uint64_t size;
	uint32_t block_size, n_blocks;
	uint32_t n_streams;
	uint8_t *dir;		/**< The directory, joined. */
	uint64_t *first;	/**< Offset in dir of each stream's block list. */
};

/**
 * Parse the superblock and the directory.
 * @param data  the file; borrowed, must outlive @p ret.
 * @return PSC_ERR_UNSUPPORTED with the kind's name for files that are called
 *         .pdb and are something else (symbols 1.6).
 */
PSC_NODISCARD struct psc_error *
psc_msf_open(const uint8_t *data, uint64_t size, struct psc_msf *ret);
void psc_msf_close(struct psc_msf *m);

/** Bytes of a stream; 0 for missing and deleted ones. */
uint32_t psc_msf_size(const struct psc_msf *m, uint32_t stream);

/** A stream's bytes: in place when its blocks are adjacent, else a copy. */
struct psc_msf_stream {
	const uint8_t *data;	/**< NULL when size is 0. */
	size_t size;
	uint8_t *heap;		/**< The copy, or NULL. */
};

/**
 * Bytes of stream @p stream.
 * @param what  its name for messages.
 * @return &psc_absent when the file has no such stream.
 */
PSC_NODISCARD struct psc_error *
psc_msf_read(const struct psc_msf *m, uint32_t stream, const char *what,
	     struct psc_msf_stream *ret);
void psc_msf_stream_free(struct psc_msf_stream *s);

#endif
