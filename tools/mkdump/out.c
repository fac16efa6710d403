// SPDX-License-Identifier: MIT
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct format {
	uint32_t type;
	const char *name;		/**< dump.format of the report. */
	enum mk_content content;
	void (*write)(struct mk *m);
};

static const struct format formats[] = {
	{0x1, "full", MK_CONTENT_RAM, mk_write_full},
	{0x2, "summary-kernel", MK_CONTENT_KERNEL, mk_write_summary},
	{0x3, "header", MK_CONTENT_KERNEL, mk_write_header_only},
	{0x4, "triage", MK_CONTENT_KERNEL, mk_write_triage},
	{0x5, "bitmap-full", MK_CONTENT_RAM, mk_write_bitmap},
	{0x6, "bitmap-kernel", MK_CONTENT_KERNEL, mk_write_bitmap},
	{0x8, "range-kernel", MK_CONTENT_KERNEL, mk_write_ranges},
	{0x9, "range-kernel-user", MK_CONTENT_KERNEL_USER, mk_write_ranges},
	{0xa, "range-complete", MK_CONTENT_RAM, mk_write_ranges},
};

static enum mk_content parse_content(const struct mk *m, const char *text)
{
	static const char *const names[] = {
		"default", "ram", "kernel", "kernel-user",
	};

	for (int i = 0; i < (int)PSC_ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i]))
			return (enum mk_content)i;
	}
	mk_fail(m, "'%s': ram, kernel or kernel-user", text);
}

void mk_do_dump(struct mk *m, struct mk_args *a)
{
	struct mk_out *o = m->out;
	const char *s;

	m->dump_type = (uint32_t)mk_key_num(a, "type", m->dump_type);
	if ((s = mk_key(a, "content")))
		o->content = parse_content(m, s);
	o->bits = mk_key_num(a, "bits", o->bits);
	o->gap = mk_key_num(a, "gap", o->gap);
	o->dirty_tail |= mk_flag(a, "dirty-tail");
	o->unaligned |= mk_flag(a, "unaligned");
	o->no_kdbg_pointer |= mk_flag(a, "no-kdbg-pointer");
	o->attributes = (uint32_t)mk_key_num(a, "attributes", o->attributes);
	if ((s = mk_key(a, "compress")))
		o->compress = !strcmp(s, "zip") ? "zip" : "gzip";
	if ((s = mk_key(a, "truncate")))
		o->truncate = mk_strdup(s);
	if ((s = mk_key(a, "poke")) &&
	    !psc_vec_push(&o->file_pokes, mk_strdup(s)))
		mk_fail(m, "out of memory");
}

void mk_put(struct mk *m, uint64_t off, const void *p, size_t n)
{
	while (n) {
		ssize_t done = pwrite(m->out->fd, p, n, (off_t)off);

		if (done <= 0)
			mk_fail(m, "write: %s", strerror(errno));
		p = (const uint8_t *)p + done;
		off += (uint64_t)done;
		n -= (size_t)done;
	}
}

/** Decide which frames the dump holds. */
static void choose_pages(struct mk *m, enum mk_content content)
{
	const struct mk_phys *p = &m->phys;
	struct mk_out *o = m->out;
	uint64_t bytes = (p->limit + 63) / 64 * 8;

	o->stored = mk_calloc(bytes + 8, 1);
	if (content == MK_CONTENT_RAM) {
		for (size_t r = 0; r < p->runs.n; r++) {
			const struct mk_run *run = &p->runs.v[r];

			for (uint64_t i = 0; i < run->count; i++)
				mk_bit_set(o->stored, run->base + i);
		}
	}
	for (uint64_t i = 0; i < p->limit / 8 + 1; i++) {
		o->stored[i] |= p->kernel[i];
		if (content == MK_CONTENT_KERNEL_USER)
			o->stored[i] |= p->user[i];
		o->stored[i] &= (uint8_t)~p->dropped[i];
	}
	for (uint64_t i = 0; i < bytes; i += 8)
		o->n_stored += (uint64_t)__builtin_popcountll(
			psc_le64(o->stored + i));
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/** Frames that somebody wrote, ascending. */
static uint64_t *written_frames(const struct mk *m, size_t *n)
{
	uint64_t *v = mk_calloc(m->phys.data.n, sizeof(*v));
	struct psc_map_slot slot;

	*n = 0;
	for (size_t i = 0; psc_map_next(&m->phys.data, &i, &slot); )
		v[(*n)++] = slot.key;
	qsort(v, *n, sizeof(*v), by_number);
	return v;
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, MK_PAGE - 1);
}

