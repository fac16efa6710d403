// SPDX-License-Identifier: MIT
/** @file
 * The version resource (VS_VERSIONINFO): blocks of {u16 length, u16 value
 * length, u16 type, key, padding to 4, value, children}.
 */
#include <stdio.h>
#include <string.h>

#include "pe_build.h"

struct blob {
	uint8_t b[0x1000];
	size_t n;
};

static void align4(struct blob *o)
{
	o->n = (o->n + 3) & ~(size_t)3;
}

static void add_text(struct blob *o, const char *text)
{
	uint16_t wide[256];
	size_t n = mk_utf16(text, wide, PSC_ARRAY_SIZE(wide));

	memcpy(o->b + o->n, wide, n * 2);
	o->n += n * 2 + 2;
}

/** Open a block; @return its start, for end_block(). */
static size_t begin_block(struct blob *o, const char *key, size_t value_len,
			  bool text)
{
	size_t start = o->n;

	psc_put16(o->b + o->n + 2, (uint16_t)value_len);
	psc_put16(o->b + o->n + 4, text);
	o->n += 6;
	add_text(o, key);
	align4(o);
	return start;
}

static void end_block(struct blob *o, size_t start)
{
	psc_put16(o->b + start, (uint16_t)(o->n - start));
	align4(o);
}

static void add_string(struct blob *o, const char *key, const char *value)
{
	if (!value)
		return;
	size_t at = begin_block(o, key, strlen(value) + 1, true);

	add_text(o, value);
	end_block(o, at);
}

static void add_fixed(struct blob *o, const char *version)
{
	unsigned int v[4] = {0};
	uint8_t *p = o->b + o->n;

	sscanf(version ? version : "", "%u.%u.%u.%u", &v[0], &v[1], &v[2],
	       &v[3]);
	psc_put32(p, 0xfeef04bd);			// signature
	psc_put32(p + 4, 0x10000);			// structure version
	psc_put32(p + 8, v[0] << 16 | v[1]);		// file version
	psc_put32(p + 12, v[2] << 16 | v[3]);
	psc_put32(p + 16, v[0] << 16 | v[1]);		// product version
	psc_put32(p + 20, v[2] << 16 | v[3]);
	psc_put32(p + 24, 0x3f);			// flags mask
	psc_put32(p + 32, 0x40004);			// OS: NT
	psc_put32(p + 36, 3);				// type: driver
	o->n += 52;
}

static void version_info(struct blob *o, const struct mk_pe_version *v)
{
	size_t root = begin_block(o, "VS_VERSION_INFO", 52, false);

	add_fixed(o, v->file);
	size_t strings = begin_block(o, "StringFileInfo", 0, true);
	size_t table = begin_block(o, "040904B0", 0, true);

	add_string(o, "CompanyName", v->company);
	add_string(o, "FileDescription", v->description);
	add_string(o, "FileVersion", v->file);
	add_string(o, "ProductName", v->product);
	end_block(o, table);
	end_block(o, strings);
	end_block(o, root);
}

void mk_pe_version(struct mk *m, struct mk_pe *pe, uint32_t rva,
		   const struct mk_pe_version *v)
{
	// Three directory levels (type 16, id 1, language 1033), one entry
	// each, then the data entry.
	static const uint32_t ids[3] = {16, 1, 0x409};
	struct blob o = {.n = 3 * 24 + 16};

	for (uint32_t level = 0; level < 3; level++) {
		uint8_t *p = o.b + level * 24;

		psc_put16(p + 14, 1);			// id entries
		psc_put32(p + 16, ids[level]);
		psc_put32(p + 20, level < 2 ? 0x80000000 | (level + 1) * 24
					    : 3 * 24);
	}
	size_t start = o.n;

	version_info(&o, v);
	psc_put32(o.b + 3 * 24, rva + (uint32_t)start);
	psc_put32(o.b + 3 * 24 + 4, (uint32_t)(o.n - start));
	mk_write(m, pe->base + rva, o.b, o.n);
	pe->dir[2][0] = rva;
	pe->dir[2][1] = (uint32_t)o.n;
}
