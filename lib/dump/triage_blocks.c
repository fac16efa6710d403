// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dump/header.h"
#include "dump/triage_parts.h"

// KDDEBUGGER_DATA64, the same for both widths (dump-format 3.4).
#define KDBG_PROCESSOR_BLOCK 0x218u	// KiProcessorBlock
#define KDBG_THREAD_PROCESS 0x2a0u	// OffsetKThreadApcProcess
#define KDBG_SIZE_EPROCESS 0x2a8u
#define KDBG_SIZE_PRCB 0x2b0u
#define KDBG_PRCB_THREAD 0x2b4u		// OffsetPrcbCurrentThread
#define KDBG_PRCB_NUMBER 0x2beu		// OffsetPrcbNumber
#define KDBG_SIZE_ETHREAD 0x2c0u
#define KDBG_NEEDED 0x2c2u

// Windows has no more processors than this.
#define MAX_PROCESSORS 2048u

static unsigned int word_of(const struct psc_triage_data *t)
{
	return t->header->is64 ? 8 : 4;
}

static bool add(struct psc_triage_data *t, uint64_t va, const uint8_t *data,
		uint64_t n)
{
	uint64_t end;

	if (!t->header->is64)	// slots of 64 bits may be sign-extended
		va &= UINT32_MAX;
	if (!va || !data || !n || !psc_add_ok(va, n, &end))
		return true;
	return psc_vec_push(&t->blocks, (struct psc_triage_block){
		.va = va, .size = n, .data = data });
}

// --- data blocks -----------------------------------------------------------

// One record {VA, u32 offset, u32 size}; word is the width of VA.
struct record {
	uint64_t va;
	uint32_t offset, size;
};

static struct record record_at(const uint8_t *p, unsigned int word)
{
	return (struct record){
		.va = psc_le_uint(p, word),
		.offset = psc_le32(p + word),
		.size = psc_le32(p + word + 4),
	};
}

// 32-bit files: 12-byte records, or the 64-bit ones (dump-format 6.2). Read
// with the wrong width some record has no place among the triage data.
static unsigned int record_word(const struct psc_triage_data *t)
{
	const struct psc_triage_header *h = &t->h;

	if (t->header->is64)
		return 8;
	for (uint32_t i = 0; i < h->n_blocks; i++) {
		uint64_t at = h->blocks + (uint64_t)i * 12;
		if (at > t->file.n || t->file.n - at < 12)
			break;
		struct record r = record_at(t->file.p + at, 4);
		if (r.offset >= PSC_HEADER32_SIZE &&
		    (uint64_t)r.offset + r.size <= h->size_of_dump)
			continue;
		psc_warn(t->warnings, "triage dump: data block records of 16 "
			 "bytes, as 64-bit dumps have them");
		return 8;
	}
	return 4;
}

static bool add_data_blocks(struct psc_triage_data *t)
{
	const struct psc_triage_header *h = &t->h;
	unsigned int word = record_word(t), bytes = word + 8;
	uint64_t fit = h->blocks < t->file.n
		? (t->file.n - h->blocks) / bytes : 0;
	uint32_t n = (uint32_t)PSC_MIN(fit, h->n_blocks), cut = 0;

	if (!psc_triage_has(t, PSC_TRIAGE_DATA_BLOCKS) || !h->blocks)
		return true;
	for (uint32_t i = 0; i < n; i++) {
		struct record r = record_at(t->file.p + h->blocks +
					    (uint64_t)i * bytes, word);
		uint64_t left = r.offset < t->file.n ? t->file.n - r.offset : 0;
		cut += left < r.size;
		if (left && !add(t, r.va, t->file.p + r.offset,
				 PSC_MIN(left, r.size)))
			return false;
	}
	if (n < h->n_blocks)
		psc_warn(t->warnings, "triage dump: %" PRIu32 " of %" PRIu32
			 " data block records lie past the end of the file",
			 h->n_blocks - n, h->n_blocks);
	if (cut)
		psc_warn(t->warnings, "triage dump: %" PRIu32 " of %" PRIu32
			 " data blocks reach past the end of the file", cut, n);
	return true;
}

// --- the other parts -------------------------------------------------------

// Pointer at va, from the data blocks read so far.
static bool pointer_at(const struct psc_triage_data *t, uint64_t va,
		       uint64_t *ret)
{
	unsigned int word = word_of(t);

	for (size_t i = 0; i < t->blocks.n; i++) {
		const struct psc_triage_block *b = &t->blocks.v[i];
		if (va >= b->va && b->size >= word &&
		    va - b->va <= b->size - word) {
			*ret = psc_le_uint(b->data + (va - b->va), word);
			return true;
		}
	}
	return false;
}

