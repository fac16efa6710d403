// SPDX-License-Identifier: MIT
// VS_VERSION_INFO out of the resource tree. The tree is walked three levels
// down, never back, so cycles in it cannot matter.
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "pe/window.h"

enum {
	DIR_RESOURCE = 2,
	DIR_HEAD_BYTES = 16,
	ENTRY_BYTES = 8,
	RT_VERSION = 16,
	SUBDIRECTORY = 0x80000000,
	INFO_MAX_BYTES = 0x10000,	// wLength is 16 bits
	NODE_HEAD_BYTES = 6,
	FIXED_BYTES = 52,
};
#define FIXED_SIGNATURE 0xfeef04bdu

struct bytes {
	const uint8_t *p;
	size_t n;
};

// Entry of a resource directory: with @p id, or the first one when id < 0.
static bool find_entry(struct psc_pe_window *w, uint32_t root, uint32_t dir,
		       int id, uint32_t *ret)
{
	uint8_t head[DIR_HEAD_BYTES], e[ENTRY_BYTES];
	uint64_t at = root + (uint64_t)dir;
	uint32_t n;

	if (!psc_pe_window_get(w, at, head, sizeof(head)))
		return false;
	n = (uint32_t)psc_le16(head + 12) + psc_le16(head + 14);
	at += DIR_HEAD_BYTES;
	for (uint32_t i = 0; i < n; i++, at += ENTRY_BYTES) {
		if (!psc_pe_window_get(w, at, e, sizeof(e)))
			return false;
		if (id < 0 || psc_le32(e) == (uint32_t)id) {
			*ret = psc_le32(e + 4);
			return true;
		}
	}
	return false;
}

static bool find_version(struct psc_pe_window *w, uint32_t root,
			 uint32_t *rva, uint32_t *size)
{
	uint32_t off = 0;
	uint8_t data[8];

	for (int level = 0; level < 3; level++) {
		if (!find_entry(w, root, off, level ? -1 : RT_VERSION, &off))
			return false;
		if (!(off & SUBDIRECTORY))
			break;
		off &= ~(uint32_t)SUBDIRECTORY;
	}
	if (!psc_pe_window_get(w, root + (uint64_t)off, data, sizeof(data)))
		return false;
	*rva = psc_le32(data);
	*size = PSC_MIN(psc_le32(data + 4), (uint32_t)INFO_MAX_BYTES);
	return *size != 0;
}

/** One node: wLength, wValueLength, wType, key, value, children. */
struct node {
	struct bytes key;		// UTF-16 without NUL
	struct bytes value;		// rest of the node, value first
	uint16_t value_length;
	uint16_t type;			// 1: text, value_length in characters
	size_t bytes;			// whole node, aligned
};

static bool parse_node(struct bytes in, struct node *ret)
{
	if (in.n < NODE_HEAD_BYTES)
		return false;
	size_t len = psc_le16(in.p), at = NODE_HEAD_BYTES;

	if (len < NODE_HEAD_BYTES)
		return false;
	len = PSC_MIN(len, in.n);
	ret->value_length = psc_le16(in.p + 2);
	ret->type = psc_le16(in.p + 4);
	while (at + 2 <= len && psc_le16(in.p + at))
		at += 2;
	if (at + 2 > len)
		return false;
	ret->key = (struct bytes){ in.p + NODE_HEAD_BYTES,
				   at - NODE_HEAD_BYTES };
	at = PSC_MIN((at + 2 + 3) & ~(size_t)3, len);
	ret->value = (struct bytes){ in.p + at, len - at };
	ret->bytes = PSC_MIN((len + 3) & ~(size_t)3, in.n);
	return true;
}

static bool next_child(struct bytes *rest, struct node *ret)
{
	if (!parse_node(*rest, ret))
		return false;
	rest->p += ret->bytes;
	rest->n -= ret->bytes;
	return true;
}

static bool key_is(const struct node *n, const char *name)
{
	size_t len = strlen(name);

	if (n->key.n != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (psc_le16(n->key.p + 2 * i) != (unsigned char)name[i])
			return false;
	}
	return true;
}

static bool take_string(const struct node *n, const char *key, char **ret)
{
	size_t len = 0;
	bool valid;

	if (!key_is(n, key) || *ret)
		return true;
	while (len + 2 <= n->value.n && psc_le16(n->value.p + len))
		len += 2;
	if (!len)
		return true;
	*ret = psc_utf16_to_utf8(n->value.p, len, &valid);
	return *ret != NULL;
}

static bool read_strings(struct bytes table, struct psc_pe_version *v)
{
	struct node s;

	while (next_child(&table, &s)) {
		if (!take_string(&s, "CompanyName", &v->company) ||
		    !take_string(&s, "ProductName", &v->product_name) ||
		    !take_string(&s, "FileDescription", &v->description) ||
		    !take_string(&s, "OriginalFilename", &v->original_name) ||
		    !take_string(&s, "FileVersion", &v->file_text))
			return false;
	}
	return true;
}

static void numbers(const uint8_t *p, uint16_t out[4])
{
	out[0] = psc_le16(p + 2);
	out[1] = psc_le16(p);
	out[2] = psc_le16(p + 6);
	out[3] = psc_le16(p + 4);
}

// @return false when out of memory.
static bool read_info(const struct node *info, struct psc_pe_version *v)
{
	struct bytes rest = info->value;
	size_t skip = ((size_t)info->value_length + 3) & ~(size_t)3;
	struct node child, table;

	if (rest.n >= FIXED_BYTES && info->value_length >= FIXED_BYTES &&
	    psc_le32(rest.p) == FIXED_SIGNATURE) {
		numbers(rest.p + 8, v->file);
		numbers(rest.p + 16, v->product);
	}
	skip = PSC_MIN(skip, rest.n);
	rest.p += skip;
	rest.n -= skip;
	while (next_child(&rest, &child)) {
		if (!key_is(&child, "StringFileInfo"))
			continue;
		while (next_child(&child.value, &table)) {
			if (!read_strings(table.value, v))
				return false;
		}
	}
	return true;
}

struct psc_error *psc_pe_version(const struct psc_pe *pe,
				 struct psc_pe_version *ret)
{
	struct psc_pe_version v = { 0 };
	struct psc_pe_window w;
	struct node info;
	uint32_t root = pe->dir[DIR_RESOURCE].rva, rva, size;

	if (!root)
		return &psc_absent;
	psc_pe_window_init(&w, pe);
	if (!find_version(&w, root, &rva, &size))
		return &psc_absent;
	PSC_FREE uint8_t *buf = malloc(size);
	if (!buf)
		return &psc_nomem;
	size_t got = psc_pe_read(pe, rva, buf, size);
	if (!got)
		return psc_error_at(PSC_ERR_NOT_IN_DUMP, PSC_WHERE_OFFSET, rva,
				    "version resource is not readable");
	if (!parse_node((struct bytes){ buf, got }, &info) ||
	    !key_is(&info, "VS_VERSION_INFO"))
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, rva,
				    "version resource: no VS_VERSION_INFO");
	if (!read_info(&info, &v)) {
		psc_pe_version_free(&v);
		return &psc_nomem;
	}
	*ret = v;
	return NULL;
}

void psc_pe_version_free(struct psc_pe_version *v)
{
	free(v->company);
	free(v->product_name);
	free(v->description);
	free(v->original_name);
	free(v->file_text);
	*v = (struct psc_pe_version){ 0 };
}
