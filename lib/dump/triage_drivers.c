// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "dump/triage_parts.h"

// Driver entry (dump-format 6.2): name offset, then a loader record.
struct driver_layout {
	uint32_t stride;
	unsigned int base, size, checksum, timestamp, word;
};

static const struct driver_layout driver64 = {
	.stride = 0x90, .word = 8,
	.base = 0x38, .size = 0x48, .checksum = 0x80, .timestamp = 0x88,
};
static const struct driver_layout driver32 = {
	.stride = 0x4c, .word = 4,
	.base = 0x1c, .size = 0x24, .checksum = 0x44, .timestamp = 0x48,
};

// Unloaded entry; the 32-bit one is its narrow analogue, not seen in a file.
struct unloaded_layout {
	uint32_t stride;
	unsigned int count_bytes, name, start, end, word;
};

static const struct unloaded_layout unloaded64 = {
	.stride = 0x38, .word = 8, .count_bytes = 8,
	.name = 0x10, .start = 0x28, .end = 0x30,
};
static const struct unloaded_layout unloaded32 = {
	.stride = 0x28, .word = 4, .count_bytes = 4,
	.name = 0x8, .start = 0x20, .end = 0x24,
};
#define UNLOADED_NAME_BYTES 24u

// Windows has some hundreds of drivers and paths of some hundred characters;
// the limits bound what a file may cost that names one string many times.
#define MAX_DRIVERS 10000u
#define MAX_NAME_CHARS 1024u

static char *utf8(const uint8_t *p, size_t bytes)
{
	char *raw = psc_utf16_to_utf8(p, bytes, NULL);
	char *text = raw ? psc_text_escape(raw, strlen(raw)) : NULL;

	free(raw);
	return text;
}

// String pool entry: u32 count of characters, then UTF-16LE text.
static char *driver_name(const struct psc_triage_data *t, uint32_t off,
			 uint32_t index)
{
	uint64_t left = off <= t->file.n ? t->file.n - off : 0;
	uint32_t chars = left >= 4 ? psc_le32(t->file.p + off) : 0;

	if (left >= 4 && chars <= MAX_NAME_CHARS && chars <= (left - 4) / 2)
		return utf8(t->file.p + off + 4, (size_t)chars * 2);
	psc_warn(t->warnings, "triage dump: name of driver %" PRIu32 " at 0x%"
		 PRIx32 " is too long or past the end of the file", index, off);
	return strdup("(name not readable)");
}

// Entries of a list that the file really holds.
static uint32_t fitting(const struct psc_triage_data *t, uint64_t off,
			uint64_t n, uint32_t stride, const char *what)
{
	uint64_t fit = off < t->file.n ? (t->file.n - off) / stride : 0;

	fit = PSC_MIN(fit, MAX_DRIVERS);
	if (n <= fit)
		return (uint32_t)n;
	psc_warn(t->warnings, "triage dump: %" PRIu64 " of %" PRIu64 " %s at 0x%"
		 PRIx64 " are too many or past the end of the file", n - fit, n,
		 what, off);
	return (uint32_t)fit;
}

bool psc_triage_drivers(struct psc_triage_data *t)
{
	const struct driver_layout *l = t->header->is64 ? &driver64 : &driver32;
	struct psc_triage *c = &t->contents;

	if (!psc_triage_has(t, PSC_TRIAGE_DRIVERS) || !t->h.drivers)
		return true;
	uint32_t n = fitting(t, t->h.drivers, t->h.n_drivers, l->stride,
			     "drivers");
	c->drivers = calloc(n ? n : 1, sizeof(*c->drivers));
	if (!c->drivers)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = t->file.p + t->h.drivers +
				   (uint64_t)i * l->stride;
		struct psc_triage_driver *d = &c->drivers[i];
		d->name = driver_name(t, psc_le32(p), i);
		if (!d->name)
			return false;
		c->n_drivers++;
		d->base = psc_le_uint(p + l->base, l->word);
		d->size = psc_le32(p + l->size);
		d->checksum = psc_le32(p + l->checksum);
		d->timestamp = psc_le32(p + l->timestamp);
	}
	return true;
}

bool psc_triage_unloaded_drivers(struct psc_triage_data *t)
{
	const struct unloaded_layout *l =
		t->header->is64 ? &unloaded64 : &unloaded32;
	struct psc_triage *c = &t->contents;
	const uint8_t *p;

	if (!psc_triage_has(t, PSC_TRIAGE_UNLOADED) || !t->h.unloaded ||
	    !(p = psc_triage_part(t, t->h.unloaded, l->count_bytes,
				  "unloaded drivers")))
		return true;
	uint32_t n = fitting(t, (uint64_t)t->h.unloaded + l->count_bytes,
			     psc_le_uint(p, l->count_bytes), l->stride,
			     "unloaded drivers");
	c->unloaded = calloc(n ? n : 1, sizeof(*c->unloaded));
	if (!c->unloaded)
		return false;
	p += l->count_bytes;
	for (uint32_t i = 0; i < n; i++, p += l->stride) {
		struct psc_triage_unloaded *u = &c->unloaded[i];
		u->name = utf8(p + l->name,
			       PSC_MIN(psc_le16(p), UNLOADED_NAME_BYTES));
		if (!u->name)
			return false;
		c->n_unloaded++;
		u->start = psc_le_uint(p + l->start, l->word);
		u->end = psc_le_uint(p + l->end, l->word);
	}
	return true;
}
