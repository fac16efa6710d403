// SPDX-License-Identifier: MIT
#include "sym/dwarf_types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define MAX_CHAIN 64		// typedefs, const, arrays on each other
#define MAX_LEVELS 1024		// anonymous members opened for one question

static bool is_struct_tag(Dwarf_Half tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_class_type;
}

// --- index -----------------------------------------------------------------

static bool put(struct psc_strmap *m, const char *name, uint64_t offset)
{
	bool added;
	uint64_t *slot = psc_strmap_put(m, name, strlen(name), &added);

	if (slot && added)
		*slot = offset;
	return slot != NULL;
}

static bool index_entry(struct dwarf_types *t, Dwarf_Die die, Dwarf_Half tag)
{
	const char *name = dwarf_die_name(die);
	uint64_t offset = dwarf_die_offset(die);

	if (!name || dwarf_die_flag(die, DW_AT_declaration))
		return true;
	if (is_struct_tag(tag))
		return put(&t->structs, name, offset);
	if (tag == DW_TAG_enumeration_type)
		return put(&t->enums, name, offset);
	if (tag == DW_TAG_typedef)
		return put(&t->typedefs, name, offset);
	return true;
}

static enum dwarf_step index_visit(void *ctx, Dwarf_Die die)
{
	Dwarf_Half tag = dwarf_die_tag(die);

	if (!index_entry(ctx, die, tag))
		return DWARF_STOP;
	return is_struct_tag(tag) || tag == DW_TAG_namespace ? DWARF_ENTER
							     : DWARF_NEXT;
}

static bool index_unit(void *ctx, Dwarf_Die unit)
{
	struct dwarf_types *t = ctx;

	return dwarf_walk(t->dbg, unit, index_visit, t);
}

struct psc_error *dwarf_types_read(Dwarf_Debug dbg, struct dwarf_types **ret)
{
	struct dwarf_types *t = calloc(1, sizeof(*t));

	if (!t)
		return &psc_nomem;
	t->dbg = dbg;
	if (!dwarf_each_unit(dbg, index_unit, t)) {
		dwarf_types_free(t);
		return &psc_nomem;
	}
	*ret = t;
	return NULL;
}

void dwarf_types_free(struct dwarf_types *t)
{
	if (!t)
		return;
	psc_strmap_free(&t->structs);
	psc_strmap_free(&t->enums);
	psc_strmap_free(&t->typedefs);
	free(t);
}

// --- types of members ------------------------------------------------------

// Replace *die by the entry that its DW_AT_type names.
static bool to_type(Dwarf_Debug dbg, Dwarf_Die *die)
{
	uint64_t offset;
	Dwarf_Die to;

	if (!dwarf_die_ref(dbg, *die, DW_AT_type, &offset) ||
	    !dwarf_die_at(dbg, offset, &to))
		return false;
	dwarf_die_free(dbg, *die);
	*die = to;
	return true;
}

// A declaration stands for the definition of its name.
static bool define(const struct dwarf_types *t, Dwarf_Die *die)
{
	const char *name = dwarf_die_name(*die);
	Dwarf_Die to;

	if (!dwarf_die_flag(*die, DW_AT_declaration))
		return true;
	uint64_t *offset = name ? psc_strmap_get(&t->structs, name,
						 strlen(name)) : NULL;
	if (!offset || !dwarf_die_at(t->dbg, *offset, &to))
		return false;
	dwarf_die_free(t->dbg, *die);
	*die = to;
	return true;
}

static bool is_transparent(Dwarf_Half tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type ||
	       tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
	       tag == DW_TAG_atomic_type;
}

// One dimension per subrange; without a bound the array is flexible.
static uint64_t elements(Dwarf_Debug dbg, Dwarf_Die array)
{
	Dwarf_Die die, next;
	uint64_t count = 1;
	int64_t v;

	if (!dwarf_first_child(array, &die))
		return 0;
	for (;;) {
		if (dwarf_die_tag(die) == DW_TAG_subrange_type) {
			uint64_t n = 0;
			if (dwarf_die_int(dbg, die, DW_AT_count, &v))
				n = (uint64_t)v;
			else if (dwarf_die_int(dbg, die, DW_AT_upper_bound,
					       &v))
				n = (uint64_t)v + 1;
			if (n > UINT32_MAX)
				n = 0;	// upper bound of -1
			count = PSC_MIN(count * n, UINT32_MAX);
		}
		if (!dwarf_next_sibling(dbg, die, &next))
			break;
		dwarf_die_free(dbg, die);
		die = next;
	}
	dwarf_die_free(dbg, die);
	return count;
}

