// SPDX-License-Identifier: MIT
/** @file
 * CodeView symbol records, as they stand in the record stream and in module
 * streams (symbols 2.8).
 */
#ifndef PSC_SYM_PDB_RECORD_H
#define PSC_SYM_PDB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pdb_kind {
	PDB_S_END = 0x0006,
	PDB_S_PUB32_ST = 0x1009,
	PDB_S_THUNK32 = 0x1102,
	PDB_S_BLOCK32 = 0x1103,
	PDB_S_LDATA32 = 0x110c,
	PDB_S_GDATA32 = 0x110d,
	PDB_S_PUB32 = 0x110e,
	PDB_S_LPROC32 = 0x110f,
	PDB_S_GPROC32 = 0x1110,
	PDB_S_PROCREF = 0x1125,
	PDB_S_LPROCREF = 0x1127,
	PDB_S_SEPCODE = 0x1132,
	PDB_S_INLINESITE = 0x114d,
	PDB_S_INLINESITE_END = 0x114e,
	PDB_S_INLINESITE2 = 0x115d,
};

#define PDB_PUB_CODE 1u
#define PDB_PUB_FUNCTION 2u

/** One record where it lies. */
struct pdb_raw {
	uint16_t kind;
	size_t at;		/**< Of its length word. */
	const uint8_t *p;	/**< The length word. */
	size_t n;		/**< Bytes, length word included. */
};

/**
 * The record at @p *at, and move past it.
 * @return false at the end or at a record that does not fit: what stands
 *         behind it cannot be trusted.
 */
bool pdb_record_next(const uint8_t *base, size_t size, size_t *at,
		     struct pdb_raw *ret);

/** A record with a name and a place. Fields that a kind lacks are 0. */
struct pdb_symbol {
	uint16_t kind;
	uint16_t section;	/**< 1-based. */
	uint32_t offset, length;
	uint32_t flags;		/**< Of a public. */
	uint32_t end;		/**< Of a scope: where it ends in its stream. */
	uint16_t parent_section;	/**< S_SEPCODE: the function. */
	uint32_t parent_offset;
	uint16_t module;	/**< S_PROCREF: 1-based. */
	uint32_t module_at;	/**< S_PROCREF: record in the module stream. */
	const char *name;	/**< Not always NUL-terminated. */
	size_t name_len;
};

/** @return false for other kinds and for records without a whole name. */
bool pdb_symbol_parse(const struct pdb_raw *raw, struct pdb_symbol *ret);

#endif
