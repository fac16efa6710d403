// SPDX-License-Identifier: MIT
// Hardware or software? All findings together, the machine's own records of
// bad memory, and drivers newer than the rest
// (field-guide 1).
#include "analysis/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/finding.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"

/** A driver is new when it was built that long after the newest quarter. */
#define NEW_SECONDS (180u * 86400)
/** Time stamps before 2001 and after the crash are hashes. */
#define FIRST_STAMP 978307200u
/** Fewer real time stamps show no rest to be newer than. */
#define MIN_STAMPS 8u
#define MAX_NEW 5u

void psc_pattern_add(struct psc_pattern *p, const struct psc_judgement *j)
{
	uint32_t offset = (uint32_t)j->main->va & (PSC_PAGE_SIZE - 1);
	uint64_t page = j->main->va >> PSC_PAGE_SHIFT;

	if (!p->n++)
		p->first_offset = offset;
	p->same_offset += offset == p->first_offset;
	p->corrupt += j->corrupt;
	if (j->bit_flip) {
		if (!p->flips++ || page != p->last_flip_page)
			p->flip_pages++;
		p->last_flip_page = page;
	} else if (j->cause != PSC_CAUSE_UNKNOWN) {
		p->shaped++;
	}
	if (!j->suspect)
		return;
	if (!p->blamed++)
		p->tag = j->suspect_tag;
	p->same_tag += j->suspect_tag == p->tag;
}

// --- the machine's own records ------------------------------------------------

/** A counter of MiTriageDumpData, added to @p sum where it is stored. */
static void add_counter(struct psc_check *c, uint64_t va, const char *path,
			uint64_t *sum)
{
	uint64_t v;
	struct psc_error *err = psc_kernel_get(c->a->kernel, va, path, &v);

	if (err) {
		psc_error_free(err);
		return;
	}
	c->pattern.has_memory_errors = true;
	*sum += v;
}

static void memory_errors(struct psc_check *c)
{
	static const char *const bits[] = {
		"_MI_TRIAGE_DUMP_DATA.ZeroedPageSingleBitErrorsDetected",
		"_MI_TRIAGE_DUMP_DATA.PageHashErrors",
	};
	static const char *const pages[] = {
		"_MI_TRIAGE_DUMP_DATA.BadPageCount",
		"_MI_TRIAGE_DUMP_DATA.ScrubBadPagesFound",
	};
	uint64_t va;
	struct psc_error *err = psc_kernel_symbol(c->a->kernel,
						  "MiTriageDumpData", &va);

	if (err) {
		psc_error_free(err);
		return;
	}
	for (size_t i = 0; i < PSC_ARRAY_SIZE(pages); i++)
		add_counter(c, va, pages[i], &c->pattern.bad_pages);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(bits); i++)
		add_counter(c, va, bits[i], &c->pattern.bit_errors);
}

// --- drivers newer than the rest ----------------------------------------------

static int by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/** Unix time of the crash; 0 = not known. */
static uint64_t crash_seconds(const struct psc_check *c)
{
	const struct psc_dump_header *h = psc_dump_header(c->a->dump);
	const uint64_t epoch = UINT64_C(11644473600);
	uint64_t s = h->system_time.set ? h->system_time.v / 10000000 : 0;

	return s > epoch ? s - epoch : 0;
}

static void new_drivers(struct psc_check *c, struct psc_value *o)
{
	const struct psc_modules *m = NULL;
	PSC_ERROR_GUARD struct psc_error *err =
		psc_analysis_modules(c->a, &m);
	uint64_t now = crash_seconds(c);
	size_t n = 0;

	if (err || !now || !m->n)
		return;
	PSC_FREE uint32_t *t = calloc(m->n, sizeof(*t));
	for (size_t i = 0; t && i < m->n; i++) {
		if (m->v[i].has_timestamp && m->v[i].timestamp >= FIRST_STAMP &&
		    m->v[i].timestamp <= now)
			t[n++] = m->v[i].timestamp;
	}
	if (n < MIN_STAMPS)
		return;
	qsort(t, n, sizeof(*t), by_value);
	uint32_t limit = t[n - 1 - n / 4];
	struct psc_value *list = psc_set_array(o, "new_drivers");
	for (size_t i = 0; i < m->n && psc_count(list) < MAX_NEW; i++) {
		uint32_t stamp = m->v[i].timestamp;

		if (!m->v[i].has_timestamp || stamp > now ||
		    stamp < limit || stamp - limit < NEW_SECONDS)
			continue;
		struct psc_value *d = psc_add_object(list);
		psc_set_str(d, "name", m->v[i].name);
		psc_set_time(d, "built", (stamp + UINT64_C(11644473600)) *
			     10000000);
	}
}

// --- the answer ---------------------------------------------------------------

