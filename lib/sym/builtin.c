// SPDX-License-Identifier: MIT
#include "sym/builtin.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "sym/builtin_data.h"

// The data is ours, made by tools/gen and checked by tests, so nothing here
// treats it as hostile; an inconsistent build fails its tests.

#define NO_RVA UINT64_MAX

/** Header of the kernels section and what follows it. */
struct index {
	uint32_t kernels, layouts, symbols, types, members, shapes;
	uint32_t symbol_blocks, type_blocks;
	const uint8_t *rows;
	const uint8_t *type_rows;
};

/** A kernel row, decoded. */
struct row {
	struct psc_builtin_kernel k;
	char version[24];
	uint8_t block;
	uint16_t column;
};

static struct row *rows;	// in file order, all of them
static size_t *visible;		// row numbers, in file order
static size_t n_visible, n_rows;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/** Stored bytes of section @p i. */
static const uint8_t *section(unsigned int i, uint32_t *packed, uint32_t *raw)
{
	const uint8_t *e = psc_builtin_data + 12 + 12 * (size_t)i;
	*packed = psc_le32(e + 4);
	*raw = psc_le32(e + 8);
	return psc_builtin_data + psc_le32(e);
}

/** Section @p i unpacked; caller frees. NULL when out of memory. */
static uint8_t *unpack(unsigned int i, size_t *size)
{
	uint32_t packed, raw;
	const uint8_t *src = section(i, &packed, &raw);
	uint8_t *out = malloc(raw);
	uLongf n = raw;
	if (out && (uncompress(out, &n, src, packed) != Z_OK || n != raw)) {
		free(out);
		return NULL;
	}
	if (size)
		*size = raw;
	return out;
}

static struct index read_index(void)
{
	uint32_t packed, raw;
	const uint8_t *p = section(PSC_BUILTIN_KERNELS, &packed, &raw);
	struct index ix = {
		.kernels = psc_le32(p), .layouts = psc_le32(p + 4),
		.symbols = psc_le32(p + 8), .types = psc_le32(p + 12),
		.members = psc_le32(p + 16), .shapes = psc_le32(p + 20),
		.symbol_blocks = psc_le32(p + 24),
		.type_blocks = psc_le32(p + 28),
		.rows = p + 32,
	};
	ix.type_rows = ix.rows + (size_t)ix.kernels * PSC_BUILTIN_KERNEL_ROW;
	return ix;
}

static void read_row(const uint8_t *p, struct row *r)
{
	static const char *const arch[] = { "x64", "x86", "arm64" };
	snprintf(r->version, sizeof(r->version), "%u.%u.%u.%u", psc_le16(p),
		 psc_le16(p + 2), psc_le16(p + 4), psc_le16(p + 6));
	r->k.version = r->version;
	r->k.build = psc_le16(p + 4);
	r->k.revision = psc_le16(p + 6);
	memcpy(r->k.id.guid, p + 8, 16);
	r->k.id.age = p[24];
	r->k.arch = arch[p[25] % PSC_ARRAY_SIZE(arch)];
	r->k.has_symbols = r->k.id.known = p[26];
	if (r->k.id.known)
		strcpy(r->k.id.name, "ntkrnlmp.pdb");
	r->block = p[27];
	r->column = psc_le16(p + 28);
	r->k.layout = (uint8_t)psc_le16(p + 30);
}

static void load_rows(void)
{
	struct index ix = read_index();
	rows = calloc(ix.kernels, sizeof(*rows));
	visible = calloc(ix.kernels, sizeof(*visible));
	if (!rows || !visible)
		return;		// the table is then empty
	for (uint32_t i = 0; i < ix.kernels; i++) {
		read_row(ix.rows + (size_t)i * PSC_BUILTIN_KERNEL_ROW,
			 &rows[i]);
		visible[i] = i;
	}
	n_rows = n_visible = ix.kernels;
}

size_t psc_builtin_count(void)
{
	pthread_once(&once, load_rows);
	return n_visible;
}

const struct psc_builtin_kernel *psc_builtin_at(size_t i)
{
	return i < psc_builtin_count() ? &rows[visible[i]].k : NULL;
}

