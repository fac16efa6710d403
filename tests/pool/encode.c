// SPDX-License-Identifier: MIT
#include "encode.h"

#include <string.h>

static void put(uint8_t *p, uint64_t v, unsigned int bytes)
{
	memcpy(p, &v, bytes);
}

static uint64_t get(const uint8_t *p, unsigned int bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, bytes);
	return v;
}

void enc_header(uint8_t *p, unsigned int previous, unsigned int index,
		unsigned int size, unsigned int type, uint32_t tag,
		uint64_t billed)
{
	p[0] = (uint8_t)previous;
	p[1] = (uint8_t)index;
	p[2] = (uint8_t)size;
	p[3] = (uint8_t)type;
	put(p + 4, tag, 4);
	put(p + 8, billed, 8);
}

void enc_header32(uint8_t *p, unsigned int previous, unsigned int index,
		  unsigned int size, unsigned int type, uint32_t tag)
{
	put(p, previous | index << 9 | size << 16 | type << 25, 4);
	put(p + 4, tag, 4);
}

void enc_chunk(uint8_t *p, uint64_t va, unsigned int units,
	       unsigned int previous, int allocated, unsigned int cost,
	       unsigned int page, int has_slack)
{
	uint8_t plain[8] = {
		(uint8_t)cost, (uint8_t)(cost >> 8), (uint8_t)units,
		(uint8_t)(units >> 8), (uint8_t)previous,
		(uint8_t)(previous >> 8), (uint8_t)allocated, 0,
	};

	for (unsigned int i = 0; i < 8; i++)
		p[i] = (uint8_t)(plain[i] ^ (uint8_t)(HEAP_KEY >> (8 * i)) ^
				 (uint8_t)(va >> (8 * i)));
	if (allocated)
		put(p + 8, (page ^ ((va ^ HEAP_KEY) & 0xff)) |
			   (has_slack ? 0x100u : 0), 4);
}

void enc_vs_begin(struct enc_vs *e, uint8_t *p, uint64_t va,
		  unsigned int pages)
{
	unsigned int size = (pages * 0x1000 - 0x30) / 16;

	*e = (struct enc_vs){ .p = p, .va = va, .pages = pages, .off = 0x30 };
	put(p, (va + 0x100000) ^ va, 8);
	put(p + 8, (va - 0x100000) ^ va, 8);
	put(p + 0x10, UINT64_MAX, 8);
	put(p + 0x20, size, 2);
	put(p + 0x22, ((size ^ 0x2bed) & 0x7fff) | 0x8000, 2);
}

uint64_t enc_vs_alloc(struct enc_vs *e, unsigned int bytes, unsigned int type,
		      uint32_t tag)
{
	unsigned int units = bytes / 16 + 1, at = e->off + 0x10;

	// A block that would cross a page: a free chunk up to FE0, from where
	// it moves to the next page's start.
	if ((at & 0xfff) + bytes > 0x1000) {
		unsigned int fill = ((at - 0x10) | 0xfff) + 1 - 0x20;

		if (fill != e->off)
			enc_vs_free(e, (fill - e->off) / 16);
		at = e->off + 0x20;
		units++;
	}
	enc_chunk(e->p + e->off, e->va + e->off, units, e->previous, 1, 0,
		  e->off >> 12, 0);
	enc_header(e->p + at, 0, 0x5a, bytes / 16, type, tag,
		   UINT64_C(0x4444444444444444));
	e->off += units * 16;
	e->previous = units;
	e->last_free = 0;
	return e->va + at;
}

void enc_vs_free(struct enc_vs *e, unsigned int units)
{
	if (e->last_free) {	// free neighbours merge
		units += e->previous;
		e->off -= e->previous * 16;
		e->previous = e->before_free;
	}
	unsigned int last = e->off + units * 16 - 1;

	e->before_free = e->previous;
	e->last_free = 1;
	enc_chunk(e->p + e->off, e->va + e->off, units, e->previous, 0,
		  (last >> 12) - (e->off >> 12), 0, 0);
	e->off += units * 16;
	e->previous = units;
}

void enc_vs_end(struct enc_vs *e)
{
	unsigned int left = (e->pages * 0x1000 - e->off) / 16;

	if (left)
		enc_vs_free(e, left);
}

static unsigned int round_up(unsigned int v, unsigned int to)
{
	return (v + to - 1) / to * to;
}

unsigned int enc_lfh(uint8_t *p, uint64_t va, unsigned int pages,
		     unsigned int block_bytes)
{
	unsigned int n = pages * 0x1000 / block_bytes, first = 0, commit = 0;
	int power = !(block_bytes & (block_bytes - 1));

	for (;; n--) {		// the largest n that fits its own bitmap
		commit = 0x30 + 8 * ((2 * n + 63) / 64);
		first = round_up(commit + 2 * pages,
				 power && pages > 1 ? block_bytes : 16);
		if (first + n * block_bytes <= pages * 0x1000)
			break;
	}
	memset(p + 0x30, 0xff, commit - 0x30);
	unsigned int withheld = 0;
	for (unsigned int i = 0; i < n; i++) {
		unsigned int off = first + i * block_bytes;

		if ((off & 0xfff) + block_bytes > 0x1000) {
			p[0x30 + i / 4] &= (uint8_t)~(2u << i % 4 * 2);
			withheld++;
		} else {
			p[0x30 + i / 4] &= (uint8_t)~(3u << i % 4 * 2);
		}
	}
	put(p, UINT64_C(0xffffa00000001000), 8);
	put(p + 8, UINT64_C(0xffffa00000002000), 8);
	put(p + 0x10, UINT64_C(0xffffa00000003000), 8);
	put(p + 0x20, n - withheld, 2);
	put(p + 0x22, n - withheld, 2);
	p[0x27] = (uint8_t)withheld;
	put(p + 0x28, (first << 16 | block_bytes) ^ (uint32_t)LFH_KEY ^
		      (uint32_t)va >> 12, 4);
	p[0x2c] = 12;
	p[0x2d] = (uint8_t)pages;
	put(p + 0x2e, commit, 2);
	for (unsigned int i = 0; i < pages; i++)
		put(p + commit + 2 * i, i ? 0 : 1, 2);
	return n;
}

uint64_t enc_lfh_alloc(uint8_t *p, uint64_t va, unsigned int i,
		       unsigned int type, uint32_t tag)
{
	uint32_t plain = (uint32_t)get(p + 0x28, 4) ^ (uint32_t)LFH_KEY ^
			 (uint32_t)va >> 12;
	unsigned int size = plain & 0xffff, off = (plain >> 16) + i * size;
	unsigned int commit = (unsigned int)get(p + 0x2e, 2) + off / 0x1000 * 2;

	p[0x30 + i / 4] |= (uint8_t)(1u << i % 4 * 2);
	put(p + 0x20, get(p + 0x20, 2) - 1, 2);
	put(p + commit, get(p + commit, 2) + 1, 2);
	enc_header(p + off, 0, 0x33, size / 16, type, tag,
		   UINT64_C(0x7777777777777777));
	return va + off;
}
