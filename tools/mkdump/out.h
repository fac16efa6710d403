// SPDX-License-Identifier: MIT
/** @file
 * The dump file (dump-format 1, 2, 6, 8). Each type is a row of a table in
 * out.c and a writer of its own; pages that are zero stay holes of a sparse
 * file.
 */
#ifndef MK_OUT_H
#define MK_OUT_H

#include "recipe.h"

enum mk_content {
	MK_CONTENT_DEFAULT,
	MK_CONTENT_RAM,			/**< Every page of RAM. */
	MK_CONTENT_KERNEL,
	MK_CONTENT_KERNEL_USER,
};

struct mk_block {
	uint64_t va, bytes;		/**< Triage data block. */
};

struct mk_out {
	int fd;
	enum mk_content content;
	uint8_t *stored;		/**< Bit per frame: is in the dump. */
	uint64_t n_stored;
	uint64_t size;			/**< Bytes of the file. */
	uint64_t first_page;		/**< File offset of the page data. */
	uint64_t bits;			/**< Of the bitmap; 0: up to RAM's end. */
	uint64_t gap;			/**< Bytes between bitmap and pages. */
	bool dirty_tail;		/**< Ones behind the last bit. */
	bool unaligned;			/**< RDMP: pages at an odd offset. */
	bool no_kdbg_pointer;		/**< Header's KDBG address is 0. */
	const char *compress;		/**< "gzip", "zip" or NULL. */
	char *truncate;			/**< Bytes or "N%", or NULL. */
	uint32_t attributes;		/**< 0: left as fill. */
	PSC_VEC(struct mk_block) blocks;
	PSC_VEC(char *) file_pokes;	/**< "offset:hex" on the file. */
};

/** `dump type=N …`. */
void mk_do_dump(struct mk *m, struct mk_args *a);
/** `block WHERE bytes=N`: memory that a triage dump holds. */
void mk_do_block(struct mk *m, struct mk_args *a);
void mk_out_write(struct mk *m, const char *path);
void mk_out_free(struct mk_out *o);

/** pwrite() of everything, or failure. */
void mk_put(struct mk *m, uint64_t off, const void *p, size_t n);
/** The 64-bit header's 0x2000 bytes (header.c). */
void mk_header(struct mk *m, uint8_t *h);
/** Write the stored pages in frame order from @p off. */
void mk_put_pages(struct mk *m, uint64_t off);

void mk_write_full(struct mk *m);	/**< Type 1. */
void mk_write_summary(struct mk *m);	/**< Type 2. */
void mk_write_header_only(struct mk *m);	/**< Type 3. */
void mk_write_triage(struct mk *m);	/**< Type 4 (out_triage.c). */
void mk_write_bitmap(struct mk *m);	/**< Types 5 and 6. */
void mk_write_ranges(struct mk *m);	/**< Types 8, 9 and 0xA. */
/** Replace the file by a compressed one (out_compress.c). */
void mk_compress(struct mk *m, const char *path);

#endif