// Pointer inside a stored object at the offset that KDBG gives; 0 if none.
static uint64_t member(const struct psc_triage_data *t, const uint8_t *object,
		       size_t size, unsigned int kdbg_slot)
{
	uint16_t off = psc_le16(t->contents.kdbg + kdbg_slot);

	return object && off && off + word_of(t) <= size
		? psc_le_uint(object + off, word_of(t)) : 0;
}

static bool read_kdbg(struct psc_triage_data *t)
{
	struct psc_triage *c = &t->contents;
	const struct psc_triage_header *h = &t->h;

	if (!psc_triage_has(t, PSC_TRIAGE_DEBUGGER_DATA) || !h->debugger_data)
		return true;
	c->kdbg = psc_triage_part(t, h->debugger_data, h->debugger_data_size,
				  "KDBG");
	if (!c->kdbg)
		return true;
	c->kdbg_size = h->debugger_data_size;
	return add(t, t->header->kdbg.v, c->kdbg, c->kdbg_size);
}

static void read_object(struct psc_triage_data *t, enum psc_triage_field field,
			uint32_t off, unsigned int size_slot, const char *what,
			const uint8_t **ret, size_t *size)
{
	uint16_t n = psc_le16(t->contents.kdbg + size_slot);

	if (!psc_triage_has(t, field) || !off || !n)
		return;
	*ret = psc_triage_part(t, off, n, what);
	*size = *ret ? n : 0;
}

// The crashing processor's block: its number indexes KiProcessorBlock.
static uint64_t prcb_va(const struct psc_triage_data *t)
{
	const struct psc_triage *c = &t->contents;
	uint64_t array = psc_le64(c->kdbg + KDBG_PROCESSOR_BLOCK), va;
	uint16_t off = psc_le16(c->kdbg + KDBG_PRCB_NUMBER);

	if (!c->prcb || !off || off + 4u > c->prcb_size)
		return 0;
	uint32_t number = psc_le32(c->prcb + off);
	if (!t->header->is64)
		array &= UINT32_MAX;
	return array && number < MAX_PROCESSORS &&
	       pointer_at(t, array + (uint64_t)number * word_of(t), &va)
		? va : 0;
}

// Sizes and places come from KDBG; without it the objects have neither.
static bool add_objects(struct psc_triage_data *t)
{
	struct psc_triage *c = &t->contents;
	const struct psc_triage_header *h = &t->h;

	if (c->kdbg_size < KDBG_NEEDED)
		return true;
	read_object(t, PSC_TRIAGE_PRCB, h->prcb, KDBG_SIZE_PRCB, "KPRCB",
		    &c->prcb, &c->prcb_size);
	read_object(t, PSC_TRIAGE_PROCESS, h->process, KDBG_SIZE_EPROCESS,
		    "EPROCESS", &c->process, &c->process_size);
	read_object(t, PSC_TRIAGE_THREAD, h->thread, KDBG_SIZE_ETHREAD,
		    "ETHREAD", &c->thread, &c->thread_size);
	uint64_t thread = member(t, c->prcb, c->prcb_size, KDBG_PRCB_THREAD);
	uint64_t process = member(t, c->thread, c->thread_size,
				  KDBG_THREAD_PROCESS);
	return add(t, prcb_va(t), c->prcb, c->prcb_size) &&
	       add(t, thread, c->thread, c->thread_size) &&
	       add(t, process, c->process, c->process_size);
}

static bool add_stack_and_page(struct psc_triage_data *t)
{
	const struct psc_triage_header *h = &t->h;

	if (psc_triage_has(t, PSC_TRIAGE_STACK) && h->stack && h->stack_size &&
	    !add(t, h->stack_va,
		 psc_triage_part(t, h->stack, h->stack_size, "call stack"),
		 h->stack_size))
		return false;
	if (psc_triage_has(t, PSC_TRIAGE_DATA_PAGE) && h->data_page &&
	    h->data_page_size &&
	    !add(t, h->data_page_va,
		 psc_triage_part(t, h->data_page, h->data_page_size,
				 "data page"), h->data_page_size))
		return false;
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct psc_triage_block *x = a, *y = b;

	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	return x->va < y->va ? -1 : x->va > y->va;
}

bool psc_triage_blocks(struct psc_triage_data *t)
{
	struct psc_triage *c = &t->contents;

	if (!add_data_blocks(t) || !read_kdbg(t) || !add_objects(t) ||
	    !add_stack_and_page(t))
		return false;
	if (t->blocks.n)
		qsort(t->blocks.v, t->blocks.n, sizeof(*t->blocks.v), by_place);
	c->blocks = t->blocks.v;
	c->n_blocks = t->blocks.n;
	return true;
}
