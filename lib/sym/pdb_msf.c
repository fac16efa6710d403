// SPDX-License-Identifier: MIT
#include "sym/pdb_msf.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/reader.h"

#define NIL_SIZE 0xffffffffU
#define SUPERBLOCK_BYTES 56

static const char msf_magic[32] = "Microsoft C/C++ MSF 7.00\r\n\x1a" "DS\0\0";

// What else carries the name .pdb (symbols 1.6).
static const struct {
	const char *magic;
	const char *says;
} not_msf[] = {
	{ "Microsoft C/C++ program database 2.00",
	  "a PDB 2.00 (Visual C++ 6 era), which is not supported" },
	{ "BSJB", "a portable .NET PDB, which describes no native code" },
	{ "MSCF", "a cabinet that holds a PDB (.pd_)" },
	{ "<!DO", "an HTML page that a server sent instead of a PDB" },
	{ "<!do", "an HTML page that a server sent instead of a PDB" },
	{ "<htm", "an HTML page that a server sent instead of a PDB" },
	{ "<HTM", "an HTML page that a server sent instead of a PDB" },
	{ "{", "JSON, not a PDB" },
	{ "version https://git-lfs", "a git LFS pointer, not the file itself" },
};

static struct psc_error *refuse(const uint8_t *data, uint64_t size)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(not_msf); i++) {
		size_t n = strlen(not_msf[i].magic);
		if (size >= n && memcmp(data, not_msf[i].magic, n) == 0)
			return psc_error_new(PSC_ERR_UNSUPPORTED,
					     "this is %s", not_msf[i].says);
	}
	if (size < SUPERBLOCK_BYTES)
		return psc_error_new(PSC_ERR_TRUNCATED, "MSF superblock: "
				     "%" PRIu64 " bytes are too few", size);
	return psc_error_new(PSC_ERR_UNSUPPORTED,
			     "not a PDB: no MSF 7.00 magic");
}

static struct psc_error *superblock(struct psc_msf *m, uint32_t *dir_bytes)
{
	struct psc_reader r;
	struct psc_error *err;
	uint32_t fpm;

	psc_reader_init(&r, m->data, SUPERBLOCK_BYTES, PSC_WHERE_OFFSET, 0,
			"MSF superblock");
	if ((err = psc_reader_skip(&r, "magic", sizeof(msf_magic))) ||
	    (err = psc_reader_u32(&r, "block_size", &m->block_size)))
		return err;
	uint32_t bs = m->block_size;
	if (bs < 512 || bs > 32768 || (bs & (bs - 1)) != 0)
		return psc_reader_error(&r, PSC_ERR_DAMAGED,
					"%" PRIu32 " is no block size", bs);
	if ((err = psc_reader_u32(&r, "fpm_block", &fpm)))
		return err;
	if (fpm != 1 && fpm != 2)
		return psc_reader_error(&r, PSC_ERR_DAMAGED,
					"%" PRIu32 " is neither 1 nor 2", fpm);
	if ((err = psc_reader_u32(&r, "num_blocks", &m->n_blocks)))
		return err;
	uint64_t bytes = (uint64_t)m->n_blocks * bs;
	if (bytes > m->size)
		return psc_reader_error(&r, PSC_ERR_TRUNCATED,
					"%" PRIu32 " blocks of %" PRIu32
					" bytes, the file has %" PRIu64,
					m->n_blocks, bs, m->size);
	if ((err = psc_reader_u32(&r, "dir_bytes", dir_bytes)))
		return err;
	if (*dir_bytes < 4 || *dir_bytes > bytes)
		return psc_reader_error(&r, PSC_ERR_DAMAGED,
					"a directory of %" PRIu32 " bytes",
					*dir_bytes);
	return NULL;
}

static uint32_t blocks_of(const struct psc_msf *m, uint32_t bytes)
{
	return bytes / m->block_size + (bytes % m->block_size != 0);
}

static struct psc_error *bad_block(const struct psc_msf *m, const char *what,
				   uint32_t index, uint32_t block)
{
	return psc_error_new(PSC_ERR_DAMAGED, "%s: block %" PRIu32 " of its "
			     "list is number %" PRIu32 ", the file has %"
			     PRIu32, what, index, block, m->n_blocks);
}

static bool block_ok(const struct psc_msf *m, uint32_t block)
{
	return block != 0 && block < m->n_blocks;
}

// Copy dir_bytes through the two levels of lists (symbols 1.2).
static struct psc_error *join_dir(struct psc_msf *m, uint32_t dir_bytes)
{
	uint32_t per_map = m->block_size / 4;
	uint32_t n = blocks_of(m, dir_bytes);
	uint32_t n_maps = n / per_map + (n % per_map != 0);

	// The list of map blocks itself must lie in block 0.
	if (n_maps > (m->block_size - 0x34) / 4)
		return psc_error_new(PSC_ERR_DAMAGED, "MSF directory: %" PRIu32
				     " bytes need %" PRIu32 " map blocks",
				     dir_bytes, n_maps);
	m->dir = malloc(dir_bytes);
	if (!m->dir)
		return &psc_nomem;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t map = psc_le32(m->data + 0x34 + i / per_map * 4);
		if (!block_ok(m, map))
			return bad_block(m, "MSF directory map", i / per_map,
					 map);
		uint32_t block = psc_le32(m->data +
					  (uint64_t)map * m->block_size +
					  i % per_map * 4);
		if (!block_ok(m, block))
			return bad_block(m, "MSF directory", i, block);
		uint32_t done = i * m->block_size;
		memcpy(m->dir + done,
		       m->data + (uint64_t)block * m->block_size,
		       PSC_MIN(dir_bytes - done, m->block_size));
	}
	return NULL;
}

