// SPDX-License-Identifier: MIT
/** @file
 * Triage dumps (dump-format 6): no pages, but parts and data blocks that are
 * tagged with their addresses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "late.h"
#include "modules.h"
#include "out.h"
#include "processes.h"

#define TRIAGE_AT 0x2000u
#define TRIAGE_BYTES 0x80u
#define MM_BYTES 0x50u
#define UNLOADED_BYTES 0x38u
#define UNLOADED_NAME 12u
#define DRIVER_BYTES 0x90u
#define BLOCK_BYTES 16u
#define STACK_BYTES 0x1000u
// MiniDumpFields: context, exception, PRCB, process, thread, stack, drivers,
// unloaded list, debugger data, data blocks.
#define FIELDS 0xcffu
#define KDBG_SIZE_AT 0x14u

/** The file grows at its end, in memory. */
struct writer {
	struct mk *m;
	PSC_VEC(uint8_t) b;
	uint8_t *head;		/**< TRIAGE_DUMP64 under construction. */
};

static uint32_t append(struct writer *w, const void *p, size_t n)
{
	size_t at = w->b.n;

	if (!psc_vec_reserve(&w->b, at + n))
		mk_fail(w->m, "out of memory");
	if (p)
		memcpy(w->b.v + at, p, n);
	else
		memset(w->b.v + at, 0, n);
	w->b.n += n;
	return (uint32_t)at;
}

static void align8(struct writer *w)
{
	append(w, NULL, (8 - w->b.n % 8) % 8);
}

static uint32_t append_memory(struct writer *w, uint64_t va, uint64_t n)
{
	uint32_t at = append(w, NULL, n);

	mk_read(w->m, va, w->b.v + at, n);
	return at;
}

static void unloaded(struct writer *w)
{
	const struct mk_modules *s = w->m->modules;
	uint64_t n = s->n_unloaded;
	uint32_t at = append(w, &n, 8);

	psc_put32(w->head + 0x18, at);
	for (uint32_t i = 0; i < n; i++) {
		// Records of the array in memory: UNICODE_STRING, start, end.
		uint64_t e = s->unloaded + i * 0x28u;
		uint8_t r[UNLOADED_BYTES] = {0};
		uint8_t name[4];

		mk_read(w->m, e, name, 4);
		size_t bytes = PSC_MIN(psc_le16(name), UNLOADED_NAME * 2);

		psc_put16(r, (uint16_t)bytes);
		psc_put16(r + 2, (uint16_t)bytes);
		mk_read(w->m, mk_read64(w->m, e + 8), r + 0x10, bytes);
		psc_put64(r + 0x28, mk_read64(w->m, e + 0x10));
		psc_put64(r + 0x30, mk_read64(w->m, e + 0x18));
		append(w, r, sizeof(r));
	}
}

static void parts(struct writer *w)
{
	struct mk *m = w->m;
	uint64_t prcb = mk_read64(m, mk_symbol(m, "KiProcessorBlock"));
	uint64_t thread = mk_first_thread(m);
	uint64_t kdbg = mk_symbol(m, "KdDebuggerDataBlock");
	uint8_t mm[MM_BYTES] = {1, 0, 0, 0, MM_BYTES};

	psc_put32(w->head + 0x14, append(w, mm, sizeof(mm)));
	unloaded(w);
	psc_put32(w->head + 0x1c,
		  append_memory(w, prcb, mk_sizeof(m, "_KPRCB")));
	if (!thread)
		mk_fail(m, "a triage dump needs a thread");
	psc_put32(w->head + 0x20,
		  append_memory(w, m->processes->v.v[0].va,
				mk_sizeof(m, "_EPROCESS")));
	psc_put32(w->head + 0x24,
		  append_memory(w, thread, mk_sizeof(m, "_ETHREAD")));
	uint64_t top = mk_read64(m, thread +
				 mk_offset(m, "_ETHREAD.Tcb.StackBase"));

	psc_put32(w->head + 0x28, append_memory(w, top - STACK_BYTES,
						STACK_BYTES));
	psc_put32(w->head + 0x2c, STACK_BYTES);
	psc_put64(w->head + 0x48, top - STACK_BYTES);
	uint8_t size[4];

	mk_read(m, kdbg + KDBG_SIZE_AT, size, 4);
	psc_put32(w->head + 0x70,
		  append_memory(w, kdbg, psc_le32(size)));
	psc_put32(w->head + 0x74, psc_le32(size));
}

