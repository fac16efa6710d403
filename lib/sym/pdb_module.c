// SPDX-License-Identifier: MIT
#include "sym/pdb_module.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"

#define C13_LINES 0xf2u
#define C13_CHECKSUMS 0xf4u
#define C13_INLINEES 0xf6u
#define LINES_HAVE_COLUMNS 1u

static int compare(uint16_t sa, uint32_t oa, uint16_t sb, uint32_t ob)
{
	if (sa != sb)
		return sa < sb ? -1 : 1;
	return oa < ob ? -1 : oa > ob;
}

static int procs_by_place(const void *a, const void *b)
{
	const struct pdb_proc *x = a, *y = b;
	return compare(x->section, x->offset, y->section, y->offset);
}

static int blocks_by_place(const void *a, const void *b)
{
	const struct pdb_line_block *x = a, *y = b;
	return compare(x->section, x->offset, y->section, y->offset);
}

// A cold part (S_SEPCODE) goes by the name of its function.
static void name_cold_parts(struct pdb_module *mod,
			    const struct pdb_symbol *cold, size_t n)
{
	size_t hot = mod->procs.n;

	for (size_t i = 0; i < n; i++) {
		struct pdb_proc key = {
			.section = cold[i].parent_section,
			.offset = cold[i].parent_offset,
		};
		const struct pdb_proc *f = hot
			? bsearch(&key, mod->procs.v, hot, sizeof(key),
				  procs_by_place) : NULL;
		if (f)
			(void)psc_vec_push(&mod->procs, (struct pdb_proc){
				.section = cold[i].section,
				.offset = cold[i].offset,
				.size = cold[i].length, .name = f->name,
			});
	}
}

static void sort_procs(struct pdb_module *mod)
{
	if (mod->procs.n)
		qsort(mod->procs.v, mod->procs.n, sizeof(*mod->procs.v),
		      procs_by_place);
}

static struct psc_error *read_symbols(struct pdb_module *mod)
{
	PSC_VEC(struct pdb_symbol) cold = { 0 };
	struct pdb_symbol s;
	struct pdb_raw raw;
	bool ok = true;

	for (size_t at = 4; ok && pdb_record_next(mod->s.data, mod->symbol_end,
						  &at, &raw); ) {
		if (!pdb_symbol_parse(&raw, &s))
			continue;
		if (s.kind == PDB_S_SEPCODE)
			ok = psc_vec_push(&cold, s);
		else if (s.kind == PDB_S_GPROC32 || s.kind == PDB_S_LPROC32 ||
			 s.kind == PDB_S_THUNK32)
			ok = psc_vec_push(&mod->procs, (struct pdb_proc){
				.section = s.section, .offset = s.offset,
				.size = s.length, .at = at, .end = s.end,
				.name = s.name,
			});
	}
	sort_procs(mod);
	name_cold_parts(mod, cold.v, cold.n);
	sort_procs(mod);
	psc_vec_free(&cold);
	return ok ? NULL : &psc_nomem;
}

static bool add_lines(struct pdb_module *mod, const uint8_t *p, size_t n)
{
	if (n < 12)
		return true;
	return psc_vec_push(&mod->blocks, (struct pdb_line_block){
		.offset = psc_le32(p), .section = psc_le16(p + 4),
		.columns = (psc_le16(p + 6) & LINES_HAVE_COLUMNS) != 0,
		.size = psc_le32(p + 8), .files = p + 12, .n = n - 12,
	});
}

// Entries: inlinee id, file, line; form 1 adds a list of further files.
static bool add_inlinees(struct pdb_module *mod, const uint8_t *p, size_t n)
{
	bool extra = n >= 4 && psc_le32(p) == 1;

	for (size_t at = 4; at <= n && n - at >= 12; ) {
		uint64_t *slot = psc_map_put(&mod->inlinee_of, psc_le32(p + at),
					     NULL);
		if (!slot)
			return false;
		*slot = mod->inlinees.n;
		if (!psc_vec_push(&mod->inlinees, (struct pdb_inlinee){
			.file = psc_le32(p + at + 4),
			.line = psc_le32(p + at + 8),
		}))
			return false;
		at += 12;
		if (extra && n - at >= 4) {
			uint64_t files = psc_le32(p + at);
			if (files > (n - at - 4) / 4)
				return true;
			at += 4 + (size_t)files * 4;
		}
	}
	return true;
}