static uint32_t raw_size(const struct psc_msf *m, uint32_t stream)
{
	return psc_le32(m->dir + 4 + (uint64_t)stream * 4);
}

// Find every stream's block list and check that together they fit the file.
static struct psc_error *index_streams(struct psc_msf *m, uint32_t dir_bytes)
{
	m->n_streams = psc_le32(m->dir);
	if (m->n_streams > (dir_bytes - 4) / 4)
		return psc_error_new(PSC_ERR_DAMAGED, "MSF directory: %" PRIu32
				     " streams in %" PRIu32 " bytes",
				     m->n_streams, dir_bytes);
	m->first = calloc(m->n_streams ? m->n_streams : 1, sizeof(*m->first));
	if (!m->first)
		return &psc_nomem;

	uint64_t at = 4 + (uint64_t)m->n_streams * 4;
	uint64_t total = 0;
	for (uint32_t i = 0; i < m->n_streams; i++) {
		uint32_t bytes = psc_msf_size(m, i);
		m->first[i] = at;
		at += (uint64_t)blocks_of(m, bytes) * 4;
		// Stream 0 is the previous directory and shares blocks.
		total += i ? bytes : 0;
		if (at > dir_bytes)
			return psc_error_new(PSC_ERR_DAMAGED,
					     "MSF directory: the block list of "
					     "stream %" PRIu32 " (%" PRIu32
					     " bytes) ends past the directory",
					     i, bytes);
	}
	if (total > (uint64_t)m->n_blocks * m->block_size)
		return psc_error_new(PSC_ERR_DAMAGED, "MSF directory: streams "
				     "of %" PRIu64 " bytes in a file of %"
				     PRIu64, total, m->size);
	return NULL;
}

struct psc_error *psc_msf_open(const uint8_t *data, uint64_t size,
			       struct psc_msf *ret)
{
	struct psc_msf m = { .data = data, .size = size };
	struct psc_error *err;
	uint32_t dir_bytes;

	if (size < SUPERBLOCK_BYTES ||
	    memcmp(data, msf_magic, sizeof(msf_magic)) != 0)
		return refuse(data, size);
	if ((err = superblock(&m, &dir_bytes)) ||
	    (err = join_dir(&m, dir_bytes)) ||
	    (err = index_streams(&m, dir_bytes))) {
		psc_msf_close(&m);
		return err;
	}
	*ret = m;
	return NULL;
}

void psc_msf_close(struct psc_msf *m)
{
	free(m->dir);
	free(m->first);
	*m = (struct psc_msf){ 0 };
}

uint32_t psc_msf_size(const struct psc_msf *m, uint32_t stream)
{
	if (stream >= m->n_streams)
		return 0;
	uint32_t size = raw_size(m, stream);
	return size == NIL_SIZE ? 0 : size;
}

// Are all blocks good, and do they follow each other?
static struct psc_error *check_blocks(const struct psc_msf *m,
				      const uint8_t *list, uint32_t n,
				      const char *what, bool *adjacent)
{
	uint32_t first = psc_le32(list);

	*adjacent = true;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t block = psc_le32(list + (uint64_t)i * 4);
		if (!block_ok(m, block))
			return bad_block(m, what, i, block);
		if (block - first != i)
			*adjacent = false;
	}
	return NULL;
}

struct psc_error *psc_msf_read(const struct psc_msf *m, uint32_t stream,
			       const char *what, struct psc_msf_stream *ret)
{
	uint32_t size = psc_msf_size(m, stream);
	struct psc_error *err;
	bool adjacent;

	if (stream >= m->n_streams || raw_size(m, stream) == NIL_SIZE)
		return &psc_absent;
	if (!size) {
		*ret = (struct psc_msf_stream){ 0 };
		return NULL;
	}
	const uint8_t *list = m->dir + m->first[stream];
	uint32_t n = blocks_of(m, size);
	if ((err = check_blocks(m, list, n, what, &adjacent)))
		return psc_error_prefix(err, "stream %" PRIu32, stream);
	if (adjacent) {
		*ret = (struct psc_msf_stream){
			.data = m->data +
				(uint64_t)psc_le32(list) * m->block_size,
			.size = size,
		};
		return NULL;
	}
	uint8_t *copy = malloc(size);
	if (!copy)
		return &psc_nomem;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t done = i * m->block_size;
		memcpy(copy + done, m->data + (uint64_t)m->block_size *
		       psc_le32(list + (uint64_t)i * 4),
		       PSC_MIN(size - done, m->block_size));
	}
	*ret = (struct psc_msf_stream){
		.data = copy, .size = size, .heap = copy,
	};
	return NULL;
}

void psc_msf_stream_free(struct psc_msf_stream *s)
{
	free(s->heap);
	*s = (struct psc_msf_stream){ 0 };
}