/** Driver list in load order, and the pool of their names behind it. */
static void drivers(struct writer *w)
{
	const struct mk_modules *s = w->m->modules;
	uint32_t n = (uint32_t)s->v.n;

	align8(w);
	uint32_t list = append(w, NULL, n * DRIVER_BYTES);
	uint32_t names = (uint32_t)w->b.n;

	for (uint32_t i = 0; i < n; i++) {
		const struct mk_module *mod = &s->v.v[i];
		uint16_t text[512];
		uint32_t units = (uint32_t)mk_utf16(mod->path, text,
						    PSC_ARRAY_SIZE(text) - 1);

		text[units] = 0;
		uint32_t name = append(w, &units, 4);

		append(w, text, (units + 1) * 2);
		align8(w);
		uint8_t *e = w->b.v + list + i * DRIVER_BYTES, *ldr = e + 8;

		psc_put32(e, name);
		psc_put64(ldr + 0x30, mod->base);
		psc_put64(ldr + 0x38, mod->base + mod->entry);
		psc_put32(ldr + 0x40, mod->size);
		psc_put32(ldr + 0x78, mod->checksum);
		psc_put32(ldr + 0x80, mod->timestamp);
	}
	psc_put32(w->head + 0x30, list);
	psc_put32(w->head + 0x34, n);
	psc_put32(w->head + 0x38, names);
	psc_put32(w->head + 0x3c, (uint32_t)w->b.n - names);
}

static void keep_block(struct mk *m, uint64_t va, uint64_t bytes)
{
	struct mk_block b = {.va = va, .bytes = bytes};

	if (!psc_vec_push(&m->out->blocks, b))
		mk_fail(m, "out of memory");
}

/** The whole page of each parameter that is a valid kernel address is there
 *  (real-pool 6). */
static void parameter_pages(struct mk *m)
{
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t page = m->bugcheck_param[i] & ~UINT64_C(0xfff), pfn;
		bool seen = page >> 47 != 0x1ffff || !mk_frame(m, page, &pfn);

		for (size_t j = 0; !seen && j < m->out->blocks.n; j++)
			seen = m->out->blocks.v[j].va == page &&
			       m->out->blocks.v[j].bytes == 0x1000;
		if (!seen)
			keep_block(m, page, 0x1000);
	}
}

static void blocks(struct writer *w)
{
	const struct mk_out *o = w->m->out;
	uint32_t n = (uint32_t)o->blocks.n;
	uint32_t table = append(w, NULL, n * BLOCK_BYTES);

	psc_put32(w->head + 0x78, table);
	psc_put32(w->head + 0x7c, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct mk_block *b = &o->blocks.v[i];
		uint32_t at = append_memory(w, b->va, b->bytes);
		uint8_t *e = w->b.v + table + i * BLOCK_BYTES;

		psc_put64(e, b->va);
		psc_put32(e + 8, at);
		psc_put32(e + 12, (uint32_t)b->bytes);
	}
}

void mk_write_triage(struct mk *m)
{
	uint8_t head[TRIAGE_BYTES] = {0};
	struct writer w = {.m = m, .head = head};

	append(&w, NULL, TRIAGE_AT + TRIAGE_BYTES);
	psc_put32(head + 0x0c, 0x348);			// ContextOffset
	psc_put32(head + 0x10, 0xf00);			// ExceptionOffset
	psc_put32(head + 0x44, UINT32_MAX);		// TriageOptions
	parts(&w);
	drivers(&w);
	parameter_pages(m);
	blocks(&w);
	uint32_t valid = append(&w, "TRGD", 4);

	psc_put32(head + 0x04, valid + 4);		// SizeOfDump
	psc_put32(head + 0x08, valid);			// ValidOffset
	memcpy(w.b.v + TRIAGE_AT, head, sizeof(head));
	m->out->n_stored = 0;
	m->out->size = w.b.n;
	mk_header(m, w.b.v);
	psc_put32(w.b.v + 0x1038, FIELDS);		// MiniDumpFields
	mk_put(m, 0, w.b.v, w.b.n);
	psc_vec_free(&w.b);
}

/** @p bytes from @p back bytes before @p va on, as far as they are mapped, or
 *  its whole page. */
static void block_at(struct mk *m, struct mk_args *a, uint64_t va)
{
	uint64_t page = va & ~UINT64_C(0xfff), pfn;
	uint64_t start = va - mk_key_num(a, "back", 0);
	uint64_t end = start + mk_key_num(a, "bytes", 0x100);

	if (mk_flag(a, "page")) {
		start = page;
		end = page + 0x1000;
	}
	if (start < page && !mk_frame(m, start, &pfn))
		start = page;
	if (end > page + 0x1000 && !mk_frame(m, end - 1, &pfn))
		end = page + 0x1000;
	keep_block(m, start, end - start);
}

static void block(struct mk *m, struct mk_args *a)
{
	const char *where = mk_word(a, 0);
	uint64_t count = mk_key_num(a, "count", 0);
	char label[80];

	if (!count)
		block_at(m, a, mk_expr(m, where));
	for (uint64_t i = 0; i < count; i++) {
		snprintf(label, sizeof(label), "%s.%llu", where,
			 (unsigned long long)i);
		block_at(m, a, mk_expr(m, label));
	}
}

void mk_do_block(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, block);
}