static void answer(struct psc_value *o, int hardware, const char *confidence,
		   const char *text, const char *next)
{
	if (hardware < 0)
		psc_set_null(o, "hardware");
	else
		psc_set_bool(o, "hardware", hardware);
	psc_set_str(o, "confidence", confidence);
	psc_set_str(o, "verdict", text);
	psc_set_str(o, "next_step", next);
}

static const char next_memory[] =
	"run the memory diagnostic (mdsched, extended test), without "
	"overclocking; then swap memory modules";
static const char next_verifier[] =
	"let Driver Verifier watch the suspect with special pool, and update "
	"or roll back its driver";

static void software(struct psc_check *c, struct psc_value *o)
{
	const struct psc_pattern *p = &c->pattern;
	const char *module = psc_check_module(c, p->tag);
	bool common = p->blamed && p->same_tag == p->blamed;
	char text[384], tag[PSC_TAG_TEXT];

	psc_tag_text(p->tag, tag);
	if (common && p->tag)
		snprintf(text, sizeof(text), "Software: whole bytes were "
			 "written where they do not belong, %s block%s of tag "
			 "%s%s%s%s.", p->blamed > 1 ? "each time beside or in a"
						    : "beside or in a",
			 "", tag, module ? " (" : "", module ? module : "",
			 module ? ")" : "");
	else
		snprintf(text, sizeof(text), "Software: whole bytes were "
			 "written where they do not belong, at %" PRIu64
			 " place%s.", p->n,
			 p->n == 1 ? "" : "s without one common neighbour");
	answer(o, 0, common && p->blamed > 1 ? "high" : "medium", text,
	       next_verifier);
}

/** Where several flipped bits lie. */
static void place_flips(const struct psc_pattern *p, bool scattered, char *out,
			size_t n)
{
	if (p->flip_pages == 1)
		snprintf(out, n, "%" PRIu64 " single bits are wrong on one "
			 "page", p->flips);
	else
		snprintf(out, n, "single bits are wrong on %" PRIu64 " pages "
			 "at %s", p->flip_pages,
			 scattered ? "unrelated places"
				   : "the same place of their page");
}

static void hardware(struct psc_check *c, struct psc_value *o)
{
	const struct psc_pattern *p = &c->pattern;
	bool errors = p->bad_pages || p->bit_errors;
	bool scattered = p->flip_pages > 1 && p->same_offset < p->n;
	char text[256], places[128];

	place_flips(p, scattered, places, sizeof(places));
	if (p->flips == 1)
		snprintf(text, sizeof(text), "Hardware, perhaps: one bit of one "
			 "field is wrong, which failing memory does%s",
			 errors ? ", and Windows itself counted memory errors."
				: ", but a single hit proves nothing.");
	else
		snprintf(text, sizeof(text), "%s: %s%s.",
			 scattered || errors ? "Hardware" : "Undecided", places,
			 errors ? ", and Windows itself counted memory errors"
				: "");
	answer(o, p->flips > 1 && !scattered && !errors ? -1 : 1,
	       scattered && errors ? "high"
	       : scattered || errors ? "medium" : "low", text, next_memory);
}

static void decide(struct psc_check *c, struct psc_value *o)
{
	const struct psc_pattern *p = &c->pattern;

	if (!p->n)
		return;
	if (p->flips && !p->shaped)
		hardware(c, o);
	else if (p->shaped > p->flips)
		software(c, o);
	else if (p->flips)
		answer(o, -1, "low", "Undecided: single bits and whole bytes "
		       "are wrong, which points at memory and at a driver.",
		       next_memory);
	else
		answer(o, -1, "low", "Undecided: something is inconsistent, "
		       "but its form tells neither a driver nor failing "
		       "memory.",
		       next_verifier);
}

static void set_memory_errors(const struct psc_check *c, struct psc_value *o)
{
	if (!c->pattern.has_memory_errors)
		return;
	struct psc_value *e = psc_set_object(o, "memory_errors");
	psc_set_uint(e, "bad_pages", c->pattern.bad_pages);
	psc_set_uint(e, "bit_errors", c->pattern.bit_errors);
}

void psc_check_sum_up(struct psc_check *c)
{
	struct psc_value *o = psc_set_object(c->a->root, "check");

	memory_errors(c);
	decide(c, o);
	if (c->pattern.corrupt)
		psc_finding_add(c->a, "pool-corrupt", PSC_CRITICAL,
				"/corruption", "%" PRIu64 " corrupted pool "
				"header%s: %s", c->pattern.corrupt,
				c->pattern.corrupt == 1 ? "" : "s",
				psc_get_str(o, "verdict"));
	set_memory_errors(c, o);
	if (c->pattern.n)
		new_drivers(c, o);
}
