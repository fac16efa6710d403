// SPDX-License-Identifier: MIT
#include "sym/dwarf_code.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define MAX_INLINED 15		// frames beside the real function

// --- functions and variables -----------------------------------------------

/** The entry whose ranges are being added. */
struct adding {
	struct dwarf_code *c;
	uint64_t entry;
	const char *name;
};

static void put_name(struct dwarf_code *c, const char *name, uint64_t addr)
{
	bool added;
	uint64_t *slot = psc_strmap_put(&c->names, name, strlen(name),
					&added);

	if (slot && added)
		*slot = addr;
	c->failed |= !slot;
}

static void add_range(void *ctx, uint64_t low, uint64_t high)
{
	struct adding *a = ctx;

	// Functions that the linker dropped begin at 0.
	if (!low || high <= low)
		return;
	if (!psc_vec_push(&a->c->functions, (struct dwarf_function){
		.low = low, .high = high, .entry = a->entry, .name = a->name,
	}))
		a->c->failed = true;
	if (a->name)
		put_name(a->c, a->name, low);
}

static enum dwarf_step visit(void *ctx, Dwarf_Die die)
{
	struct dwarf_code *c = ctx;
	Dwarf_Half tag = dwarf_die_tag(die);
	uint64_t addr;

	if (tag == DW_TAG_namespace)
		return DWARF_ENTER;
	if (tag == DW_TAG_subprogram) {
		struct adding a = {
			.c = c, .entry = dwarf_die_offset(die),
			.name = dwarf_die_origin_name(c->dbg, die),
		};
		dwarf_each_range(c->dbg, die, add_range, &a);
	} else if (tag == DW_TAG_variable &&
		   dwarf_die_address(c->dbg, die, &addr) && addr) {
		const char *name = dwarf_die_origin_name(c->dbg, die);
		if (name)
			put_name(c, name, addr);
	}
	return c->failed ? DWARF_STOP : DWARF_NEXT;
}

// --- lines -----------------------------------------------------------------

static const char *row_file(struct dwarf_code *c, Dwarf_Line line)
{
	char *text;

	if (dwarf_linesrc(line, &text, NULL) != DW_DLV_OK)
		return NULL;
	const char *kept = psc_names_keep(&c->files, text, strlen(text));
	dwarf_dealloc(c->dbg, text, DW_DLA_STRING);
	return kept;
}

static void add_row(struct dwarf_code *c, Dwarf_Line line)
{
	Dwarf_Addr addr;
	Dwarf_Unsigned number = 0;
	Dwarf_Bool end = 0;

	if (dwarf_lineaddr(line, &addr, NULL) != DW_DLV_OK)
		return;
	(void)dwarf_lineno(line, &number, NULL);
	(void)dwarf_lineendsequence(line, &end, NULL);
	if (!psc_vec_push(&c->rows, (struct dwarf_row){
		.addr = addr, .file = end ? NULL : row_file(c, line),
		.line = (uint32_t)number, .end = end,
	}))
		c->failed = true;
}

static void add_lines(struct dwarf_code *c, Dwarf_Die unit)
{
	Dwarf_Line_Context context;
	Dwarf_Line *lines;
	Dwarf_Signed n;
	Dwarf_Unsigned version;
	Dwarf_Small tables;

	if (dwarf_srclines_b(unit, &version, &tables, &context, NULL) !=
	    DW_DLV_OK)
		return;
	if (dwarf_srclines_from_linecontext(context, &lines, &n, NULL) ==
	    DW_DLV_OK) {
		for (Dwarf_Signed i = 0; i < n && !c->failed; i++)
			add_row(c, lines[i]);
	}
	dwarf_srclines_dealloc_b(context);
}

static bool read_unit(void *ctx, Dwarf_Die unit)
{
	struct dwarf_code *c = ctx;

	add_lines(c, unit);
	return dwarf_walk(c->dbg, unit, visit, c) && !c->failed;
}

static int by_low(const void *a, const void *b)
{
	const struct dwarf_function *x = a, *y = b;
	return x->low < y->low ? -1 : x->low > y->low;
}

/** Rows with their order in the file: the last row of an address counts. */
static int by_addr(const void *a, const void *b)
{
	const struct dwarf_row *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return y->end - x->end;		// an end stands before a new beginning
}

// Stable: several rows of one address keep their order.
static bool sort_rows(struct dwarf_code *c)
{
	size_t n = c->rows.n;
	struct dwarf_row *v = c->rows.v;
	struct dwarf_row *tmp = malloc((n ? n : 1) * sizeof(*tmp));

	if (!tmp)
		return false;
	for (size_t width = 1; width < n; width *= 2) {
		for (size_t lo = 0; lo < n; lo += 2 * width) {
			size_t mid = PSC_MIN(lo + width, n);
			size_t hi = PSC_MIN(lo + 2 * width, n);
			size_t i = lo, j = mid;
			for (size_t k = lo; k < hi; k++) {
				bool left = i < mid && (j >= hi ||
					by_addr(&v[i], &v[j]) <= 0);
				tmp[k] = left ? v[i++] : v[j++];
			}
		}
		memcpy(v, tmp, n * sizeof(*v));
	}
	free(tmp);
	return true;
}

struct psc_error *dwarf_code_read(Dwarf_Debug dbg, struct dwarf_code **ret)
{
	struct dwarf_code *c = calloc(1, sizeof(*c));

