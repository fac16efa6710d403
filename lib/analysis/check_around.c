// SPDX-License-Identifier: MIT
// What lies around a finding (pool 7.0): bytes with the fields named, the
// blocks on both sides and their owners, the page as the debugger shows it.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/check.h"
#include "analysis/poolat.h"
#include "analysis/walk.h"
#include "base/bytes.h"
#include "base/str.h"

/** Bytes shown of the place: before its header, and from it on. */
#define VIEW_BEFORE 0x40u
#define VIEW_BEHIND 0x20u
/** Findings whose page is shown; the commands pool and poolval show any. */
#define MAX_PAGES 32u

/** Fields of a pool header by their offset (pool 1.1). */
static const struct {
	uint8_t at, bytes;
	const char *name;
} fields[] = {
	{ 0, 1, "PreviousSize" }, { 1, 1, "PoolIndex" }, { 2, 1, "BlockSize" },
	{ 3, 1, "PoolType" }, { 4, 4, "PoolTag" }, { 8, 8, "ProcessBilled" },
};

static bool is_chunk(const struct psc_fault *f)
{
	return f->rule >= PSC_V1 && f->rule <= PSC_V4;
}

static void header_fields(struct psc_value *list, const struct psc_fault *f,
			  const uint8_t *p)
{
	struct psc_str s = { 0 };

	if (is_chunk(f) || f->owner == PSC_OWNER_BIG ||
	    f->owner == PSC_OWNER_SPECIAL)
		return;
	for (size_t i = 0; i < PSC_ARRAY_SIZE(fields); i++) {
		uint64_t v = 0;

		memcpy(&v, p + fields[i].at, fields[i].bytes);
		psc_str_addf(&s, "%s%s 0x%" PRIx64, i ? ", " : "",
			     fields[i].name, v);
	}
	if (s.s)
		psc_add_str(list, s.s);
	psc_str_free(&s);
}

/** One line of 16 bytes: "ffff… : 00 … |text|", marked at the header. */
static void hex_line(struct psc_value *list, uint64_t va, const uint8_t *p,
		     const char *mark)
{
	char hex[16 * 3 + 1], text[17];

	for (unsigned int i = 0; i < 16; i++) {
		snprintf(hex + i * 3, 4, "%02x ", p[i]);
		text[i] = p[i] >= 0x20 && p[i] <= 0x7e ? (char)p[i] : '.';
	}
	text[16] = '\0';
	psc_add_strf(list, "%016" PRIx64 "  %s |%s|%s", va, hex, text, mark);
}

/** What the first byte of the place is. */
static const char *mark_of(const struct psc_fault *f)
{
	if (f->rule == PSC_X1 || f->rule == PSC_B8)
		return "  <- changed";
	return f->owner == PSC_OWNER_BIG ? "  <- entry" : "  <- header";
}

static void hex_view(struct psc_value *o, const struct psc_scene *s)
{
	struct psc_value *list = psc_set_array(o, "memory");
	uint64_t va = s->f->va;

	for (unsigned int i = 0; s->has_before && i < VIEW_BEFORE; i += 16)
		hex_line(list, va - VIEW_BEFORE + i,
			 s->before + PSC_SCENE_BEFORE - VIEW_BEFORE + i, "");
	for (unsigned int i = 0; s->has_behind && i < VIEW_BEHIND; i += 16)
		hex_line(list, va + i, s->behind + i, i ? "" : mark_of(s->f));
	if (s->has_behind)
		header_fields(list, s->f, s->behind);
}

// --- the blocks on both sides ---------------------------------------------------

static void set_block(struct psc_check *c, struct psc_value *o,
		      const char *key, const struct psc_block *b)
{
	psc_set_null(o, key);
	if (!b->bytes)
		return;
	struct psc_value *v = psc_set_object(o, key);
	psc_set_hex(v, "address", b->va);
	psc_set_uint(v, "bytes", b->bytes);
	psc_set_null(v, "tag");
	if (b->tag)
		psc_set_tag(v, "tag", b->tag);
	psc_set_str(v, "state", psc_block_state_name(b->state));
	psc_set_str(v, "module", psc_check_module(c, b->tag));
}

/** The last block of the page before, when nothing of this one is before. */
static struct psc_error *page_before(struct psc_check *c, uint64_t va,
				     struct psc_block *ret)
{
	struct psc_neighbours near = { 0 };
	uint64_t last = (va & ~(uint64_t)(PSC_PAGE_SIZE - 1)) - 1;
	struct psc_error *err = psc_pool_at(c->a, last, false, NULL, &near);

	*ret = near.here;
	return err;
}

struct psc_error *psc_check_around(struct psc_check *c, struct psc_value *o,
				   const struct psc_scene *s)
{
	struct psc_neighbours near = { 0 };
	struct psc_value *page = NULL;
	struct psc_error *err;

	hex_view(o, s);
	psc_set_null(o, "page");
	if (c->pages_shown < MAX_PAGES) {
		page = psc_set_object(o, "page");
		c->pages_shown++;
	} else {
		c->pages_not_shown++;
	}
	err = psc_pool_at(c->a, s->f->va, true, page, &near);
	if (!err && !near.previous.bytes && near.here.bytes)
		err = page_before(c, near.here.va, &near.previous);
	set_block(c, o, "previous", &near.previous);
	set_block(c, o, "next", &near.next);
	return err;
}
