// SPDX-License-Identifier: MIT
#include "sym/dwarf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define MAX_SECTION_NAME 32
#define MAX_SECTIONS 64		// that hold DWARF
#define MAX_ORIGINS 8		// specification of an origin of …
#define MAX_RANGES 65536
#define MAX_DEPTH 64		// entries inside entries

/** A section as libdwarf sees it; index 0 is the empty one it expects. */
struct section {
	char name[MAX_SECTION_NAME];
	const uint8_t *data;
	size_t n;
	uint64_t addr;
};

struct dwarf_file {
	Dwarf_Debug dbg;
	Dwarf_Obj_Access_Interface access;
	struct section section[MAX_SECTIONS];
	unsigned int n_sections;
	bool is64;
};

// --- object interface ------------------------------------------------------

static int section_info(void *obj, Dwarf_Half i, Dwarf_Obj_Access_Section *ret,
			int *error)
{
	const struct dwarf_file *f = obj;

	if (i >= f->n_sections) {
		*error = DW_DLE_MDE;
		return DW_DLV_ERROR;
	}
	*ret = (Dwarf_Obj_Access_Section){
		.addr = f->section[i].addr, .size = f->section[i].n,
		.name = f->section[i].name,
	};
	return DW_DLV_OK;
}

static Dwarf_Endianness byte_order(void *obj)
{
	return DW_OBJECT_LSB;
}

static Dwarf_Small length_size(void *obj)
{
	return 4;
}

static Dwarf_Small pointer_size(void *obj)
{
	return ((const struct dwarf_file *)obj)->is64 ? 8 : 4;
}

static Dwarf_Unsigned section_count(void *obj)
{
	return ((const struct dwarf_file *)obj)->n_sections;
}

// libdwarf only reads through the pointer and does not free it.
static int load_section(void *obj, Dwarf_Half i, Dwarf_Small **ret, int *error)
{
	const struct dwarf_file *f = obj;

	if (i >= f->n_sections || !f->section[i].data)
		return DW_DLV_NO_ENTRY;
	*ret = (Dwarf_Small *)(uintptr_t)f->section[i].data;
	return DW_DLV_OK;
}

static const Dwarf_Obj_Access_Methods methods = {
	.get_section_info = section_info,
	.get_byte_order = byte_order,
	.get_length_size = length_size,
	.get_pointer_size = pointer_size,
	.get_section_count = section_count,
	.load_section = load_section,
};

// With a handler set, calls may pass no error object.
static void ignore_error(Dwarf_Error error, Dwarf_Ptr arg)
{
}

const uint8_t *dwarf_pe_section(const struct psc_pe_file *pe,
				const char *name, size_t *n)
{
	char have[MAX_SECTION_NAME];

	for (unsigned int i = 0; i < pe->pe.n_sections; i++) {
		const struct psc_pe_section *s = &pe->pe.section[i];
		psc_pe_file_section_name(pe, s, have, sizeof(have));
		if (strcmp(have, name) == 0)
			return psc_pe_file_section(pe, s, n);
	}
	return NULL;
}

static void add_section(struct dwarf_file *f, const char *name,
			const uint8_t *data, size_t n, uint64_t addr)
{
	if (strncmp(name, ".debug_", 7) != 0 || !data || !n ||
	    f->n_sections == MAX_SECTIONS)
		return;
	struct section *to = &f->section[f->n_sections++];
	snprintf(to->name, sizeof(to->name), "%s", name);
	to->data = data;
	to->n = n;
	to->addr = addr;
}

static struct psc_error *finish_open(struct dwarf_file *f,
				     struct dwarf_file **ret)
{
	f->access = (Dwarf_Obj_Access_Interface){
		.object = f, .methods = &methods,
	};
	// Opening is the one call that needs an error object: it writes to it
	// without asking.
	Dwarf_Error error = NULL;
	int code = f->n_sections == 1 ? DW_DLV_NO_ENTRY
		: dwarf_object_init_b(&f->access, ignore_error, NULL,
				      DW_GROUPNUMBER_ANY, &f->dbg, &error);
	if (error)
		dwarf_dealloc_error(NULL, error);
	if (code == DW_DLV_OK) {
		*ret = f;
		return NULL;
	}
	f->dbg = NULL;
	dwarf_file_free(f);
	if (code == DW_DLV_NO_ENTRY)
		return &psc_absent;
	return psc_error_new(PSC_ERR_DAMAGED, "DWARF: libdwarf refuses it");
}

struct psc_error *dwarf_file_of_pe(const struct psc_pe_file *pe,
				   struct dwarf_file **ret)
{
	struct dwarf_file *f = calloc(1, sizeof(*f));
	char name[MAX_SECTION_NAME];
	size_t n;