	if (!c)
		return &psc_nomem;
	c->dbg = dbg;
	if (!dwarf_each_unit(dbg, read_unit, c) || !sort_rows(c)) {
		dwarf_code_free(c);
		return &psc_nomem;
	}
	if (c->functions.n)
		qsort(c->functions.v, c->functions.n, sizeof(*c->functions.v),
		      by_low);
	*ret = c;
	return NULL;
}

void dwarf_code_free(struct dwarf_code *c)
{
	if (!c)
		return;
	psc_vec_free(&c->functions);
	psc_vec_free(&c->rows);
	psc_strmap_free(&c->names);
	psc_names_free(&c->files);
	free(c);
}

// --- questions -------------------------------------------------------------

const struct dwarf_function *dwarf_code_function(const struct dwarf_code *c,
						 uint64_t addr)
{
	size_t lo = 0, hi = c->functions.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->functions.v[mid].low <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr < c->functions.v[lo - 1].high
		? &c->functions.v[lo - 1] : NULL;
}

static const struct dwarf_row *row_at(const struct dwarf_code *c,
				      uint64_t addr)
{
	size_t lo = 0, hi = c->rows.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c->rows.v[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && !c->rows.v[lo - 1].end ? &c->rows.v[lo - 1] : NULL;
}

/** Inlined calls around an address, outermost first. */
struct inlined {
	struct dwarf_code *c;
	uint64_t addr;
	bool inside;		// the range being looked at covers addr
	unsigned int n;
	struct call {
		const char *function;
		int64_t file, line;	// of the call
	} call[MAX_INLINED];
};

static void test_range(void *ctx, uint64_t low, uint64_t high)
{
	struct inlined *in = ctx;

	in->inside |= in->addr >= low && in->addr < high;
}

static enum dwarf_step visit_scope(void *ctx, Dwarf_Die die)
{
	struct inlined *in = ctx;
	Dwarf_Half tag = dwarf_die_tag(die);

	if (tag == DW_TAG_lexical_block)
		return DWARF_ENTER;
	if (tag != DW_TAG_inlined_subroutine)
		return DWARF_NEXT;
	in->inside = false;
	dwarf_each_range(in->c->dbg, die, test_range, in);
	if (!in->inside)
		return DWARF_NEXT;
	if (in->n == MAX_INLINED)
		return DWARF_STOP;
	struct call *call = &in->call[in->n++];
	*call = (struct call){
		.function = dwarf_die_origin_name(in->c->dbg, die),
	};
	(void)dwarf_die_int(in->c->dbg, die, DW_AT_call_file, &call->file);
	(void)dwarf_die_int(in->c->dbg, die, DW_AT_call_line, &call->line);
	return DWARF_ENTER;
}

// Name of file number i of the unit; DWARF 5 counts from 0.
static const char *unit_file(struct dwarf_code *c, Dwarf_Die function,
			     int64_t i)
{
	Dwarf_Half version = 0, offset_size = 0;
	Dwarf_Off at;
	Dwarf_Die unit;
	char **files;
	Dwarf_Signed n;
	const char *ret = NULL;

	if (dwarf_CU_dieoffset_given_die(function, &at, NULL) != DW_DLV_OK ||
	    !dwarf_die_at(c->dbg, at, &unit))
		return NULL;
	(void)dwarf_get_version_of_die(unit, &version, &offset_size);
	i -= version < 5;
	if (dwarf_srcfiles(unit, &files, &n, NULL) == DW_DLV_OK) {
		if (i >= 0 && i < n)
			ret = psc_names_keep(&c->files, files[i],
					     strlen(files[i]));
		for (Dwarf_Signed k = 0; k < n; k++)
			dwarf_dealloc(c->dbg, files[k], DW_DLA_STRING);
		dwarf_dealloc(c->dbg, files, DW_DLA_LIST);
	}
	dwarf_die_free(c->dbg, unit);
	return ret;
}

// Each frame but the innermost stands at the call that it inlined.
static void frames(struct dwarf_code *c, Dwarf_Die function,
		   const struct inlined *in, const char *name,
		   struct psc_line at, struct psc_lines *ret)
{
	for (unsigned int i = in->n; i-- > 0; ) {
		at.function = in->call[i].function;
		ret->v[ret->n++] = at;
		at.line = (uint32_t)in->call[i].line;
		at.file = unit_file(c, function, in->call[i].file);
	}
	at.function = name;
	ret->v[ret->n++] = at;
}

struct psc_error *dwarf_code_lines(struct dwarf_code *c, uint64_t addr,
				   struct psc_lines *ret)
{
	const struct dwarf_function *f = dwarf_code_function(c, addr);
	const struct dwarf_row *row = row_at(c, addr);
	struct inlined in = { .c = c, .addr = addr };
	struct psc_lines lines = { 0 };
	struct psc_line at = { 0 };
	Dwarf_Die die;

	if (!f && !row)
		return &psc_absent;
	if (row)
		at = (struct psc_line){ .file = row->file, .line = row->line };
	if (f && dwarf_die_at(c->dbg, f->entry, &die)) {
		(void)dwarf_walk(c->dbg, die, visit_scope, &in);
		frames(c, die, &in, f->name, at, &lines);
		dwarf_die_free(c->dbg, die);
	} else {
		lines.v[lines.n++] = at;
	}
	*ret = lines;
	return NULL;
}
