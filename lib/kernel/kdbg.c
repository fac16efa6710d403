// SPDX-License-Identifier: MIT
// The debugger data block: KDDEBUGGER_DATA64 (dump-format 3).
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "kernel/kernel_impl.h"

#define KDBG_TAG	0x4742444bu	// 'KDBG'
#define KDBG_OWNER_TAG	0x10
#define KDBG_SIZE	0x14
#define KDBG_KERN_BASE	0x18
#define KDBG_MIN_SIZE	0x208u
#define KDBG_MAX_SIZE	0x1000u

// No more is searched, whatever section headers say.
#define SEARCH_MAX	(64u << 20)

static uint64_t mask_va(const struct psc_kernel *k, uint64_t va)
{
	return k->ptr == 4 ? (uint32_t)va : va;
}

// Bits 56-63 alike: a form that any 64-bit scheme could use.
static bool is_canonical(const struct psc_kernel *k, uint64_t va)
{
	return k->ptr == 4 || va >> 56 == 0 || va >> 56 == 0xff;
}

size_t psc_kdbg_check(const struct psc_kernel *k, const uint8_t *p, size_t n,
		      uint64_t base)
{
	if (n < KDBG_KERN_BASE + 8 ||
	    psc_le32(p + KDBG_OWNER_TAG) != KDBG_TAG)
		return 0;
	uint32_t size = psc_le32(p + KDBG_SIZE);
	uint64_t kern = mask_va(k, psc_le64(p + KDBG_KERN_BASE));

	if (size < KDBG_MIN_SIZE || size > KDBG_MAX_SIZE || size % 8)
		return 0;
	if (kern % PSC_PAGE_SIZE || !psc_mem_is_kernel_va(k->mem, kern) ||
	    (base && kern != mask_va(k, base)))
		return 0;
	if (!is_canonical(k, psc_le64(p)) || !is_canonical(k, psc_le64(p + 8)))
		return 0;
	return size;
}

// Take the block at p (n readable bytes): fields behind them are absent.
static void take(struct psc_kernel *k, const uint8_t *p, size_t n, uint64_t va)
{
	n = PSC_MIN(n, PSC_KDBG_MAX);
	memcpy(k->kdbg.bytes, p, n);
	k->kdbg.size = n;
	k->kdbg.va = va;
}

static bool try_address(struct psc_kernel *k, uint64_t va, uint64_t base)
{
	uint8_t buf[PSC_KDBG_MAX];
	size_t n = psc_mem_read(k->probe, va, buf, sizeof(buf), NULL);
	size_t size = psc_kdbg_check(k, buf, n, base);

	if (!size)
		return false;
	if (n < PSC_MIN(size, sizeof(buf)))
		psc_kernel_add_note(k, "the debugger data block at 0x%" PRIx64
				    " is cut after 0x%zx bytes", va, n);
	take(k, buf, PSC_MIN(n, size), va);
	return true;
}

void psc_kdbg_find(struct psc_kernel *k)
{
	const struct psc_triage *t = psc_dump_triage(k->dump);
	uint64_t at = k->h->kdbg.set ? mask_va(k, k->h->kdbg.v) : 0;

	if (t && t->kdbg) {
		size_t size = psc_kdbg_check(k, t->kdbg, t->kdbg_size, 0);
		if (size) {
			take(k, t->kdbg, PSC_MIN(size, t->kdbg_size), at);
			return;
		}
		psc_kernel_add_note(k, "the debugger data block stored in the "
				    "file is damaged");
	}
	if (at && try_address(k, at, 0))
		return;
	// QEMU: a guest driver leaves a decoded copy there (dump-format 3.1).
	if (try_address(k, k->h->bugcheck_parameter[0], 0))
		psc_kernel_add_note(k, "the debugger data block was taken from "
				    "bug-check parameter 1");
}

// --- search ----------------------------------------------------------------

static bool search_page(struct psc_kernel *k, uint64_t va, const uint8_t *p)
{
	for (unsigned int off = 0; off < PSC_PAGE_SIZE; off += 8) {
		if (psc_le32(p + off) != KDBG_TAG)
			continue;
		if (try_address(k, va + off - KDBG_OWNER_TAG, k->base))
			return true;
	}
	return false;
}

// Readable pages only: holes are skipped by the page tables.
static bool search_span(struct psc_kernel *k, uint64_t start, uint64_t end)
{
	uint8_t scratch[PSC_PAGE_SIZE];
	struct psc_va_range r;
	const uint8_t *p;

	while (psc_mem_next_range(k->probe, &start, end, &r)) {
		if (r.status != PSC_VA_OK)
			continue;
		for (uint64_t va = r.va & ~0xfffull; va < r.va + r.size;
		     va += PSC_PAGE_SIZE) {
			if (psc_mem_page(k->probe, va, scratch, &p) ==
				    PSC_VA_OK && search_page(k, va, p))
				return true;
		}
	}
	return false;
}

#define SECTION_WRITABLE 0x80000000u

