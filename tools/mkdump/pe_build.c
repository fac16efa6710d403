// SPDX-License-Identifier: MIT
/** @file
 * PE32+ headers and directories (dump-format 5.3; the PE/COFF format).
 */
#include "pe_build.h"

#include <stdio.h>
#include <string.h>

#define NT_AT 0xf0u		// e_lfanew
#define OPTIONAL_BYTES 0xf0u

void mk_pe_section(struct mk_pe *pe, const char *name, uint32_t rva,
		   uint32_t size, uint32_t flags)
{
	struct mk_pe_sec *s = &pe->sec[pe->n_sec++];

	snprintf(s->name, sizeof(s->name), "%s", name);
	s->rva = rva;
	s->size = size;
	s->flags = flags;
}

void mk_pe_debug(struct mk *m, struct mk_pe *pe, uint32_t rva,
		 const struct psc_pdb_id *id)
{
	uint8_t dir[2 * 28] = {0}, rsds[24 + sizeof(id->name)] = "RSDS";
	size_t bytes = 24 + strlen(id->name) + 1;

	// Two entries, CodeView second: a reader walks all of them.
	psc_put32(dir + 4, pe->timestamp);
	psc_put32(dir + 12, 13);			// Type: POGO
	psc_put32(dir + 28 + 4, pe->timestamp);
	psc_put32(dir + 28 + 12, 2);			// Type: CodeView
	psc_put32(dir + 28 + 16, (uint32_t)bytes);	// SizeOfData
	psc_put32(dir + 28 + 20, rva + sizeof(dir));	// AddressOfRawData
	memcpy(rsds + 4, id->guid, 16);
	psc_put32(rsds + 20, id->age);
	memcpy(rsds + 24, id->name, strlen(id->name));
	mk_write(m, pe->base + rva, dir, sizeof(dir));
	mk_write(m, pe->base + rva + sizeof(dir), rsds, bytes);
	pe->dir[6][0] = rva;
	pe->dir[6][1] = sizeof(dir);
}

void mk_pe_exports(struct mk *m, struct mk_pe *pe, uint32_t rva,
		   const char *dll, const struct mk_export *v, size_t n)
{
	uint32_t functions = rva + 40, names = functions + (uint32_t)n * 4;
	uint32_t ordinals = names + (uint32_t)n * 4;
	uint32_t text = ordinals + (uint32_t)n * 2;
	uint8_t dir[40] = {0};

	psc_put32(dir + 4, pe->timestamp);
	psc_put32(dir + 12, text);
	psc_put32(dir + 16, 1);				// Base
	psc_put32(dir + 20, (uint32_t)n);		// NumberOfFunctions
	psc_put32(dir + 24, (uint32_t)n);		// NumberOfNames
	psc_put32(dir + 28, functions);
	psc_put32(dir + 32, names);
	psc_put32(dir + 36, ordinals);
	mk_write(m, pe->base + rva, dir, sizeof(dir));
	mk_write(m, pe->base + text, dll, strlen(dll) + 1);
	text += (uint32_t)strlen(dll) + 1;
	for (uint32_t i = 0; i < n; i++) {
		mk_write32(m, pe->base + functions + i * 4, v[i].rva);
		mk_write32(m, pe->base + names + i * 4, text);
		mk_write_uint(m, pe->base + ordinals + i * 2, i, 2);
		mk_write(m, pe->base + text, v[i].name, strlen(v[i].name) + 1);
		text += (uint32_t)strlen(v[i].name) + 1;
	}
	pe->dir[0][0] = rva;
	pe->dir[0][1] = text - rva;
}

static void optional_header(const struct mk_pe *pe, uint8_t *o)
{
	psc_put16(o + 0, 0x20b);			// Magic: PE32+
	psc_put32(o + 4, pe->n_sec ? pe->sec[0].size : 0);
	psc_put32(o + 16, pe->entry);
	psc_put32(o + 20, 0x1000);			// BaseOfCode
	psc_put64(o + 24, pe->base);			// ImageBase
	psc_put32(o + 32, 0x1000);			// SectionAlignment
	psc_put32(o + 36, 0x200);			// FileAlignment
	psc_put16(o + 40, pe->os_major);
	psc_put16(o + 42, pe->os_minor);
	psc_put16(o + 48, pe->os_major);		// Subsystem version
	psc_put16(o + 50, pe->os_minor);
	psc_put32(o + 56, pe->size);			// SizeOfImage
	psc_put32(o + 60, 0x400);			// SizeOfHeaders
	psc_put32(o + 64, pe->checksum);
	psc_put16(o + 68, 1);				// Subsystem: native
	psc_put64(o + 72, 0x40000);			// stack and heap sizes
	psc_put64(o + 80, 0x1000);
	psc_put64(o + 88, 0x100000);
	psc_put64(o + 96, 0x1000);
	psc_put32(o + 108, 16);				// NumberOfRvaAndSizes
	for (int i = 0; i < 16; i++) {
		psc_put32(o + 112 + i * 8, pe->dir[i][0]);
		psc_put32(o + 116 + i * 8, pe->dir[i][1]);
	}
}

static void section_header(const struct mk_pe_sec *s, uint8_t *p)
{
	memcpy(p, s->name, 8);
	psc_put32(p + 8, s->size);			// VirtualSize
	psc_put32(p + 12, s->rva);
	psc_put32(p + 16, (s->size + 0x1ff) & ~0x1ffu);	// SizeOfRawData
	psc_put32(p + 20, s->rva);			// PointerToRawData
	psc_put32(p + 36, s->flags);
}

void mk_pe_headers(struct mk *m, const struct mk_pe *pe)
{
	uint8_t h[0x400] = "MZ";
	uint8_t *nt = h + NT_AT;

	psc_put32(h + 0x3c, NT_AT);
	memcpy(nt, "PE\0\0", 4);
	psc_put16(nt + 4, 0x8664);			// Machine
	psc_put16(nt + 6, (uint16_t)pe->n_sec);
	psc_put32(nt + 8, pe->timestamp);
	psc_put16(nt + 20, OPTIONAL_BYTES);
	psc_put16(nt + 22, 0x22);	// executable, large addresses
	optional_header(pe, nt + 24);
	for (unsigned int i = 0; i < pe->n_sec; i++)
		section_header(&pe->sec[i], nt + 24 + OPTIONAL_BYTES + i * 40);
	mk_write(m, pe->base, h, sizeof(h));
}
