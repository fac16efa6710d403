// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "dump/inflate.h"

// Distance of checkpoints at first: a read unpacks half of it on average.
#define FIRST_SPAN (UINT64_C(1) << 18)
// Checkpoints may cost this much; then every second one is dropped.
#define MAX_INDEX_BYTES (UINT64_C(64) << 20)
#define PROGRESS_BYTES (UINT64_C(1) << 20)
#define STEP_BYTES 0x10000u

struct builder {
	struct psc_inflate_index x;
	struct psc_deflate s;
	uint64_t span, bytes;
	uint8_t *buf;
};

static void builder_cleanup(struct builder *b)
{
	psc_deflate_end(&b->s);
	psc_inflate_index_free(&b->x);
	free(b->buf);
}

void psc_inflate_index_free(struct psc_inflate_index *x)
{
	for (size_t i = 0; i < x->points.n; i++)
		free(x->points.v[i].window);
	psc_vec_free(&x->points);
}

static uint64_t cost(const struct psc_deflate_point *p)
{
	return sizeof(*p) + p->window_size;
}

static void thin_out(struct builder *b)
{
	size_t kept = 0;

	b->span *= 2;
	b->bytes = 0;
	for (size_t i = 0; i < b->x.points.n; i++) {
		struct psc_deflate_point p = b->x.points.v[i];
		if (kept && p.out - b->x.points.v[kept - 1].out < b->span) {
			free(p.window);
			continue;
		}
		b->x.points.v[kept++] = p;
		b->bytes += cost(&p);
	}
	b->x.points.n = kept;
}

static bool add_point(struct builder *b)
{
	size_t n = b->x.points.n;
	struct psc_deflate_point p;

	if (n && b->s.out - b->x.points.v[n - 1].out < b->span)
		return true;
	if (!psc_deflate_point_make(&b->s, &p))
		return false;
	if (!psc_vec_push(&b->x.points, p)) {
		free(p.window);
		return false;
	}
	b->bytes += cost(&p);
	while (b->bytes > MAX_INDEX_BYTES && b->x.points.n > 1)
		thin_out(b);
	return true;
}

static bool run(struct builder *b, const struct psc_deflate_input *in,
		const struct psc_progress *progress)
{
	uint64_t reported = 0;

	while (b->s.state == PSC_DEFLATE_MORE) {
		if (psc_deflate_at_block(&b->s) && !add_point(b))
			return false;
		psc_deflate_step(&b->s, b->buf, STEP_BYTES, true);
		if (b->s.out - reported < PROGRESS_BYTES)
			continue;
		reported = b->s.out;
		psc_progress_update(progress, "indexing the compressed dump",
				    (uint64_t)(b->s.z.next_in - in->data),
				    in->size);
	}
	return b->s.state != PSC_DEFLATE_NOMEM;
}

static void warn_about_end(const struct builder *b,
			   const struct psc_deflate_input *in,
			   struct psc_warnings *w)
{
	static const char *const why[] = {
		[PSC_DEFLATE_GARBAGE] = "is followed by other data",
		[PSC_DEFLATE_SHORT] = "ends too early",
		[PSC_DEFLATE_DAMAGED] = "is damaged",
	};

	if (b->s.state != PSC_DEFLATE_END)
		psc_warn(w, "compressed data: the stream %s at 0x%" PRIx64
			 "; the 0x%" PRIx64 " bytes before it are used",
			 why[b->s.state],
			 (uint64_t)(b->s.z.next_in - in->data), b->s.out);
	if (b->s.crc_wrong)
		psc_warn(w, "compressed data: the check sum is wrong, so some "
			 "bytes of the dump are");
}

struct psc_error *psc_inflate_index_build(const struct psc_deflate_input *in,
					  const struct psc_progress *progress,
					  struct psc_warnings *w,
					  struct psc_inflate_index *ret)
{
	PSC_CLEANUP(builder_cleanup) struct builder b = { .span = FIRST_SPAN };

	b.buf = malloc(STEP_BYTES);
	if (!b.buf || !psc_deflate_start(&b.s, in, NULL) ||
	    !run(&b, in, progress))
		return &psc_nomem;
	warn_about_end(&b, in, w);
	if (!b.s.out)
		return psc_error_new(b.s.state == PSC_DEFLATE_SHORT
				     ? PSC_ERR_TRUNCATED : PSC_ERR_DAMAGED,
				     "compressed data: nothing can be unpacked");
	b.x.size = b.s.out;
	b.x.clean = b.s.state == PSC_DEFLATE_END && !b.s.crc_wrong;
	*ret = b.x;
	b.x = (struct psc_inflate_index){ 0 };
	return NULL;
}
