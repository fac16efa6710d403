// SPDX-License-Identifier: MIT
/** @file
 * The one interface to names, layouts and lines, whatever they come from
 * (built-in table, PDB, ISF, DWARF, recovery). The kernel model asks for
 * `_MI_PARTITION.Vp.TotalCommittedPages`; sources only answer primitive
 * questions about one type and one member, and what they disagree about
 * (anonymous members, bit-field storage units) is settled in sym.c.
 */
#ifndef PSC_SYM_SYM_H
#define PSC_SYM_SYM_H

#include <stdbool.h>
#include <stdint.h>

#include "psc/error.h"

/** Identity of a PDB: what an image's RSDS record asks for. */
struct psc_pdb_id {
	char name[256];		/**< Last path component; "" when unknown. */
	uint8_t guid[16];	/**< As stored in the file. */
	uint32_t age;		/**< DBI age. */
	bool known;
};

/** "339E74133576439CBCDF7E0229DA3773" (upper case, Data1..3 as numbers). */
void psc_guid_text(const uint8_t guid[16], char out[33]);

/** Class of a member's type after modifiers, typedefs and enums. */
enum psc_type_class {
	PSC_TYPE_INT,		/**< Integer, enum, bool, char. */
	PSC_TYPE_POINTER,
	PSC_TYPE_STRUCT,	/**< Struct, union, class. */
	PSC_TYPE_OTHER,		/**< Float, function, void, unknown. */
};

/**
 * A member, or a path of members, inside a type. Bit fields are canonical:
 * @c offset is the byte that holds their first bit and @c bit is 0..7 within
 * it, independent of the source's storage unit.
 */
struct psc_field {
	uint64_t offset;	/**< Bytes from the start of the outermost type. */
	uint32_t size;		/**< Bytes of one element; bit field: bytes touched. */
	uint8_t bit, bits;	/**< bits = 0: not a bit field. */
	bool is_signed;
	enum psc_type_class cls;
	uint32_t count;		/**< Array elements; 1 for a scalar, 0 flexible. */
	uint64_t type_id;	/**< Source-specific id of a struct (or pointee). */
};

struct psc_type {
	uint64_t id;		/**< Source-specific, passed back to member(). */
	uint64_t size;		/**< Bytes; 0: not known. */
};

/** A symbol near an address. Strings live as long as the source. */
struct psc_symname {
	const char *name;
	uint64_t rva;		/**< Of the symbol. */
	uint64_t size;		/**< Bytes; 0 = unknown. */
	bool is_function;
};

/** One source line, innermost first in psc_lines. */
struct psc_line {
	const char *function;	/**< NULL when unknown. */
	const char *file;	/**< NULL when unknown. */
	uint32_t line;		/**< 0 when unknown. */
};

/** Inlined frames of one address: [n-1] is the real (outermost) function. */
struct psc_lines {
	struct psc_line v[16];
	unsigned int n;
};

struct psc_sym;

/** Called for a member; false stops. @p name lives as long as the source. */
typedef bool (*psc_member_fn)(void *ctx, const char *name,
			      const struct psc_field *f);

/** What one kind of source implements. &psc_absent = no such thing. */
struct psc_sym_ops {
	/** "builtin", "pdb", "isf", "dwarf", "recovered". */
	const char *source;
	void (*destroy)(void *self);
	/** @p name to RVA. NULL op: the source has no names. */
	struct psc_error *(*symbol)(void *self, const char *name,
				    uint64_t *rva);
	/** Nearest symbol at or below @p rva. */
	struct psc_error *(*nearest)(void *self, uint64_t rva,
				     struct psc_symname *ret);
	/** Definition of a struct or union by name. */
	struct psc_error *(*type)(void *self, const char *name,
				  struct psc_type *ret);
	/** Direct member (anonymous members flattened by the source). */
	struct psc_error *(*member)(void *self, uint64_t type_id,
				    const char *name, struct psc_field *ret);
	/** Value of an enum constant. */
	struct psc_error *(*constant)(void *self, const char *enum_name,
				      const char *name, int64_t *ret);
	/** Every member, anonymous ones flattened where the source does it. */
	struct psc_error *(*members)(void *self, uint64_t type_id,
				     psc_member_fn each, void *ctx);
	/** Function, file and line of @p rva with inlined frames. */
	struct psc_error *(*lines)(void *self, uint64_t rva,
				   struct psc_lines *ret);
};

/**
 * Wrap a source. @p self passes to the new object, which destroys it (also
 * when this fails).
 * @param file  path of the file it was read from, or NULL.
 * @param what  one line for the user: "built-in table, 10.0.19041.804".
 */
PSC_NODISCARD struct psc_error *
psc_sym_new(const struct psc_sym_ops *ops, void *self,
	    const struct psc_pdb_id *id, const char *file, const char *what,
	    struct psc_sym **ret);
void psc_sym_free(struct psc_sym *s);

const char *psc_sym_source(const struct psc_sym *s);
const char *psc_sym_file(const struct psc_sym *s);	/**< May be NULL. */
const char *psc_sym_what(const struct psc_sym *s);
const struct psc_pdb_id *psc_sym_id(const struct psc_sym *s);

/** RVA of @p name. @return &psc_absent when the source has no such name. */
PSC_NODISCARD struct psc_error *
psc_sym_rva(const struct psc_sym *s, const char *name, uint64_t *rva);
PSC_NODISCARD struct psc_error *
psc_sym_nearest(const struct psc_sym *s, uint64_t rva, struct psc_symname *ret);
PSC_NODISCARD struct psc_error *
psc_sym_lines(const struct psc_sym *s, uint64_t rva, struct psc_lines *ret);
/** Definition of a struct or union; its id goes to psc_sym_member(). */
PSC_NODISCARD struct psc_error *
psc_sym_type(const struct psc_sym *s, const char *name, struct psc_type *ret);
/** Direct member of the type with that id. */
PSC_NODISCARD struct psc_error *
psc_sym_member(const struct psc_sym *s, uint64_t type_id, const char *name,
	       struct psc_field *ret);
/** Calls @p each for the members of the type with that id. Those whose types
 *  cannot be followed are left out. */
PSC_NODISCARD struct psc_error *
psc_sym_members(const struct psc_sym *s, uint64_t type_id, psc_member_fn each,
		void *ctx);
/** Size in bytes of a struct or union. */
PSC_NODISCARD struct psc_error *
psc_sym_sizeof(const struct psc_sym *s, const char *type, uint64_t *size);
/**
 * Resolve "Type.member.member[3].member".
 * @return &psc_absent when any step does not exist; PSC_ERR_USAGE for a path
 *         that does not parse.
 */
PSC_NODISCARD struct psc_error *
psc_sym_field(const struct psc_sym *s, const char *path,
	      struct psc_field *ret);
/** Value of "enum name" constant. */
PSC_NODISCARD struct psc_error *
psc_sym_constant(const struct psc_sym *s, const char *enum_name,
		 const char *name, int64_t *ret);

/** Extract a field's value from the bytes of its outermost type's storage.
 *  @p p points at offset field->offset; field->size bytes are readable. */
uint64_t psc_field_extract(const struct psc_field *f, const void *p);

#endif
