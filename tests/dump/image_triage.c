// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/bytes.h"
#include "image.h"

uint64_t triage_va(bool is64, uint32_t va)
{
	return is64 ? UINT64_C(0xfffff80000000000) + va : va;
}

// A pointer of the target's width.
static size_t put_ptr(struct image *m, size_t at, uint32_t va)
{
	bool is64 = m->hdr == 0x2000;
	uint64_t v = triage_va(is64, va);

	image_bytes(m, at, &v, is64 ? 8 : 4);
	return at + (is64 ? 8 : 4);
}

static void put_header(struct image *m)
{
	bool is64 = m->hdr == 0x2000;
	size_t at = m->hdr;
	static const uint32_t fields[] = {
		0, TRIAGE_END, TRIAGE_END - 4, 0x348, 0xf00, TRIAGE_MM,
		TRIAGE_UNLOADED, TRIAGE_PRCB, TRIAGE_PROCESS, TRIAGE_THREAD,
		TRIAGE_STACK, 0x100, TRIAGE_DRIVERS, 2, TRIAGE_STRINGS, 0x100,
		0, UINT32_MAX,
	};
	for (size_t i = 0; i < PSC_ARRAY_SIZE(fields); i++)
		image_put32(m, at + 4 * i, fields[i]);
	put_ptr(m, at + 0x48, TRIAGE_VA_STACK);
	at += is64 ? 0x70 : 0x58;
	image_put32(m, at, TRIAGE_KDBG);
	image_put32(m, at + 4, 0x340);
	image_put32(m, at + 8, TRIAGE_BLOCKS);
	image_put32(m, at + 12, 2);
}

// DUMP_MM_STORAGE: counters 1 … 7.
static void put_mm(struct image *m, size_t word)
{
	for (uint64_t i = 0; i < 7; i++) {
		uint64_t v = i + 1;
		image_bytes(m, TRIAGE_MM + 0x18 + i * word, &v, word);
	}
}

static void put_utf16(struct image *m, size_t at, const char *text)
{
	for (; *text; text++, at += 2) {
		m->p[at] = (uint8_t)*text;
		m->p[at + 1] = 0;
	}
}

static void put_string(struct image *m, size_t at, const char *text)
{
	image_put32(m, at, (uint32_t)strlen(text));
	put_utf16(m, at + 4, text);
}

static void put_drivers(struct image *m, bool is64)
{
	static const char *const names[] = { "\\Driver\\ntoskrnl.exe", "b.sys" };
	size_t stride = is64 ? 0x90 : 0x4c, rec = is64 ? 8 : 4;

	for (size_t i = 0; i < 2; i++) {
		size_t at = TRIAGE_DRIVERS + i * stride;
		size_t string = TRIAGE_STRINGS + i * 0x40;
		image_put32(m, at, (uint32_t)string);
		put_ptr(m, at + rec + (is64 ? 0x30 : 0x18),
			0x81000000 + 0x1000000 * (uint32_t)i);
		image_put32(m, at + rec + (is64 ? 0x40 : 0x20),
			    0x6000 + (uint32_t)i);
		image_put32(m, at + rec + (is64 ? 0x78 : 0x40),
			    0xc0de + (uint32_t)i);
		image_put32(m, at + rec + (is64 ? 0x80 : 0x44),
			    0x5a5a0000 + (uint32_t)i);
		put_string(m, string, names[i]);
	}
}

static void put_unloaded(struct image *m, bool is64)
{
	size_t at = TRIAGE_UNLOADED + (is64 ? 8 : 4);

	image_put32(m, TRIAGE_UNLOADED, 1);
	image_put32(m, at, 14);	// Length, MaximumLength follows
	put_utf16(m, at + (is64 ? 0x10 : 8), "old.sys");
	size_t range = at + (is64 ? 0x28 : 0x20);
	range = put_ptr(m, range, 0x87de0000);
	put_ptr(m, range, 0x87dfc000);
}

// Objects of 0x80 bytes; the number of the processor is 3.
static void put_objects(struct image *m)
{
	size_t kdbg = TRIAGE_KDBG;
	static const struct {
		uint16_t slot, v;
	} words[] = {
		{ 0x2a0, 0x10 }, { 0x2a8, TRIAGE_OBJECT_SIZE },
		{ 0x2b0, TRIAGE_OBJECT_SIZE }, { 0x2b4, 0x18 }, { 0x2be, 0x40 },
		{ 0x2c0, TRIAGE_OBJECT_SIZE },
	};
	image_bytes(m, kdbg + 0x10, "KDBG\x40\x03\0\0", 8);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(words); i++)
		image_bytes(m, kdbg + words[i].slot, &words[i].v, 2);
	// Slots are 64 bits wide; 32-bit addresses may be sign-extended.
	image_put64(m, kdbg + 0x218, m->hdr == 0x2000
		    ? triage_va(true, TRIAGE_VA_ARRAY)
		    : UINT64_C(0xffffffff00000000) | TRIAGE_VA_ARRAY);
	put_ptr(m, TRIAGE_PRCB + 0x18, TRIAGE_VA_THREAD);
	image_put32(m, TRIAGE_PRCB + 0x40, 3);
	put_ptr(m, TRIAGE_THREAD + 0x10, TRIAGE_VA_PROCESS);
	image_bytes(m, TRIAGE_PROCESS, "proc", 4);
	image_bytes(m, TRIAGE_STACK, "stack", 5);
}

static void put_blocks(struct image *m)
{
	size_t ptr = m->hdr == 0x2000 ? 8 : 4, at = TRIAGE_BLOCKS;

	at = put_ptr(m, at, TRIAGE_VA_DATA);
	image_put32(m, at, TRIAGE_DATA + 0x80);
	image_put32(m, at + 4, 0x20);
	at = put_ptr(m, at + 8, TRIAGE_VA_ARRAY);
	image_put32(m, at, TRIAGE_DATA);
	image_put32(m, at + 4, (uint32_t)(4 * ptr));
	put_ptr(m, TRIAGE_DATA + 3 * ptr, TRIAGE_VA_PRCB);
	image_bytes(m, TRIAGE_DATA + 0x80, "data", 4);
}

// Two blobs, the first with padding around its data.
static void put_blobs(struct image *m)
{
	size_t at = TRIAGE_END;

	image_bytes(m, at, "DumpBlob\x10\0\0\0\x61\x4a\0\xf0", 16);
	image_resize(m, at + 0x10 + 0x20 + 4 + 5 + 7 + 0x20);
	at += 0x10;
	image_put32(m, at, 0x20);
	image_put32(m, at + 0x14, 5);
	image_put32(m, at + 0x18, 4);
	image_put32(m, at + 0x1c, 7);
	image_put32(m, at + 0x20 + 16, 0x20);
}

struct image image_triage(bool is64)
{
	struct image m = image_new(is64, 4);

	image_resize(&m, TRIAGE_END);
	if (is64)
		image_put64(&m, 0x80, triage_va(true, TRIAGE_VA_KDBG));
	else
		image_put32(&m, 0x60, TRIAGE_VA_KDBG);
	image_put32(&m, is64 ? 0x1038 : 0xf8c, 0xdff);	// MMINFO as well
	put_header(&m);
	put_mm(&m, is64 ? 8 : 4);
	put_unloaded(&m, is64);
	put_drivers(&m, is64);
	put_objects(&m);
	put_blocks(&m);
	image_bytes(&m, TRIAGE_END - 4, "TRGD", 4);
	put_blobs(&m);
	return m;
}