	if (!f)
		return &psc_nomem;
	f->is64 = pe->pe.is64;
	f->n_sections = 1;
	for (unsigned int i = 0; i < pe->pe.n_sections; i++) {
		const struct psc_pe_section *s = &pe->pe.section[i];
		psc_pe_file_section_name(pe, s, name, sizeof(name));
		const uint8_t *p = psc_pe_file_section(pe, s, &n);
		add_section(f, name, p, n, s->rva);
	}
	return finish_open(f, ret);
}

struct psc_error *dwarf_file_of_elf(const struct elf *elf,
				    struct dwarf_file **ret)
{
	struct dwarf_file *f = calloc(1, sizeof(*f));

	if (!f)
		return &psc_nomem;
	f->is64 = elf->is64;
	f->n_sections = 1;
	for (size_t i = 0; i < elf->n; i++)
		add_section(f, elf->v[i].name, elf->v[i].data, elf->v[i].n, 0);
	return finish_open(f, ret);
}

void dwarf_file_free(struct dwarf_file *f)
{
	if (!f)
		return;
	if (f->dbg)
		dwarf_object_finish(f->dbg, NULL);
	free(f);
}

Dwarf_Debug dwarf_file_debug(const struct dwarf_file *f)
{
	return f->dbg;
}

// --- entries ---------------------------------------------------------------

bool dwarf_each_unit(Dwarf_Debug dbg, bool (*each)(void *ctx, Dwarf_Die unit),
		     void *ctx)
{
	Dwarf_Unsigned length, type_offset, next, last = 0;
	Dwarf_Half version, address, size, extension, kind;
	Dwarf_Off abbrev;
	Dwarf_Sig8 signature;
	bool more = true;

	// libdwarf keeps the place: the loop must run to its end.
	while (dwarf_next_cu_header_d(dbg, 1, &length, &version, &abbrev,
				      &address, &size, &extension, &signature,
				      &type_offset, &next, &kind,
				      NULL) == DW_DLV_OK) {
		Dwarf_Die unit;
		if (next <= last)
			break;		// damaged: it goes back
		last = next;
		if (!more || dwarf_siblingof_b(dbg, NULL, 1, &unit, NULL) !=
		    DW_DLV_OK)
			continue;
		more = each(ctx, unit);
		dwarf_die_free(dbg, unit);
	}
	return more;
}

bool dwarf_first_child(Dwarf_Die die, Dwarf_Die *ret)
{
	return dwarf_child(die, ret, NULL) == DW_DLV_OK;
}

bool dwarf_next_sibling(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Die *ret)
{
	Dwarf_Die next;

	if (dwarf_siblingof_b(dbg, die, 1, &next, NULL) != DW_DLV_OK)
		return false;
	// A sibling that lies before its brother would make an endless list.
	if (dwarf_die_offset(next) <= dwarf_die_offset(die)) {
		dwarf_die_free(dbg, next);
		return false;
	}
	*ret = next;
	return true;
}

// Leave levels until there is a next sibling. @return false at the end.
static bool leave(Dwarf_Debug dbg, Dwarf_Die *stack, unsigned int *depth,
		  Dwarf_Die *die)
{
	for (;;) {
		Dwarf_Die next;
		bool more = dwarf_next_sibling(dbg, *die, &next);
		dwarf_die_free(dbg, *die);
		if (more) {
			*die = next;
			return true;
		}
		if (!*depth)
			return false;
		*die = stack[--*depth];
	}
}

bool dwarf_walk(Dwarf_Debug dbg, Dwarf_Die parent,
		enum dwarf_step (*visit)(void *ctx, Dwarf_Die die), void *ctx)
{
	Dwarf_Die stack[MAX_DEPTH], die, child;
	unsigned int depth = 0;
	enum dwarf_step step;

	if (!dwarf_first_child(parent, &die))
		return true;
	do {
		step = visit(ctx, die);
		while (step == DWARF_ENTER && depth < MAX_DEPTH &&
		       dwarf_first_child(die, &child)) {
			stack[depth++] = die;
			die = child;
			step = visit(ctx, die);
		}
		if (step == DWARF_STOP) {
			dwarf_die_free(dbg, die);
			while (depth)
				dwarf_die_free(dbg, stack[--depth]);
			return false;
		}
	} while (leave(dbg, stack, &depth, &die));
	return true;
}

bool dwarf_die_at(Dwarf_Debug dbg, uint64_t offset, Dwarf_Die *ret)
{
	return dwarf_offdie_b(dbg, offset, 1, ret, NULL) == DW_DLV_OK;
}

