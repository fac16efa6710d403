// SPDX-License-Identifier: MIT
/** @file
 * Writes what a built-in kernel knows as sources for compilers, so that tests
 * can make a PDB and DWARF of the same kernel:
 *   emit_kernel GUID layout|symbols|isf > FILE
 * layout: C, one union per type; symbols: assembler, one label per RVA.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "sym/builtin.h"
#include "sym/names.h"
#include "sym/table_write.h"

// Where the linker puts .bss of a tiny image: behind .text and .rdata.
#define BSS_RVA 0x3000

static const struct psc_sym *sym;
static struct psc_map done;

static void emit_type(uint64_t id);

static bool is_identifier(const char *s)
{
	for (; s && *s; s++) {
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	}
	return s != NULL;
}

// Types that this one holds come first.
static bool emit_needed(void *ctx, const char *name, const struct psc_field *f)
{
	if (f->cls == PSC_TYPE_STRUCT && f->type_id)
		emit_type(f->type_id);
	return true;
}

static void declare(const struct psc_field *f, const char *name)
{
	static const char *const ints[] = {
		[1] = "char", [2] = "short", [4] = "int", [8] = "long long",
	};
	const char *type = f->type_id ? psc_builtin_type_name(f->type_id)
				      : NULL;

	if (f->cls == PSC_TYPE_STRUCT && type && is_identifier(type))
		printf("union %s %s", type, name);
	else if (f->cls == PSC_TYPE_POINTER && f->size == 8)
		printf("void *%s", name);
	else if (f->cls == PSC_TYPE_INT && f->size <= 8 && ints[f->size])
		printf("%s %s %s", f->is_signed ? "signed" : "unsigned",
		       ints[f->size], name);
	else
		printf("struct { char bytes[%u]; } %s", f->size, name);
	if (f->count != 1)
		printf("[%u]", f->count);
}

// In the smallest aligned unit that holds it, so that no type grows.
static void declare_bits(const struct psc_field *f, const char *name)
{
	static const char *const units[] = {
		[1] = "char", [2] = "short", [4] = "int", [8] = "long long",
	};
	unsigned int unit = 1;
	uint64_t first = f->offset * 8 + f->bit;

	while (unit < 8 && first % (unit * 8) + f->bits > unit * 8)
		unit *= 2;
	uint64_t at = first / 8 / unit * unit, bit = first - at * 8;
	printf("\tstruct { char at_%s[%" PRIu64 "]; ", name, at);
	if (bit)
		printf("unsigned %s : %" PRIu64 "; ", units[unit], bit);
	printf("unsigned %s %s : %u; };\n", units[unit], name, f->bits);
}

static bool emit_member(void *ctx, const char *name, const struct psc_field *f)
{
	if (!is_identifier(name))
		return true;
	if (f->bits) {
		declare_bits(f, name);
		return true;
	}
	printf("\tstruct { char at_%s[%" PRIu64 "]; ", name, f->offset);
	declare(f, name);
	printf("; };\n");
	return true;
}

static void emit_type(uint64_t id)
{
	const char *name = psc_builtin_type_name(id);
	struct psc_type t;
	bool added;

	if (!is_identifier(name) || !psc_map_put(&done, id, &added) || !added)
		return;
	struct psc_error *err = psc_sym_type(sym, name, &t);
	if (err) {
		psc_error_free(err);
		return;
	}
	psc_error_free(psc_sym_members(sym, id, emit_needed, NULL));
	printf("union %s {\n\tchar whole_[%" PRIu64 "];\n", name, t.size);
	psc_error_free(psc_sym_members(sym, id, emit_member, NULL));
	printf("};\nunion %s *v%s;\n", name, name);
}

static void emit_layout(void)
{
	printf("#pragma pack(1)\n");
	for (uint64_t id = 1; psc_builtin_type_name(id); id++)
		emit_type(id);
}

struct label {
	uint64_t rva;
	const char *name;
};

static int by_rva(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	return x->rva < y->rva ? -1 : x->rva > y->rva;
}

static void emit_symbols(void)
{
	static struct label v[16384];
	const char *name;
	size_t n = 0;

	for (size_t i = 0; (name = psc_builtin_symbol_name(i)); i++) {
		uint64_t rva;
		struct psc_error *err = psc_sym_rva(sym, name, &rva);
		if (!err && rva >= BSS_RVA && is_identifier(name) && n < 16384)
			v[n++] = (struct label){ rva, name };
		psc_error_free(err);
	}
	qsort(v, n, sizeof(*v), by_rva);
	puts(".text\n.globl EntryPoint\nEntryPoint:\n\tret\n.bss");
	for (size_t i = 0; i < n; i++)
		printf(".org %#" PRIx64 "\n.globl %s\n%s:\n",
		       v[i].rva - BSS_RVA, v[i].name, v[i].name);
	puts(".zero 16");
}

int main(int argc, char **argv)
{
	struct psc_pdb_id id = { .age = 1, .known = true };
	struct psc_table_counts counts;
	struct psc_sym *s;
	char *text;
	size_t i;

	if (argc != 3 || !psc_guid_parse(argv[1], id.guid) ||
	    !psc_builtin_find_pdb(&id, &i) || psc_builtin_open(i, &s))
		return 1;
	sym = s;
	if (strcmp(argv[2], "layout") == 0)
		emit_layout();
	else if (strcmp(argv[2], "symbols") == 0)
		emit_symbols();
	else if (psc_table_text(s, &counts, &text) == NULL) {
		puts(text);
		free(text);
	}
	psc_map_free(&done);
	psc_sym_free(s);
	return 0;
}