/** Stored frames in [from, to). */
static uint64_t count_stored(const struct mk_out *o, uint64_t from,
			     uint64_t to)
{
	uint64_t n = 0;

	while (from < to) {
		if (!(from & 63) && to - from >= 64) {
			n += (uint64_t)__builtin_popcountll(
				psc_le64(o->stored + from / 8));
			from += 64;
		} else {
			n += mk_bit(o->stored, from++);
		}
	}
	return n;
}

void mk_put_pages(struct mk *m, uint64_t off)
{
	struct mk_out *o = m->out;
	uint64_t rank = 0, pos = 0;
	size_t n;
	uint64_t *frames = written_frames(m, &n);

	o->first_page = off;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *page = mk_pfn_peek(m, frames[i]);

		rank += count_stored(o, pos, frames[i]);
		pos = frames[i];
		if (mk_bit(o->stored, frames[i]) && !is_zero(page))
			mk_put(m, off + rank * MK_PAGE, page, MK_PAGE);
	}
	free(frames);
	o->size = off + o->n_stored * MK_PAGE;
	if (ftruncate(o->fd, (off_t)o->size))
		mk_fail(m, "ftruncate: %s", strerror(errno));
}

/** "offset:hex digits": bytes of the file that lie. */
static void poke_file(struct mk *m, const char *text)
{
	unsigned int byte;
	int n = 0;
	unsigned long long off;

	if (sscanf(text, "%lli:%n", (long long *)&off, &n) != 1 || !n)
		mk_fail(m, "'%s': offset:hex", text);
	for (text += n; sscanf(text, "%2x", &byte) == 1; text += 2) {
		uint8_t b = (uint8_t)byte;

		mk_put(m, off++, &b, 1);
	}
}

static void cut(struct mk *m)
{
	struct mk_out *o = m->out;
	size_t n = strlen(o->truncate);
	uint64_t size;

	if (n && o->truncate[n - 1] == '%') {
		o->truncate[n - 1] = '\0';
		size = o->size / 100 * mk_number(m, o->truncate);
	} else {
		size = mk_number(m, o->truncate);
	}
	if (size < o->size && ftruncate(o->fd, (off_t)size))
		mk_fail(m, "ftruncate: %s", strerror(errno));
	o->size = PSC_MIN(size, o->size);
}

static void truth(struct mk *m, const struct format *f, bool cut_short)
{
	struct json_object *d = mk_truth(m, "dump");
	struct mk_out *o = m->out;

	json_object_object_add(d, "format", mk_json_text(f->name));
	json_object_object_add(d, "dump_type", json_object_new_int64(f->type));
	json_object_object_add(d, "pages_stored",
			       json_object_new_uint64(o->n_stored));
	json_object_object_add(d, "truncated",
			       json_object_new_boolean(cut_short));
	json_object_object_add(d, "compression", mk_json_text(o->compress));
}

void mk_out_write(struct mk *m, const char *path)
{
	struct mk_out *o = m->out;
	const struct format *f = NULL;

	for (size_t i = 0; i < PSC_ARRAY_SIZE(formats); i++) {
		if (formats[i].type == m->dump_type)
			f = &formats[i];
	}
	if (!f)
		mk_fail(m, "no dump type 0x%x", m->dump_type);
	choose_pages(m, o->content ? o->content : f->content);
	o->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
	if (o->fd < 0)
		mk_fail(m, "%s: %s", path, strerror(errno));
	f->write(m);
	for (size_t i = 0; i < o->file_pokes.n; i++)
		poke_file(m, o->file_pokes.v[i]);
	if (o->truncate)
		cut(m);
	truth(m, f, o->truncate);
	if (o->compress)
		mk_compress(m, path);
	if (close(o->fd))
		mk_fail(m, "%s: %s", path, strerror(errno));
}

void mk_out_free(struct mk_out *o)
{
	for (size_t i = 0; i < o->file_pokes.n; i++)
		free(o->file_pokes.v[i]);
	psc_vec_free(&o->file_pokes);
	psc_vec_free(&o->blocks);
	free(o->truncate);
	free(o->stored);
}