static struct psc_error *read_c13(struct pdb_module *mod, size_t at,
				  size_t end)
{
	while (end - at >= 8) {
		uint32_t type = psc_le32(mod->s.data + at);
		uint32_t n = psc_le32(mod->s.data + at + 4);
		const uint8_t *p = mod->s.data + at + 8;
		bool ok = true;

		if (n > end - at - 8)
			break;
		if (type == C13_LINES) {
			ok = add_lines(mod, p, n);
		} else if (type == C13_INLINEES) {
			ok = add_inlinees(mod, p, n);
		} else if (type == C13_CHECKSUMS) {
			mod->checksums = p;
			mod->n_checksums = n;
		}
		if (!ok)
			return &psc_nomem;
		at += 8 + (size_t)n;
	}
	if (mod->blocks.n)
		qsort(mod->blocks.v, mod->blocks.n, sizeof(*mod->blocks.v),
		      blocks_by_place);
	return NULL;
}

static struct psc_error *read_module(struct pdb_module *mod,
				     const struct pdb_module_info *info)
{
	struct psc_error *err;
	uint64_t c13 = (uint64_t)info->symbol_bytes + info->c11_bytes;
	uint64_t end = c13 + info->c13_bytes;

	if (end > mod->s.size)
		return psc_error_new(PSC_ERR_DAMAGED, "module stream %" PRIu32
				     ": parts of %" PRIu64 " bytes in a "
				     "stream of %zu", info->stream, end,
				     mod->s.size);
	mod->symbol_end = info->symbol_bytes;
	if ((err = read_symbols(mod)))
		return err;
	return read_c13(mod, (size_t)c13, (size_t)end);
}

struct psc_error *pdb_module_read(const struct psc_msf *m,
				  const struct pdb_module_info *info,
				  struct pdb_module **ret)
{
	struct pdb_module *mod = calloc(1, sizeof(*mod));
	struct psc_error *err;

	if (!mod)
		return &psc_nomem;
	if ((err = psc_msf_read(m, info->stream, info->name, &mod->s)) ||
	    (err = read_module(mod, info))) {
		pdb_module_free(mod);
		return err;
	}
	*ret = mod;
	return NULL;
}

void pdb_module_free(struct pdb_module *mod)
{
	if (!mod)
		return;
	psc_msf_stream_free(&mod->s);
	psc_vec_free(&mod->procs);
	psc_vec_free(&mod->blocks);
	psc_vec_free(&mod->inlinees);
	psc_map_free(&mod->inlinee_of);
	free(mod);
}

const struct pdb_proc *pdb_module_proc(const struct pdb_module *mod,
				       uint16_t section, uint32_t offset)
{
	size_t lo = 0, hi = mod->procs.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct pdb_proc *p = &mod->procs.v[mid];
		if (compare(p->section, p->offset, section, offset) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	const struct pdb_proc *p = &mod->procs.v[lo - 1];
	return p->section == section && offset - p->offset < p->size ? p
								      : NULL;
}

const struct pdb_line_block *pdb_module_lines(const struct pdb_module *mod,
					      uint16_t section,
					      uint32_t offset)
{
	size_t lo = 0, hi = mod->blocks.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct pdb_line_block *b = &mod->blocks.v[mid];
		if (compare(b->section, b->offset, section, offset) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	const struct pdb_line_block *b = &mod->blocks.v[lo - 1];
	return b->section == section && offset - b->offset < b->size ? b
								      : NULL;
}

bool pdb_module_symbol_at(const struct pdb_module *mod, uint32_t at,
			  struct pdb_symbol *ret)
{
	struct pdb_raw raw;
	size_t pos = at;

	return pdb_record_next(mod->s.data, mod->symbol_end, &pos, &raw) &&
	       pdb_symbol_parse(&raw, ret);
}

bool pdb_module_file(const struct pdb_module *mod, uint32_t at, uint32_t *name)
{
	if (at > mod->n_checksums || mod->n_checksums - at < 4)
		return false;
	*name = psc_le32(mod->checksums + at);
	return true;
}
