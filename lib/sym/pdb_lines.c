// SPDX-License-Identifier: MIT
#include "sym/pdb_lines.h"

#include <string.h>

#include "base/bytes.h"

#define LINE_MASK 0xffffffu
#define LINE_NEVER_STEP 0xfeefeeu	// "no source"
#define LINE_HIDDEN 0xf00f00u
#define MAX_SITES 64			// depth of nested inlining

/** A place in source text: checksum offset of the file, and a line. */
struct place {
	uint32_t file, line;
	bool known;
};

static bool real_line(uint32_t line)
{
	return line && line != LINE_NEVER_STEP && line != LINE_HIDDEN;
}

// Entry with the greatest code offset <= rel, over all files of the block.
static struct place line_in_block(const struct pdb_line_block *b, uint32_t rel)
{
	struct place best = { 0 };
	uint32_t best_at = 0;
	size_t at = 0;

	while (b->n - at >= 12) {
		const uint8_t *head = b->files + at;
		uint32_t count = psc_le32(head + 4);
		uint32_t bytes = psc_le32(head + 8);
		if (bytes < 12 || bytes > b->n - at ||
		    count > (bytes - 12) / 8)
			break;
		for (uint32_t i = 0; i < count; i++) {
			const uint8_t *e = head + 12 + (size_t)i * 8;
			uint32_t off = psc_le32(e);
			if (off > rel || (best.known && off < best_at))
				continue;
			best_at = off;
			best = (struct place){
				.file = psc_le32(head), .known = true,
				.line = psc_le32(e + 4) & LINE_MASK,
			};
		}
		at += bytes;
	}
	return best;
}

// --- inline sites ----------------------------------------------------------

/** State of the byte code of one S_INLINESITE. */
struct annot {
	const uint8_t *p, *end;
	uint32_t code, line, file;
	uint32_t start;			// of the open range
	bool open;
	struct place range;		// text of the open range
	uint32_t rel;			// what is looked for
	struct place hit;
};

// 1, 2 or 4 bytes, big-endian; false at the end or at a reserved form.
static bool annot_uint(struct annot *a, uint32_t *ret)
{
	size_t left = (size_t)(a->end - a->p);

	if (!left)
		return false;
	uint8_t b = a->p[0];
	if (!(b & 0x80)) {
		*ret = b;
		a->p += 1;
	} else if ((b & 0xc0) == 0x80 && left >= 2) {
		*ret = (uint32_t)(b & 0x3f) << 8 | a->p[1];
		a->p += 2;
	} else if ((b & 0xe0) == 0xc0 && left >= 4) {
		*ret = (uint32_t)(b & 0x1f) << 24 | (uint32_t)a->p[1] << 16 |
		       (uint32_t)a->p[2] << 8 | a->p[3];
		a->p += 4;
	} else {
		return false;
	}
	return true;
}

// Bit 0 is the sign. Wraps like the writer's arithmetic.
static uint32_t annot_signed(uint32_t v)
{
	return v & 1 ? 0u - (v >> 1) : v >> 1;
}

static void annot_close(struct annot *a, uint32_t end)
{
	if (a->open && a->rel >= a->start && a->rel < end)
		a->hit = a->range;
	a->open = false;
}

// A new range begins at the current code offset.
static void annot_begin(struct annot *a)
{
	annot_close(a, a->code);
	a->open = true;
	a->start = a->code;
	a->range = (struct place){
		.file = a->file, .line = a->line, .known = true,
	};
}

static bool annot_step(struct annot *a)
{
	uint32_t op, x, y;

	if (!annot_uint(a, &op) || !op || !annot_uint(a, &x))
		return false;
	switch (op) {
	case 1:					// code offset
		a->code = x;
		break;
	case 3:					// code offset += x
		a->code += x;
		annot_begin(a);
		break;
	case 4:					// length of the range
		if (!a->open)
			annot_begin(a);
		a->code += x;
		annot_close(a, a->start + x);
		break;
	case 5:
		a->file = x;
		break;
	case 6:
		a->line += annot_signed(x);
		break;
	case 11:				// line and code offset
		a->line += annot_signed(x >> 4);
		a->code += x & 15;
		annot_begin(a);
		break;
	case 12:				// length, code offset
		if (!annot_uint(a, &y))
			return false;
		a->code += y;
		annot_begin(a);
		annot_close(a, a->code + x);
		break;
	default:				// columns, kinds: one operand
		break;
	}
	return true;
}