static bool search_sections(struct psc_kernel *k)
{
	uint64_t left = SEARCH_MAX;

	for (unsigned int i = 0; i < k->pe.n_sections && left; i++) {
		const struct psc_pe_section *s = &k->pe.section[i];
		uint64_t start = k->base + (s->rva & ~0xfffu);
		uint64_t size = PSC_MIN(s->virtual_size, left);

		if (!(s->flags & SECTION_WRITABLE))
			continue;
		if (search_span(k, start, start + size))
			return true;
		left -= size;
	}
	return false;
}

// Any page of the file: a block names its kernel, whose sections are then
// searched for the block's own address.
static uint64_t deep_base(struct psc_kernel *k)
{
	uint64_t total = psc_dump_pfn_limit(k->dump), pfn = 0;
	uint8_t scratch[PSC_PAGE_SIZE];

	for (; psc_dump_next_page(k->dump, pfn, &pfn); pfn++) {
		const uint8_t *p = psc_dump_page(k->dump, pfn, scratch);
		if (!(pfn & 0xfff))
			psc_progress_update(k->opt.progress, "kernel", pfn,
					    total);
		for (unsigned int off = 0;
		     p && off + KDBG_KERN_BASE + 8 <= PSC_PAGE_SIZE; off += 8) {
			if (!psc_kdbg_check(k, p + off, PSC_PAGE_SIZE - off, 0))
				continue;
			uint64_t base = mask_va(
				k, psc_le64(p + off + KDBG_KERN_BASE));
			if (psc_identity_is_image(k, base))
				return base;
		}
	}
	return 0;
}

void psc_kdbg_search(struct psc_kernel *k)
{
	if (k->kdbg.size)
		return;
	if (!k->base && k->opt.deep && !psc_mem_is_sparse(k->mem)) {
		k->base = deep_base(k);
		if (k->base)
			psc_identity_find(k);
	}
	if (!k->base)
		return;
	bool found = k->has_pe ? search_sections(k)
			       : search_span(k, k->base, k->base + SEARCH_MAX);
	if (found)
		psc_kernel_add_note(k, "the debugger data block was found by "
				    "search at 0x%" PRIx64, k->kdbg.va);
}

// --- encoding --------------------------------------------------------------

uint64_t psc_kdbg_decode_word(uint64_t word, uint64_t never, uint64_t always,
			      uint64_t encoded_va)
{
	uint64_t t = psc_rotl64(word ^ never, never & 0x3f);

	return __builtin_bswap64(t ^ encoded_va) ^ always;
}

static bool read_global(struct psc_kernel *k, const char *name, uint64_t *v)
{
	struct psc_error *err = psc_kernel_global(k, name, 8, v);

	psc_error_free(err);
	return !err;
}

static bool decode_at(struct psc_kernel *k, uint64_t va)
{
	uint64_t never, always, encoded;
	uint8_t buf[PSC_KDBG_MAX];

	struct psc_error *err =
		psc_kernel_symbol(k, "KdpDataBlockEncoded", &encoded);
	psc_error_free(err);
	if (err || !read_global(k, "KiWaitNever", &never) ||
	    !read_global(k, "KiWaitAlways", &always))
		return false;
	size_t n = psc_mem_read(k->probe, va, buf, sizeof(buf), NULL);
	n -= n % 8;
	for (size_t i = 0; i < n; i += 8)
		psc_put64(buf + i, psc_kdbg_decode_word(psc_le64(buf + i),
							never, always,
							encoded));
	size_t size = psc_kdbg_check(k, buf, n, k->base);
	if (size)
		take(k, buf, PSC_MIN(n, size), va);
	return size;
}

static bool decode_by_names(struct psc_kernel *k, uint64_t header_va)
{
	uint64_t va;

	if (header_va && decode_at(k, header_va))
		return true;
	struct psc_error *err =
		psc_kernel_symbol(k, "KdDebuggerDataBlock", &va);
	psc_error_free(err);
	return !err && (try_address(k, va, k->base) || decode_at(k, va));
}

void psc_kdbg_decode(struct psc_kernel *k)
{
	uint64_t va = k->h->kdbg.set ? mask_va(k, k->h->kdbg.v) : 0;
	uint8_t probe;

	if (k->kdbg.size)
		return;
	if (k->sym && decode_by_names(k, va))
		psc_kernel_add_note(k, "the debugger data block at 0x%" PRIx64
				    " was found or decoded with symbols",
				    k->kdbg.va);
	else if (va && psc_mem_read(k->probe, va, &probe, 1, NULL))
		psc_kernel_add_note(k, "the debugger data block at 0x%" PRIx64
				    " is encoded or damaged", va);
	else if (va)
		psc_kernel_add_note(k, "the debugger data block at 0x%" PRIx64
				    " is not in the dump", va);
}

// --- slots -----------------------------------------------------------------

bool psc_kernel_kdbg(const struct psc_kernel *k, unsigned int offset,
		     uint64_t *value)
{
	// In both widths every pointer slot is a u64.
	if (offset % 8 || (uint64_t)offset + 8 > k->kdbg.size)
		return false;
	uint64_t v = mask_va(k, psc_le64(k->kdbg.bytes + offset));
	if (!v)
		return false;
	*value = v;
	return true;
}

uint64_t psc_kernel_kdbg_va(const struct psc_kernel *k)
{
	return k->kdbg.va;
}
