// SPDX-License-Identifier: MIT
// dump, system, symbols: which file, which machine, what stopped it, and where
// the kernel's names come from.
#include <inttypes.h>

#include "analysis/analysis.h"
#include "kernel/bugcheck.h"
#include "kernel/recover.h"

#define FILETIME_PER_SECOND 1e7

static void fill_dump(const struct psc_analysis *a)
{
	const struct psc_dump *d = a->dump;
	struct psc_value *o = psc_set_object(a->root, "dump");

	psc_set_str(o, "file", psc_dump_path(d));
	psc_set_uint(o, "size_bytes", psc_dump_file_size(d));
	psc_set_str(o, "format", psc_dump_format(d));
	psc_set_uint(o, "dump_type", psc_dump_header(d)->dump_type);
	psc_set_uint(o, "pages_stored", psc_dump_pages_stored(d));
	psc_set_uint(o, "pages_readable", psc_dump_pages_readable(d));
	psc_set_bool(o, "truncated", psc_dump_truncated(d));
	psc_set_str(o, "compression", psc_dump_compression(d));
	if (psc_dump_why_no_pages(d))
		psc_set_str(o, "why_no_pages", psc_dump_why_no_pages(d));
	for (size_t i = 0; i < psc_dump_n_warnings(d); i++)
		psc_add_str(psc_set_array(o, "warnings"),
			    psc_dump_warning(d, i));
}

static void fill_bugcheck(const struct psc_analysis *a, struct psc_value *sys)
{
	const struct psc_dump_header *h = psc_dump_header(a->dump);
	struct psc_value *b = psc_set_object(sys, "bugcheck");
	struct psc_value *p;

	psc_set_hex(b, "code", h->bugcheck_code);
	psc_set_str(b, "name", psc_bugcheck_name(h->bugcheck_code));
	p = psc_set_array(b, "parameters");
	for (int i = 0; i < 4; i++)
		psc_add_hex(p, h->bugcheck_parameter[i]);
}

static void fill_system(const struct psc_analysis *a)
{
	const struct psc_dump_header *h = psc_dump_header(a->dump);
	struct psc_value *o = psc_set_object(a->root, "system");
	uint64_t base = psc_kernel_base(a->kernel);

	psc_set_str(o, "architecture", psc_arch_name(h->arch));
	psc_set_uint(o, "build", h->build);
	psc_set_str(o, "version", psc_kernel_version(a->kernel));
	psc_set_uint(o, "processors", h->processors);
	if (base)
		psc_set_hex(o, "kernel_base", base);
	else
		psc_set_null(o, "kernel_base");
	psc_set_hex(o, "directory_table_base", h->directory_table_base);
	psc_set_time(o, "crash_time",
		     h->system_time.set ? h->system_time.v : 0);
	if (h->uptime.set)
		psc_set_real(o, "uptime_seconds",
			     (double)h->uptime.v / FILETIME_PER_SECOND);
	else
		psc_set_null(o, "uptime_seconds");
	fill_bugcheck(a, o);
}

static void fill_proofs(const struct psc_kernel *k, struct psc_value *symbols)
{
	size_t n = psc_kernel_n_proofs(k);

	for (size_t i = 0; i < n; i++) {
		const struct psc_proof *p = psc_kernel_proof(k, i);
		struct psc_value *o =
			psc_add_object(psc_set_array(symbols, "proofs"));

		psc_set_str(o, "anchor", p->anchor);
		if (p->address)
			psc_set_hex(o, "address", p->address);
		else
			psc_set_null(o, "address");
		psc_set_str(o, "method", p->method);
		psc_set_str(o, "proof", p->proof);
		psc_set_bool(o, "proven", p->proven);
		psc_set_str(o, "figures", p->figures);
	}
}

static void fill_symbols(const struct psc_analysis *a)
{
	const struct psc_kernel *k = a->kernel;
	const struct psc_pdb_id *id = psc_kernel_pdb(k);
	const struct psc_sym *sym = psc_kernel_sym(k);
	struct psc_value *o = psc_set_object(a->root, "symbols");
	char guid[33];

	if (id && id->known) {
		psc_guid_text(id->guid, guid);
		psc_set_str(o, "pdb", id->name);
		psc_set_str(o, "guid", guid);
		psc_set_uint(o, "age", id->age);
	} else {
		psc_set_null(o, "pdb");
		psc_set_null(o, "guid");
		psc_set_null(o, "age");
	}
	psc_set_str(o, "source", sym ? psc_sym_source(sym) : NULL);
	psc_set_str(o, "file", sym ? psc_sym_file(sym) : NULL);
	if (sym && psc_sym_what(sym))
		psc_set_str(o, "what", psc_sym_what(sym));
	fill_proofs(k, o);
	if (psc_kernel_wanted(k))
		psc_set_str(o, "wanted", psc_kernel_wanted(k));
	for (size_t i = 0; i < psc_kernel_n_notes(k); i++)
		psc_add_str(psc_set_array(o, "notes"), psc_kernel_note(k, i));
}

struct psc_error *psc_analyse_info(struct psc_analysis *a)
{
	fill_dump(a);
	fill_system(a);
	fill_symbols(a);
	// Every dump with pages has a kernel: it was cut off or is damaged.
	if (!psc_kernel_base(a->kernel) && !psc_dump_why_no_pages(a->dump))
		psc_mem_count_unreadable(a->mem);
	return NULL;
}