bool psc_builtin_find_pdb(const struct psc_pdb_id *id, size_t *ret)
{
	for (size_t i = 0; i < psc_builtin_count(); i++) {
		const struct psc_pdb_id *have = &rows[visible[i]].k.id;
		if (have->known && have->age == id->age &&
		    !memcmp(have->guid, id->guid, sizeof(id->guid))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool psc_builtin_find_version(const char *version, const char *arch,
			      size_t *ret)
{
	// Rows with symbols come first in the file.
	for (size_t i = 0; i < psc_builtin_count(); i++) {
		const struct psc_builtin_kernel *k = &rows[visible[i]].k;
		if (!strcmp(k->version, version) && !strcmp(k->arch, arch)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

void psc_builtin_hide(const char *version, uint32_t revisions)
{
	unsigned int build = 0, revision = 0;
	pthread_once(&once, load_rows);
	bool any = version &&
		   sscanf(version, "%*u.%*u.%u.%u", &build, &revision) == 2;
	n_visible = 0;
	for (size_t i = 0; i < n_rows; i++) {
		const struct psc_builtin_kernel *k = &rows[i].k;
		uint32_t distance = k->revision > revision
			? k->revision - revision : revision - k->revision;
		if (!any || k->build != build || distance > revisions)
			visible[n_visible++] = i;
	}
}

bool psc_builtin_find_image(uint32_t timestamp, uint32_t image_size,
			    struct psc_builtin_image *ret)
{
	static const char *const arch[] = { "x64", "x86", "arm64" };
	uint32_t packed, raw;
	const uint8_t *p = section(PSC_BUILTIN_IMAGES, &packed, &raw);
	size_t n = psc_le32(p), lo = 0, hi = n;
	const uint8_t *stamps = p + 8, *images = stamps + 4 * n;
	const uint8_t *versions = images + 4 * n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (psc_le32(stamps + 4 * mid) < timestamp)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < n && psc_le32(stamps + 4 * lo) == timestamp; lo++) {
		const uint8_t *image = images + 4 * lo;
		if ((uint32_t)psc_le16(image) << 12 != image_size)
			continue;
		unsigned int kind = psc_le16(image + 2) & 7;
		const uint8_t *v = versions + 4 * (psc_le16(image + 2) >> 3);
		snprintf(ret->version, sizeof(ret->version), "10.0.%u.%u",
			 psc_le16(v), psc_le16(v + 2));
		strcpy(ret->file, kind & 4 ? "ntkrla57.exe" : "ntoskrnl.exe");
		strcpy(ret->arch, arch[kind & 3]);
		return true;
	}
	return false;
}

bool psc_builtin_image_of(const char *version, uint32_t *timestamp,
			  uint32_t *image_size)
{
	unsigned int build, revision;
	uint32_t packed, raw;
	const uint8_t *p = section(PSC_BUILTIN_IMAGES, &packed, &raw);
	size_t n = psc_le32(p);
	const uint8_t *stamps = p + 8, *images = stamps + 4 * n;
	const uint8_t *versions = images + 4 * n;
	if (sscanf(version, "10.0.%u.%u", &build, &revision) != 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *image = images + 4 * i;
		const uint8_t *v = versions + 4 * (psc_le16(image + 2) >> 3);
		// kind 0: x64, ntoskrnl.exe
		if (psc_le16(image + 2) & 7 || psc_le16(v) != build ||
		    psc_le16(v + 2) != revision)
			continue;
		*timestamp = psc_le32(stamps + 4 * i);
		*image_size = (uint32_t)psc_le16(image) << 12;
		return true;
	}
	return false;
}

// --- symbols ---------------------------------------------------------------

static uint64_t varint(const uint8_t **p)
{
	uint64_t v = 0;
	unsigned int shift = 0;
	uint8_t b;
	do {
		b = *(*p)++;
		v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80);
	return v;
}

static int64_t zigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/** The symbols of one build number, a column (kernel) at a time. */
struct columns {
	uint8_t *raw;
	const uint8_t *p;
	uint64_t columns, names;
	uint32_t *name;		/**< Index of each name, in address order. */
	uint64_t *last;		/**< RVA in the last column that has it. */
	uint64_t *rva;		/**< By name index; NO_RVA. */
};

static void columns_close(struct columns *c)
{
	free(c->raw);
	free(c->name);
	free(c->last);
	free(c->rva);
}

static bool columns_open(const struct index *ix, unsigned int block,
			 struct columns *c)
{
	*c = (struct columns){ 0 };
	c->raw = unpack(PSC_BUILTIN_SYMBOLS + block, NULL);
	if (!c->raw)
		return false;
	c->p = c->raw;
	c->columns = varint(&c->p);
	c->names = varint(&c->p);
	c->name = calloc(c->names, sizeof(*c->name));
	c->last = calloc(c->names, sizeof(*c->last));
	c->rva = malloc(ix->symbols * sizeof(*c->rva));
	if (!c->name || !c->last || !c->rva)
		return false;
	memset(c->rva, 0xff, ix->symbols * sizeof(*c->rva));
	int64_t name = 0;
	for (uint64_t i = 0; i < c->names; i++) {
		name += zigzag(varint(&c->p));
		c->name[i] = (uint32_t)name;
	}
	return true;
}

/** Decode the next kernel's RVAs into c->rva. */
static void columns_next(struct columns *c)
{
	uint64_t moved = 0;
	for (uint64_t i = 0; i < c->names; i++) {
		uint64_t code = varint(&c->p);
		if (!code) {
			c->rva[c->name[i]] = NO_RVA;
			continue;
		}
		uint64_t rva = c->last[i] + moved +
			       (uint64_t)zigzag(code - 1);
		moved = rva - c->last[i];
		c->last[i] = c->rva[c->name[i]] = rva;
	}
}

/** What all kernels share, unpacked once and kept. */
static struct shared {
	struct index ix;
	char *text;
	const char **names;	/**< Symbols, then types, then members. */
	uint8_t *layouts, *shapes;
	uint8_t **blocks;	/**< Definitions. */
	bool ok;
} shared;
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;

static void split_names(struct shared *s)
{
	size_t n = (size_t)s->ix.symbols + s->ix.types + s->ix.members;
	const char *p = s->text;
	s->names = malloc(n * sizeof(*s->names));
	for (size_t i = 0; p && s->names && i < n; i++) {
		s->names[i] = p;
		p += strlen(p) + 1;
	}
}

static void load_shared(void)
{
	struct shared *s = &shared;
	s->ix = read_index();
	s->text = (char *)unpack(PSC_BUILTIN_STRINGS, NULL);
	s->layouts = unpack(PSC_BUILTIN_LAYOUTS, NULL);
	s->shapes = unpack(PSC_BUILTIN_SHAPES, NULL);
	s->blocks = calloc(s->ix.type_blocks, sizeof(*s->blocks));
	split_names(s);
	s->ok = s->text && s->names && s->layouts && s->shapes && s->blocks;
	unsigned int first = PSC_BUILTIN_SYMBOLS + s->ix.symbol_blocks;
	for (uint32_t i = 0; s->ok && i < s->ix.type_blocks; i++)
		s->ok = (s->blocks[i] = unpack(first + i, NULL));
}

/** NULL: out of memory. */
static const struct shared *get_shared(void)
{
	pthread_once(&shared_once, load_shared);
	return shared.ok ? &shared : NULL;
}

static const char *const *type_names(const struct shared *s)
{
	return s->names + s->ix.symbols;
}

static const char *const *member_names(const struct shared *s)
{
	return type_names(s) + s->ix.types;
}

const char *psc_builtin_type_name(uint64_t type_id)
{
	const struct shared *s = get_shared();
	return s && type_id && type_id <= s->ix.types
		? type_names(s)[type_id - 1] : NULL;
}

static int compare_name(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

/** Place of @p name in a sorted group. */
static bool find_name(const char *const *group, size_t n, const char *name,
		      size_t *ret)
{
	const char *const *hit =
		bsearch(name, group, n, sizeof(*group), compare_name);
	if (hit)
		*ret = (size_t)(hit - group);
	return hit;
}

uint64_t psc_builtin_type_id(const char *name)
{
	const struct shared *s = get_shared();
	size_t i;
	return s && find_name(type_names(s), s->ix.types, name, &i) ? i + 1
								     : 0;
}

/** Every clue that column @p c has a value for agrees, and one does. */
static bool clues_agree(const struct columns *c, const size_t *name,
			const struct psc_builtin_clue *clues, size_t n)
{
	size_t same = 0;
	for (size_t i = 0; i < n; i++) {
		if (name[i] == SIZE_MAX || c->rva[name[i]] == NO_RVA)
			continue;
		if (c->rva[name[i]] != clues[i].rva)
			return false;
		same++;
	}
	return same > 0;
}

static bool is_match(size_t row, const size_t *match, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (match[i] == row)
			return true;
	return false;
}

/** Rows of all kernels that agree, hidden ones too, in file order. */
static size_t match_rows(const struct psc_builtin_clue *clues, size_t n,
			 const size_t *name, size_t *out)
{
	size_t found = 0;
	for (uint32_t b = 0; b < shared.ix.symbol_blocks; b++) {
		PSC_CLEANUP(columns_close) struct columns c;
		if (!columns_open(&shared.ix, b, &c))
			return 0;
		for (uint64_t col = 0; col < c.columns; col++) {
			columns_next(&c);
			if (!clues_agree(&c, name, clues, n))
				continue;
			for (size_t r = 0; r < n_rows; r++)
				if (rows[r].k.has_symbols &&
				    rows[r].block == b && rows[r].column == col)
					out[found++] = r;
		}
	}
	return found;
}

size_t psc_builtin_match(const struct psc_builtin_clue *clues, size_t n,
			 size_t *ret, size_t max)
{
	const struct shared *s = get_shared();
	PSC_FREE size_t *name = malloc((n + 1) * sizeof(*name));
	PSC_FREE size_t *match = malloc((psc_builtin_count() + n_rows + 1) *
					sizeof(*match));
	if (!s || !name || !match)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!find_name(s->names, s->ix.symbols, clues[i].name,
			       &name[i]))
			name[i] = SIZE_MAX;
	size_t n_match = match_rows(clues, n, name, match), found = 0;
	for (size_t i = 0; i < n_visible; i++) {
		if (!is_match(visible[i], match, n_match))
			continue;
		if (found < max)
			ret[found] = i;
		found++;
	}
	return found;
}

// --- one kernel as a source ------------------------------------------------

struct builtin {
	const struct shared *s;
	const uint8_t *layout;	// definition of each type, 1-based; 0 = none
	uint64_t *rva;		// by symbol; NULL when types only
	uint32_t *by_rva;	// symbols in address order
	size_t n_by_rva;
};

static void builtin_destroy(void *self)
{
	struct builtin *b = self;
	free(b->rva);
	free(b->by_rva);
	free(b);
}

static struct psc_error *builtin_symbol(void *self, const char *name,
					uint64_t *rva)
{
	struct builtin *b = self;
	size_t i;
	if (!b->rva || !find_name(b->s->names, b->s->ix.symbols, name, &i) ||
	    b->rva[i] == NO_RVA)
		return &psc_absent;
	*rva = b->rva[i];
	return NULL;
}

static struct psc_error *builtin_nearest(void *self, uint64_t rva,
					 struct psc_symname *ret)
{
	struct builtin *b = self;
	size_t lo = 0, hi = b->n_by_rva;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (b->rva[b->by_rva[mid]] <= rva)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return &psc_absent;
	uint32_t i = b->by_rva[lo - 1];
	*ret = (struct psc_symname){ .name = b->s->names[i],
				     .rva = b->rva[i] };
	return NULL;
}

/** First byte of the kernel's definition of @p type, or NULL. */
static const uint8_t *definition(const struct builtin *b, size_t type)
{
	if (type >= b->s->ix.types || !b->layout[type])
		return NULL;
	const uint8_t *row = b->s->ix.type_rows + type * PSC_BUILTIN_TYPE_ROW;
	const uint8_t *p = b->s->blocks[psc_le16(row)] + psc_le16(row + 2);
	uint64_t len = varint(&p);
	for (uint8_t i = 1; i < b->layout[type]; i++) {
		p += len;
		len = varint(&p);
	}
	return p;
}

static struct psc_error *builtin_type(void *self, const char *name,
				      struct psc_type *ret)
{
	struct builtin *b = self;
	size_t i;
	if (!find_name(type_names(b->s), b->s->ix.types, name, &i))
		return &psc_absent;
	const uint8_t *p = definition(b, i);
	if (!p)
		return &psc_absent;
	*ret = (struct psc_type){ .id = i + 1, .size = varint(&p) };
	return NULL;
}

static void read_shape(const struct builtin *b, size_t shape,
		       struct psc_field *f)
{
	const uint8_t *p = b->s->shapes + shape * PSC_BUILTIN_SHAPE_ROW;
	f->cls = (enum psc_type_class)(p[0] & 0xf);
	f->is_signed = p[0] >> 4;
	f->bit = p[1];
	f->bits = p[2];
	f->size = psc_le32(p + 4);
	f->count = psc_le32(p + 8);
	f->type_id = psc_le16(p + 12);
}

static struct psc_error *builtin_member(void *self, uint64_t type_id,
					const char *name,
					struct psc_field *ret)
{
	struct builtin *b = self;
	size_t want;
	// A type_id of 0 wraps and is then past every type.
	const uint8_t *p = definition(b, (size_t)(type_id - 1));
	if (!p || !find_name(member_names(b->s), b->s->ix.members, name, &want))
		return &psc_absent;
	varint(&p);		// size
	int64_t member = 0, offset = 0;
	for (uint64_t n = varint(&p); n; n--) {
		member += zigzag(varint(&p));
		offset += zigzag(varint(&p));
		uint64_t shape = varint(&p);
		if ((size_t)member != want)
			continue;
		*ret = (struct psc_field){ .offset = (uint64_t)offset };
		read_shape(b, shape, ret);
		return NULL;
	}
	return &psc_absent;
}

static struct psc_error *builtin_members(void *self, uint64_t type_id,
					 psc_member_fn each, void *ctx)
{
	struct builtin *b = self;
	const uint8_t *p = definition(b, (size_t)(type_id - 1));
	if (!p)
		return &psc_absent;
	varint(&p);		// size
	int64_t member = 0, offset = 0;
	for (uint64_t n = varint(&p); n; n--) {
		member += zigzag(varint(&p));
		offset += zigzag(varint(&p));
		uint64_t shape = varint(&p);
		struct psc_field f = { .offset = (uint64_t)offset };
		read_shape(b, shape, &f);
		if (!each(ctx, member_names(b->s)[member], &f))
			break;
	}
	return NULL;
}

const char *psc_builtin_symbol_name(size_t i)
{
	const struct shared *s = get_shared();
	return s && i < s->ix.symbols ? s->names[i] : NULL;
}

static const struct psc_sym_ops builtin_ops = {
	.source = "builtin",
	.destroy = builtin_destroy,
	.symbol = builtin_symbol,
	.nearest = builtin_nearest,
	.type = builtin_type,
	.member = builtin_member,
	.members = builtin_members,
};

static int compare_rva(const void *a, const void *b, void *rva)
{
	uint64_t x = ((uint64_t *)rva)[*(const uint32_t *)a];
	uint64_t y = ((uint64_t *)rva)[*(const uint32_t *)b];
	return (x > y) - (x < y);
}

static bool load_symbols(struct builtin *b, const struct row *row)
{
	PSC_CLEANUP(columns_close) struct columns c;
	if (!columns_open(&b->s->ix, row->block, &c))
		return false;
	for (unsigned int i = 0; i <= row->column; i++)
		columns_next(&c);
	b->rva = PSC_TAKE(c.rva);
	b->by_rva = malloc(b->s->ix.symbols * sizeof(*b->by_rva));
	if (!b->by_rva)
		return false;
	for (uint32_t i = 0; i < b->s->ix.symbols; i++)
		if (b->rva[i] != NO_RVA)
			b->by_rva[b->n_by_rva++] = i;
	qsort_r(b->by_rva, b->n_by_rva, sizeof(*b->by_rva), compare_rva,
		b->rva);
	return true;
}

struct psc_error *psc_builtin_open(size_t i, struct psc_sym **ret)
{
	if (i >= psc_builtin_count())
		return psc_error_new(PSC_ERR_USAGE,
				     "no built-in kernel %zu", i);
	const struct row *row = &rows[visible[i]];
	struct builtin *b = calloc(1, sizeof(*b));
	if (!b)
		return &psc_nomem;
	b->s = get_shared();
	if (b->s)
		b->layout = b->s->layouts +
			    (size_t)row->k.layout * b->s->ix.types;
	if (!b->s || (row->k.has_symbols && !load_symbols(b, row))) {
		builtin_destroy(b);
		return &psc_nomem;
	}
	char what[64];
	snprintf(what, sizeof(what), "built-in table, %s %s", row->version,
		 row->k.arch);
	return psc_sym_new(&builtin_ops, b, &row->k.id, NULL, what, ret);
}