void dwarf_die_free(Dwarf_Debug dbg, Dwarf_Die die)
{
	dwarf_dealloc(dbg, die, DW_DLA_DIE);
}

uint64_t dwarf_die_offset(Dwarf_Die die)
{
	Dwarf_Off offset = 0;

	return dwarf_dieoffset(die, &offset, NULL) == DW_DLV_OK ? offset : 0;
}

Dwarf_Half dwarf_die_tag(Dwarf_Die die)
{
	Dwarf_Half tag = 0;

	return dwarf_tag(die, &tag, NULL) == DW_DLV_OK ? tag : 0;
}

const char *dwarf_die_name(Dwarf_Die die)
{
	char *name = NULL;

	return dwarf_diename(die, &name, NULL) == DW_DLV_OK ? name : NULL;
}

bool dwarf_die_flag(Dwarf_Die die, Dwarf_Half attr)
{
	Dwarf_Bool has = 0;

	return dwarf_hasattr(die, attr, &has, NULL) == DW_DLV_OK && has;
}

// DWARF 2 members: a block of DW_OP_plus_uconst and a ULEB number.
static bool plus_uconst(Dwarf_Debug dbg, Dwarf_Attribute a, int64_t *ret)
{
	Dwarf_Block *b;
	uint64_t v = 0;

	if (dwarf_formblock(a, &b, NULL) != DW_DLV_OK)
		return false;
	const uint8_t *p = b->bl_data;
	bool ok = b->bl_len >= 2 && b->bl_len <= 10 &&
		  p[0] == DW_OP_plus_uconst;
	for (Dwarf_Unsigned i = 1; ok && i < b->bl_len && i < 10; i++)
		v |= (uint64_t)(p[i] & 0x7f) << 7 * (i - 1);
	dwarf_dealloc(dbg, b, DW_DLA_BLOCK);
	*ret = (int64_t)v;
	return ok;
}

bool dwarf_die_int(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Half attr,
		   int64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Unsigned u;
	Dwarf_Signed s;
	Dwarf_Half form = 0;

	if (dwarf_attr(die, attr, &a, NULL) != DW_DLV_OK)
		return false;
	(void)dwarf_whatform(a, &form, NULL);
	// Signed forms must not be asked for unsigned values.
	bool is_signed = form == DW_FORM_sdata ||
			 form == DW_FORM_implicit_const;
	bool ok = true;
	if (is_signed && dwarf_formsdata(a, &s, NULL) == DW_DLV_OK)
		*ret = s;
	else if (dwarf_formudata(a, &u, NULL) == DW_DLV_OK)
		*ret = (int64_t)u;
	else
		ok = plus_uconst(dbg, a, ret);
	dwarf_dealloc(dbg, a, DW_DLA_ATTR);
	return ok;
}

bool dwarf_die_ref(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Half attr,
		   uint64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Off off;

	if (dwarf_attr(die, attr, &a, NULL) != DW_DLV_OK)
		return false;
	bool ok = dwarf_global_formref(a, &off, NULL) == DW_DLV_OK;
	dwarf_dealloc(dbg, a, DW_DLA_ATTR);
	if (ok)
		*ret = off;
	return ok;
}

const char *dwarf_die_origin_name(Dwarf_Debug dbg, Dwarf_Die die)
{
	const char *name = dwarf_die_name(die);
	uint64_t off;
	Dwarf_Die at = die;

	for (int i = 0; !name && i < MAX_ORIGINS; i++) {
		Dwarf_Die to;
		if (!dwarf_die_ref(dbg, at, DW_AT_abstract_origin, &off) &&
		    !dwarf_die_ref(dbg, at, DW_AT_specification, &off))
			break;
		if (!dwarf_die_at(dbg, off, &to))
			break;
		if (at != die)
			dwarf_die_free(dbg, at);
		at = to;
		name = dwarf_die_name(at);
	}
	if (at != die)
		dwarf_die_free(dbg, at);
	return name;	// text of a section, not of the entry
}

bool dwarf_die_address(Dwarf_Debug dbg, Dwarf_Die die, uint64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Unsigned n = 0;
	Dwarf_Ptr p = NULL;
	Dwarf_Block *b = NULL;

	if (dwarf_attr(die, DW_AT_location, &a, NULL) != DW_DLV_OK)
		return false;
	if (dwarf_formexprloc(a, &n, &p, NULL) != DW_DLV_OK &&
	    dwarf_formblock(a, &b, NULL) == DW_DLV_OK) {
		n = b->bl_len;
		p = b->bl_data;
	}
	bool ok = (n == 9 || n == 5) && *(const uint8_t *)p == DW_OP_addr;
	if (ok)
		*ret = psc_le_uint((const uint8_t *)p + 1,
				   (unsigned int)n - 1);
	if (b)
		dwarf_dealloc(dbg, b, DW_DLA_BLOCK);
	dwarf_dealloc(dbg, a, DW_DLA_ATTR);
	return ok;
}

