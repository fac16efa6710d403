// SPDX-License-Identifier: MIT
/** @file
 * Type records of a PDB: TPI stream (2), and the ids of the IPI stream (4),
 * which has the same form (symbols 3).
 */
#ifndef PSC_SYM_PDB_TYPES_H
#define PSC_SYM_PDB_TYPES_H

#include <stdbool.h>

#include "base/map.h"
#include "base/reader.h"
#include "base/vec.h"
#include "sym/pdb_msf.h"
#include "sym/sym.h"

enum pdb_leaf {
	PDB_LF_VTSHAPE = 0x000a,
	PDB_LF_MODIFIER = 0x1001,
	PDB_LF_POINTER = 0x1002,
	PDB_LF_FIELDLIST = 0x1203,
	PDB_LF_BITFIELD = 0x1205,
	PDB_LF_BCLASS = 0x1400,
	PDB_LF_VBCLASS = 0x1401,
	PDB_LF_IVBCLASS = 0x1402,
	PDB_LF_INDEX = 0x1404,
	PDB_LF_VFUNCTAB = 0x1409,
	PDB_LF_VFUNCOFF = 0x140c,
	PDB_LF_ENUMERATE = 0x1502,
	PDB_LF_ARRAY = 0x1503,
	PDB_LF_CLASS = 0x1504,
	PDB_LF_STRUCTURE = 0x1505,
	PDB_LF_UNION = 0x1506,
	PDB_LF_ENUM = 0x1507,
	PDB_LF_MEMBER = 0x150d,
	PDB_LF_STMEMBER = 0x150e,
	PDB_LF_METHOD = 0x150f,
	PDB_LF_NESTTYPE = 0x1510,
	PDB_LF_ONEMETHOD = 0x1511,
	PDB_LF_NESTTYPEEX = 0x1512,
	PDB_LF_INTERFACE = 0x1519,
	PDB_LF_BINTERFACE = 0x151a,
	PDB_LF_FUNC_ID = 0x1601,
	PDB_LF_MFUNC_ID = 0x1602,
	PDB_LF_CLASS2 = 0x1608,
	PDB_LF_STRUCTURE2 = 0x1609,
	PDB_LF_UNION2 = 0x160a,
	PDB_LF_INTERFACE2 = 0x160b,
};

/** One definition; `older` is 1 + the index of one of the same name. */
struct pdb_def {
	uint32_t ti, older;
};

struct pdb_types {
	struct psc_msf_stream s;
	uint32_t first, end;	/**< Type indices [first, end). */
	uint32_t *at;		/**< Stream offset of each record; 0: missing. */
	struct psc_strmap names;	/**< Name → newest in defs, plus 1. */
	/** Definitions; several of one name are chained. */
	PSC_VEC(struct pdb_def) defs;
};

/**
 * Index stream @p stream (2 or 4): one pass over its records.
 * @param with_names  also index the names of definitions.
 */
PSC_NODISCARD struct psc_error *
pdb_types_read(const struct psc_msf *m, uint32_t stream, bool with_names,
	       struct pdb_types **ret);
void pdb_types_free(struct pdb_types *t);

/**
 * The payload of record @p ti behind its leaf.
 * @return its leaf, or 0 when there is no such record.
 */
uint16_t pdb_types_record(const struct pdb_types *t, uint32_t ti,
			  struct psc_reader *r);

/** Numeric leaf (symbols 3.2). @return false for reals and damage. */
bool pdb_numeric(struct psc_reader *r, int64_t *ret);
/** Two- and four-byte fields of records whose end is known. */
bool pdb_u16(struct psc_reader *r, uint16_t *ret);
bool pdb_u32(struct psc_reader *r, uint32_t *ret);

/** Struct, union, class, interface or enum. */
struct pdb_udt {
	uint16_t leaf;
	bool forward;		/**< A reference, defined elsewhere. */
	uint32_t fields;	/**< Field list. */
	uint32_t underlying;	/**< Of an enum. */
	uint64_t count, size;
	const char *name, *unique;	/**< unique: NULL when it has none. */
};

/** @return false when @p ti is something else or damaged. */
bool pdb_types_udt(const struct pdb_types *t, uint32_t ti,
		   struct pdb_udt *ret);

/** Definition of @p name, an enum or not. @return 0 when there is none. */
uint32_t pdb_types_find(const struct pdb_types *t, const char *name,
			bool is_enum);
/** The definition that forward reference @p ref stands for, else 0. */
uint32_t pdb_types_define(const struct pdb_types *t,
			  const struct pdb_udt *ref);

/** Name of a function id of the IPI stream, or NULL. */
const char *pdb_types_id_name(const struct pdb_types *ids, uint32_t id);

#endif