static bool byte_size(const struct dwarf_types *t, Dwarf_Die die,
		      uint32_t *ret)
{
	int64_t v;

	if (!dwarf_die_int(t->dbg, die, DW_AT_byte_size, &v) || v < 0 ||
	    v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static void base(const struct dwarf_types *t, Dwarf_Die die,
		 struct psc_field *f)
{
	int64_t encoding = 0;

	(void)byte_size(t, die, &f->size);
	(void)dwarf_die_int(t->dbg, die, DW_AT_encoding, &encoding);
	f->is_signed = encoding == DW_ATE_signed ||
		       encoding == DW_ATE_signed_char;
	f->cls = f->is_signed || encoding == DW_ATE_boolean ||
		 encoding == DW_ATE_unsigned ||
		 encoding == DW_ATE_unsigned_char || encoding == DW_ATE_UTF
		? PSC_TYPE_INT : PSC_TYPE_OTHER;
}

static void enumeration(const struct dwarf_types *t, Dwarf_Die die,
			struct psc_field *f)
{
	struct psc_field under = { 0 };
	uint64_t offset;
	Dwarf_Die to;

	f->cls = PSC_TYPE_INT;
	(void)byte_size(t, die, &f->size);
	if (!dwarf_die_ref(t->dbg, die, DW_AT_type, &offset) ||
	    !dwarf_die_at(t->dbg, offset, &to))
		return;
	if (dwarf_die_tag(to) == DW_TAG_base_type)
		base(t, to, &under);
	dwarf_die_free(t->dbg, to);
	f->is_signed = under.is_signed;
	f->size = f->size ? f->size : under.size;
}

// Entry of the struct behind a pointer, 0 for anything else.
static uint64_t pointee(const struct dwarf_types *t, Dwarf_Die pointer)
{
	uint64_t offset, ret = 0;
	Dwarf_Die die;

	if (!dwarf_die_ref(t->dbg, pointer, DW_AT_type, &offset) ||
	    !dwarf_die_at(t->dbg, offset, &die))
		return 0;
	for (int i = 0; i < MAX_CHAIN && is_transparent(dwarf_die_tag(die));
	     i++) {
		if (!to_type(t->dbg, &die))
			break;
	}
	if (is_struct_tag(dwarf_die_tag(die)) && define(t, &die))
		ret = dwarf_die_offset(die);
	dwarf_die_free(t->dbg, die);
	return ret;
}

static void pointer(const struct dwarf_types *t, Dwarf_Die die,
		    struct psc_field *f)
{
	Dwarf_Half size = 0;

	f->cls = PSC_TYPE_POINTER;
	if (!byte_size(t, die, &f->size) &&	// clang leaves it out
	    dwarf_get_die_address_size(die, &size, NULL) == DW_DLV_OK)
		f->size = size;
	f->type_id = pointee(t, die);
}

// The entry decides class and size. @return false: go on with its type.
static bool decide(const struct dwarf_types *t, Dwarf_Die *die,
		   struct psc_field *f, bool *ok)
{
	Dwarf_Half tag = dwarf_die_tag(*die);

	if (tag == DW_TAG_array_type) {
		f->count = (uint32_t)PSC_MIN(f->count *
			elements(t->dbg, *die), UINT32_MAX);
		return false;
	}
	if (is_transparent(tag))
		return false;
	if (tag == DW_TAG_base_type) {
		base(t, *die, f);
	} else if (tag == DW_TAG_enumeration_type) {
		enumeration(t, *die, f);
	} else if (tag == DW_TAG_pointer_type) {
		pointer(t, *die, f);
	} else if (is_struct_tag(tag)) {
		f->cls = PSC_TYPE_STRUCT;
		*ok = define(t, die) && byte_size(t, *die, &f->size);
		f->type_id = dwarf_die_offset(*die);
	}
	return true;
}

static bool describe(const struct dwarf_types *t, Dwarf_Die member,
		     struct psc_field *f)
{
	uint64_t offset;
	Dwarf_Die die;
	bool ok = true, done = false;

	f->cls = PSC_TYPE_OTHER;
	f->count = 1;
	if (!dwarf_die_ref(t->dbg, member, DW_AT_type, &offset) ||
	    !dwarf_die_at(t->dbg, offset, &die))
		return false;
	for (int i = 0; i < MAX_CHAIN && ok && !done; i++) {
		done = decide(t, &die, f, &ok);
		if (!done && !to_type(t->dbg, &die))
			break;		// void
	}
	dwarf_die_free(t->dbg, die);
	return ok && done;
}

// DWARF 5 counts bits from the start of the struct; before, from the most
// significant bit of a storage unit (symbols 7.5).
static bool bit_range(const struct dwarf_types *t, Dwarf_Die member,
		      struct psc_field *f)
{
	int64_t bits, first, at;
	uint32_t unit;

	if (!dwarf_die_int(t->dbg, member, DW_AT_bit_size, &bits))
		return true;
	if (bits < 1 || bits > 64)
		return false;
	if (dwarf_die_int(t->dbg, member, DW_AT_data_bit_offset, &first)) {
		f->offset = 0;
	} else {
		if (!dwarf_die_int(t->dbg, member, DW_AT_bit_offset, &at))
			return false;
		if (!byte_size(t, member, &unit))
			unit = f->size;
		first = 8 * (int64_t)unit - at - bits;
	}
	if (first < 0 || first > INT32_MAX)
		return false;
	f->offset += (uint64_t)first / 8;
	f->bit = (uint8_t)(first % 8);
	f->bits = (uint8_t)bits;
	f->size = ((uint32_t)f->bit + f->bits + 7) / 8;
	return true;
}

// gcc leaves the location of union members out.
static bool location(const struct dwarf_types *t, Dwarf_Die member,
		     uint64_t *ret)
{
	int64_t v = 0;

	*ret = 0;
	if (!dwarf_die_flag(member, DW_AT_data_member_location))
		return true;
	if (!dwarf_die_int(t->dbg, member, DW_AT_data_member_location, &v) ||
	    v < 0)
		return false;
	*ret = (uint64_t)v;
	return true;
}

// --- questions -------------------------------------------------------------

static struct psc_error *damaged(const char *name)
{
	return psc_error_new(PSC_ERR_DAMAGED, "DWARF: the type of member %s "
			     "cannot be followed", name);
}

/** Structs to look through: the asked one and anonymous members. */
struct search {
	const struct dwarf_types *t;
	const char *name;	// wanted, or
	psc_member_fn each;	// what to do with every one
	void *ctx;
	struct level {
		uint64_t id, base;
	} level[MAX_LEVELS];
	unsigned int n;
};

static struct psc_error *answer(struct search *s, Dwarf_Die member,
				uint64_t base, struct psc_field *ret)
{
	struct psc_field f = { 0 };

	if (!location(s->t, member, &f.offset) ||
	    !describe(s->t, member, &f) || !bit_range(s->t, member, &f))
		return damaged(s->name);
	f.offset += base;
	*ret = f;
	return NULL;
}

// @return false to stop.
static bool visit(struct search *s, Dwarf_Die member, uint64_t base,
		  const char *name)
{
	struct psc_field f = { 0 };

	if (!location(s->t, member, &f.offset) ||
	    !describe(s->t, member, &f) || !bit_range(s->t, member, &f))
		return true;
	f.offset += base;
	return s->each(s->ctx, name, &f);
}

static void open_anonymous(struct search *s, Dwarf_Die member, uint64_t base)
{
	struct psc_field f = { 0 };

	if (s->n < MAX_LEVELS && location(s->t, member, &f.offset) &&
	    describe(s->t, member, &f) && f.cls == PSC_TYPE_STRUCT &&
	    f.count == 1)
		s->level[s->n++] = (struct level){
			f.type_id, base + f.offset,
		};
}

// Members of one level. @return whether the name was among them.
static bool look_through(struct search *s, struct level l,
			 struct psc_field *ret, struct psc_error **err)
{
	Dwarf_Debug dbg = s->t->dbg;
	Dwarf_Die parent, die, next;
	bool found = false;

	if (!dwarf_die_at(dbg, l.id, &parent))
		return false;
	bool any = dwarf_first_child(parent, &die);
	dwarf_die_free(dbg, parent);
	while (any) {
		const char *name = dwarf_die_name(die);
		bool is_member = dwarf_die_tag(die) == DW_TAG_member;
		if (is_member && name && *name && s->each) {
			found = !visit(s, die, l.base, name);
		} else if (is_member && name && s->name &&
			   strcmp(name, s->name) == 0) {
			*err = answer(s, die, l.base, ret);
			found = true;
		} else if (is_member && (!name || !*name)) {
			open_anonymous(s, die, l.base);
		}
		any = !found && dwarf_next_sibling(dbg, die, &next);
		dwarf_die_free(dbg, die);
		die = any ? next : NULL;
	}
	return found;
}

struct psc_error *dwarf_types_member(const struct dwarf_types *t, uint64_t id,
				     const char *name, struct psc_field *ret)
{
	struct search s = {
		.t = t, .name = name, .level = { { id, 0 } }, .n = 1,
	};
	struct psc_error *err = NULL;

	for (unsigned int i = 0; id && i < s.n; i++) {
		if (look_through(&s, s.level[i], ret, &err))
			return err;
	}
	return &psc_absent;
}

struct psc_error *dwarf_types_members(const struct dwarf_types *t, uint64_t id,
				      psc_member_fn each, void *ctx)
{
	struct search s = {
		.t = t, .each = each, .ctx = ctx, .level = { { id, 0 } },
		.n = 1,
	};
	struct psc_error *err = NULL;
	struct psc_field ignored;

	for (unsigned int i = 0; id && i < s.n; i++) {
		if (look_through(&s, s.level[i], &ignored, &err))
			break;
	}
	return err;
}

// A typedef may be the only name of a struct.
static uint64_t behind_typedef(const struct dwarf_types *t, uint64_t offset)
{
	uint64_t ret = 0;
	Dwarf_Die die;

	if (!dwarf_die_at(t->dbg, offset, &die))
		return 0;
	for (int i = 0; i < MAX_CHAIN && is_transparent(dwarf_die_tag(die));
	     i++) {
		if (!to_type(t->dbg, &die))
			break;
	}
	if (is_struct_tag(dwarf_die_tag(die)) && define(t, &die))
		ret = dwarf_die_offset(die);
	dwarf_die_free(t->dbg, die);
	return ret;
}

struct psc_error *dwarf_types_find(const struct dwarf_types *t,
				   const char *name, struct psc_type *ret)
{
	uint64_t *slot = psc_strmap_get(&t->structs, name, strlen(name));
	uint64_t id = slot ? *slot : 0;
	uint32_t size = 0;
	Dwarf_Die die;

	if (!id && (slot = psc_strmap_get(&t->typedefs, name, strlen(name))))
		id = behind_typedef(t, *slot);
	if (!id || !dwarf_die_at(t->dbg, id, &die))
		return &psc_absent;
	bool ok = byte_size(t, die, &size);
	dwarf_die_free(t->dbg, die);
	if (!ok)
		return damaged(name);
	*ret = (struct psc_type){ .id = id, .size = size };
	return NULL;
}

struct psc_error *dwarf_types_constant(const struct dwarf_types *t,
				       const char *enum_name, const char *name,
				       int64_t *ret)
{
	uint64_t *slot = psc_strmap_get(&t->enums, enum_name,
					strlen(enum_name));
	Dwarf_Die parent, die, next;
	bool found = false;

	if (!slot || !dwarf_die_at(t->dbg, *slot, &parent))
		return &psc_absent;
	bool any = dwarf_first_child(parent, &die);
	dwarf_die_free(t->dbg, parent);
	while (any) {
		const char *have = dwarf_die_name(die);
		found = have && strcmp(have, name) == 0 &&
			dwarf_die_int(t->dbg, die, DW_AT_const_value, ret);
		any = !found && dwarf_next_sibling(t->dbg, die, &next);
		dwarf_die_free(t->dbg, die);
		die = any ? next : NULL;
	}
	return found ? NULL : &psc_absent;
}