/** One frame of nested inlining while the scopes are walked. */
struct site {
	uint32_t inlinee;
	struct place text;
};

static struct site eval_site(const struct pdb_module *mod,
			     const struct pdb_raw *raw, uint32_t rel)
{
	struct site s = { 0 };
	size_t head = raw->kind == PDB_S_INLINESITE2 ? 20 : 16;

	if (raw->n < head)
		return s;
	s.inlinee = psc_le32(raw->p + 12);
	struct annot a = {
		.p = raw->p + head, .end = raw->p + raw->n, .rel = rel,
	};
	uint64_t *index = psc_map_get(&mod->inlinee_of, s.inlinee);
	if (index) {
		a.file = mod->inlinees.v[*index].file;
		a.line = mod->inlinees.v[*index].line;
	}
	while (annot_step(&a))
		;
	s.text = a.hit;
	return s;
}

// Deepest chain of sites that covers rel: outermost first. @return its length.
static unsigned int find_sites(const struct pdb_module *mod,
			       const struct pdb_proc *proc, uint32_t rel,
			       struct site ret[MAX_SITES])
{
	struct site stack[MAX_SITES];
	unsigned int depth = 0, best = 0;
	size_t end = PSC_MIN(proc->end, mod->symbol_end);
	struct pdb_raw raw;

	for (size_t at = proc->at; at < end &&
	     pdb_record_next(mod->s.data, end, &at, &raw); ) {
		if (raw.kind == PDB_S_INLINESITE_END) {
			depth -= depth > 0;
		} else if (raw.kind == PDB_S_INLINESITE ||
			   raw.kind == PDB_S_INLINESITE2) {
			if (depth == MAX_SITES)
				break;
			stack[depth++] = eval_site(mod, &raw, rel);
			if (stack[depth - 1].text.known && depth > best) {
				best = depth;
				memcpy(ret, stack, depth * sizeof(*ret));
			}
		}
	}
	return best;
}

// --- frames ----------------------------------------------------------------

static struct psc_line frame(const struct pdb_module *mod,
			     const struct pdb_strings *names,
			     const char *function, struct place text)
{
	struct psc_line line = { .function = function };
	uint32_t at;

	if (!text.known || !real_line(text.line))
		return line;
	line.line = text.line;
	if (pdb_module_file(mod, text.file, &at))
		line.file = pdb_strings_at(names, at);
	return line;
}

struct psc_error *pdb_lines_find(const struct pdb_module *mod,
				 const struct pdb_strings *names,
				 const struct pdb_types *ids, uint16_t section,
				 uint32_t offset, struct psc_lines *ret)
{
	const struct pdb_proc *proc = pdb_module_proc(mod, section, offset);
	const struct pdb_line_block *b =
		pdb_module_lines(mod, section, offset);
	struct site sites[MAX_SITES];
	struct psc_lines lines = { 0 };
	struct place text = { 0 };
	unsigned int n = 0;

	if (!proc && !b)
		return &psc_absent;
	if (b)
		text = line_in_block(b, offset - b->offset);
	if (proc && proc->end)
		n = find_sites(mod, proc, offset - proc->offset, sites);
	// Room for the real function; the innermost of too many are left out.
	unsigned int keep = PSC_MIN(n, PSC_ARRAY_SIZE(lines.v) - 1);
	while (keep--) {
		const char *f = ids ? pdb_types_id_name(ids,
							sites[keep].inlinee)
				    : NULL;
		lines.v[lines.n++] = frame(mod, names, f, sites[keep].text);
	}
	lines.v[lines.n++] = frame(mod, names, proc ? proc->name : NULL, text);
	*ret = lines;
	return NULL;
}