// --- ranges ----------------------------------------------------------------

typedef void (*range_fn)(void *ctx, uint64_t low, uint64_t high);

static bool one_range(Dwarf_Die die, range_fn each, void *ctx)
{
	Dwarf_Addr low, high;
	Dwarf_Half form;
	enum Dwarf_Form_Class class;

	if (dwarf_lowpc(die, &low, NULL) != DW_DLV_OK ||
	    dwarf_highpc_b(die, &high, &form, &class, NULL) != DW_DLV_OK)
		return false;
	each(ctx, low, class == DW_FORM_CLASS_CONSTANT ? low + high : high);
	return true;
}

static void ranges_v5(Dwarf_Attribute a, Dwarf_Half form, Dwarf_Unsigned off,
		      range_fn each, void *ctx)
{
	Dwarf_Rnglists_Head head;
	Dwarf_Unsigned n, at;

	if (dwarf_rnglists_get_rle_head(a, form, off, &head, &n, &at, NULL) !=
	    DW_DLV_OK)
		return;
	for (Dwarf_Unsigned i = 0; i < n && i < MAX_RANGES; i++) {
		unsigned int length, kind;
		Dwarf_Unsigned raw1, raw2, low, high;
		Dwarf_Bool no_addr;
		if (dwarf_get_rnglists_entry_fields_a(head, i, &length, &kind,
			&raw1, &raw2, &no_addr, &low, &high, NULL) !=
		    DW_DLV_OK)
			break;
		if (kind != DW_RLE_end_of_list && kind != DW_RLE_base_address &&
		    kind != DW_RLE_base_addressx && !no_addr)
			each(ctx, low, high);
	}
	dwarf_dealloc_rnglists_head(head);
}

// Ranges count from the unit's own low_pc, when it has one.
static uint64_t unit_low(Dwarf_Debug dbg, Dwarf_Die die)
{
	Dwarf_Off at;
	Dwarf_Die unit;
	Dwarf_Addr low = 0;

	if (dwarf_CU_dieoffset_given_die(die, &at, NULL) != DW_DLV_OK ||
	    !dwarf_die_at(dbg, at, &unit))
		return 0;
	if (dwarf_lowpc(unit, &low, NULL) != DW_DLV_OK)
		low = 0;
	dwarf_die_free(dbg, unit);
	return low;
}

static void ranges_v4(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Unsigned off,
		      range_fn each, void *ctx)
{
	Dwarf_Ranges *v;
	Dwarf_Signed n;
	Dwarf_Unsigned bytes;
	Dwarf_Off real;
	uint64_t base = unit_low(dbg, die);

	if (dwarf_get_ranges_b(dbg, off, die, &real, &v, &n, &bytes, NULL) !=
	    DW_DLV_OK)
		return;
	for (Dwarf_Signed i = 0; i < n && i < MAX_RANGES; i++) {
		if (v[i].dwr_type == DW_RANGES_ADDRESS_SELECTION)
			base = v[i].dwr_addr2;
		else if (v[i].dwr_type == DW_RANGES_ENTRY)
			each(ctx, base + v[i].dwr_addr1,
			     base + v[i].dwr_addr2);
	}
	dwarf_ranges_dealloc(dbg, v, n);
}

void dwarf_each_range(Dwarf_Debug dbg, Dwarf_Die die, range_fn each, void *ctx)
{
	Dwarf_Attribute a;
	Dwarf_Half version = 0, offset_size = 0, form = 0;
	Dwarf_Off off;
	Dwarf_Unsigned index;

	if (one_range(die, each, ctx) ||
	    dwarf_attr(die, DW_AT_ranges, &a, NULL) != DW_DLV_OK)
		return;
	(void)dwarf_get_version_of_die(die, &version, &offset_size);
	(void)dwarf_whatform(a, &form, NULL);
	if (form == DW_FORM_rnglistx &&
	    dwarf_formudata(a, &index, NULL) == DW_DLV_OK)
		ranges_v5(a, form, index, each, ctx);
	else if (dwarf_global_formref(a, &off, NULL) != DW_DLV_OK)
		;
	else if (version >= 5)
		ranges_v5(a, form, off, each, ctx);
	else
		ranges_v4(dbg, die, off, each, ctx);
	dwarf_dealloc(dbg, a, DW_DLA_ATTR);
}
