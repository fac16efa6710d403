// SPDX-License-Identifier: MIT
#include "analysis/bugcheck_text.h"

#include <stddef.h>

#include "base/bytes.h"

#define ANY UINT64_MAX
/** The bug check was raised with the "system thread" bit. */
#define CODE_MASK 0x0fffffffu

/** Which parameters (1 to 4) are what; 0 = none. */
struct row {
	uint32_t code;
	uint64_t type;		/**< Value of the parameter that tells. */
	uint8_t type_in;	/**< Its number. */
	const char *meaning;
	const char *p[4];
	uint8_t place[2];	/**< Addresses of headers. */
	uint8_t back;		/**< Header lies that far before the first. */
	uint8_t found, expected;
};

static const struct row rows[] = {
	// 0x19 BAD_POOL_HEADER (pool 8.1).
	{ 0x19, 2, 1, "special pool: a block's owner wrote outside it",
	  { NULL, "pool entry", "size of the block" }, { 2 }, 0, 0, 0 },
	{ 0x19, 3, 1, "the links of a free list disagree",
	  { NULL, "list entry", "what the next entry says is before it",
	    "what the previous entry says is behind it" }, { 2 }, 0x10, 3, 2 },
	{ 0x19, 5, 1, "two headers side by side contradict each other",
	  { NULL, "one neighbour", NULL, "the other" }, { 2, 4 }, 0, 0, 0 },
	{ 0x19, 6, 1, "a header's PreviousSize is too large",
	  { NULL, "header", "header" }, { 2, 3 }, 0, 0, 0 },
	{ 0x19, 7, 1, "a header's size is corrupt",
	  { NULL, "header", "header" }, { 2, 3 }, 0, 0, 0 },
	{ 0x19, 8, 1, "a header's size is 0",
	  { NULL, NULL, NULL, "bad entry" }, { 4 }, 0, 0, 0 },
	{ 0x19, 9, 1, "a header's size is too large",
	  { NULL, "header" }, { 2 }, 0, 0, 0 },
	{ 0x19, 0xa, 1, "an entry that should be in a page is not found there",
	  { NULL, "expected entry", "address in the page" }, { 2 }, 0, 0, 0 },
	{ 0x19, 0xd, 1, "the mark of a block on the pending-free list was "
	  "overwritten", { NULL, "header", "found", "expected" }, { 2 }, 0, 3,
	  4 },
	{ 0x19, 0xe, 1, "the mark of a block on a lookaside was overwritten",
	  { NULL, "header", "found", "expected" }, { 2 }, 0, 3, 4 },
	{ 0x19, 0xf, 1, "the mark of a cached block was overwritten",
	  { NULL, "header", "found", "expected" }, { 2 }, 0, 0, 0 },
	{ 0x19, 0x20, 1, "the next header's PreviousSize is not this one's "
	  "size", { NULL, "header checked", "next header",
		    "first word of the header" }, { 2, 3 }, 0, 0, 0 },
	{ 0x19, 0x21, 1, "the mark behind a big allocation is not its size",
	  { NULL, "block", "stored size", "found at its tail" }, { 2 }, 0, 4,
	  3 },
	{ 0x19, 0x22, 1, "an address being freed is in no table",
	  { NULL, "address", "pool type" }, { 2 }, 0, 0, 0 },
	{ 0x19, 0x23, 1, "a block of a free list has the wrong PoolIndex",
	  { NULL, "found", "expected", "header" }, { 4 }, 0, 2, 3 },
	{ 0x19, 0x24, 1, "the PoolIndex of a Frag header is illegal",
	  { NULL, "index", "limit", "header" }, { 4 }, 0, 0, 0 },
	{ 0x19, 0x25, 1, "the PoolIndex of a block being freed is illegal",
	  { NULL, "index", "limit", "header" }, { 4 }, 0, 0, 0 },
	{ 0x19, ANY, 1, "a pool header is corrupt",
	  { "kind of violation", "address", "value", "value" }, { 2 }, 0, 0,
	  0 },
	// 0xC2 BAD_POOL_CALLER (pool 8.2).
	{ 0xc2, 0, 1, "an allocation of no bytes, or an address that no heap "
	  "owns", { NULL, NULL, "address" }, { 3 }, 0, 0, 0 },
	{ 0xc2, 1, 1, "a block being freed has a corrupt header",
	  { NULL, "header", "first part of its contents" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 2, 1, "a block being freed has a corrupt header",
	  { NULL, "header", "first part of its contents" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 4, 1, "a block being freed has a corrupt header",
	  { NULL, "header", "first part of its contents" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 6, 1, "a block was freed twice",
	  { NULL, NULL, "header", "its contents" }, { 3 }, 0, 0, 0 },
	{ 0xc2, 7, 1, "a block was freed twice",
	  { NULL, "tag", "header or its contents", "address" }, { 3, 4 }, 0, 0,
	  0 },
	{ 0xc2, 8, 1, "an allocation at an IRQL that is too high",
	  { NULL, "IRQL", "pool type", "bytes" }, { 0 }, 0, 0, 0 },
	{ 0xc2, 9, 1, "a free at an IRQL that is too high",
	  { NULL, "IRQL", "pool type", "address" }, { 4 }, 0, 0, 0 },
	{ 0xc2, 0xa, 1, "a free under another tag than the allocation's",
	  { NULL, "address", "tag of the block", "tag given" }, { 2 }, 0, 0,
	  0 },
	{ 0xc2, 0xb, 1, "the header of an aligned block is not in use",
	  { NULL, "address", NULL, "expected" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 0xc, 1, "the process that a block bills is no process",
	  { NULL, "address of the data", "tag", "process" }, { 2 }, 0x10, 0,
	  0 },
	{ 0xc2, 0xd, 1, "the process that a block bills is no process",
	  { NULL, "address of the data", "tag", "process" }, { 2 }, 0x10, 0,
	  0 },
	{ 0xc2, 0x10, 1, "the offset in an aligned block's second header is "
	  "wrong", { NULL, "address", NULL, "expected" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 0x11, 1, "the pointer to an aligned block's second header is "
	  "wrong", { NULL, "address", NULL, "expected" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 0x40, 1, "a user-mode address was freed to the pool",
	  { NULL, "address" }, { 0 }, 0, 0, 0 },
	{ 0xc2, 0x46, 1, "an address that the pool never gave out was freed",
	  { NULL, "address" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 0x47, 1, "a nonpaged address that is not allocated was freed",
	  { NULL, "address" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 0x48, 1, "a paged address that is not allocated was freed",
	  { NULL, "address" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 0x62, 1, "the fill behind a contiguous allocation was changed",
	  { NULL, "block", "address", "pattern" }, { 3 }, 0, 0, 0 },
	{ 0xc2, 0x99, 1, "a free of an invalid address or of a block with a "
	  "corrupt header", { NULL, "address" }, { 2 }, 0, 0, 0 },
	{ 0xc2, 0x9b, 1, "an allocation under the tag 0",
	  { NULL, "pool type", "bytes", "caller" }, { 0 }, 0, 0, 0 },
	{ 0xc2, 0x9d, 1, "an allocation under a tag without letters or digits",
	  { NULL, "pool type", "bytes", "caller" }, { 0 }, 0, 0, 0 },
	{ 0xc2, 0x41286, 1, "a paged address in the middle of a block was "
	  "freed", { NULL, "address" }, { 2 }, 0, 0, 0 },
	{ 0xc2, ANY, 1, "a driver used the pool wrongly",
	  { "kind of violation", "address or value", "value", "value" },
	  { 2 }, 0, 0, 0 },
	// Special pool and page allocator (pool 8.4).
	{ 0xc1, 0x23, 4, "special pool: the fill beside a block was changed",
	  { "block freed", "first changed byte", "bytes of the block" },
	  { 1 }, 0, 0, 0 },
	{ 0xc1, 0x24, 4, "special pool: the fill beside a block was changed",
	  { "block freed", "first changed byte", "bytes of the block" },
	  { 1 }, 0, 0, 0 },
	{ 0xc1, ANY, 4, "special pool: a wrong free or a changed page",
	  { "address", "start or address", "size or pool type",
	    "kind of violation" }, { 1 }, 0, 0, 0 },
	{ 0xc5, ANY, 1, "a fault inside the pool's code that handles blocks: "
	  "a header or list was overwritten before",
	  { "memory referenced", "IRQL", "0 read, 1 write", "instruction" },
	  { 1 }, 0, 0, 0 },
	{ 0xd0, ANY, 1, "a fault inside the pool's code that handles pages: "
	  "its structures were overwritten before",
	  { "memory referenced", "IRQL", "0 read, 1 write", "instruction" },
	  { 1 }, 0, 0, 0 },
	{ 0xcc, ANY, 1, "special pool: a freed block was used",
	  { "address", "0 read, 1 write", "instruction" }, { 1 }, 0, 0, 0 },
	{ 0xd5, ANY, 1, "special pool: a driver used a freed block",
	  { "address", "0 read, 1 write", "instruction" }, { 1 }, 0, 0, 0 },
	{ 0xcd, ANY, 1, "special pool: access past the end of a block",
	  { "address", "0 read, 1 write", "instruction" }, { 1 }, 0, 0, 0 },
	{ 0xd6, ANY, 1, "special pool: a driver's access past the end of a "
	  "block", { "address", "0 read, 1 write", "instruction" }, { 1 }, 0,
	  0, 0 },
	{ 0xc6, ANY, 1, "a driver wrote to freed pool",
	  { "address", "0 read, 1 write", "previous mode" }, { 1 }, 0, 0, 0 },
	{ 0x1a, 0x5100, 1, "a bitmap of allocated pages contradicts the state "
	  "of the pages: they were freed twice", { NULL }, { 0 }, 0, 0, 0 },
	{ 0x1a, 0x5200, 1, "the mark of a cached free page was overwritten",
	  { NULL, "page", "found", "expected" }, { 2 }, 0, 3, 4 },
	{ 0x1a, 0x41792, 1, "a page-table entry is damaged: often one bit of "
	  "bad memory", { NULL, "entry", "its value" }, { 0 }, 0, 0, 0 },
	{ 0xc4, 0x10, 1, "a free of an address that the pool never gave out",
	  { NULL, "address" }, { 2 }, 0, 0, 0 },
	{ 0xc4, 0x13, 1, "a block was freed twice",
	  { NULL, NULL, "header", "its contents" }, { 3 }, 0, 0, 0 },
	{ 0xc4, 0x14, 1, "a block was freed twice",
	  { NULL, NULL, "header", "its contents" }, { 3 }, 0, 0, 0 },
	{ 0xc4, 0x16, 1, "a free of a bad address",
	  { NULL, NULL, "address" }, { 3 }, 0, 0, 0 },
	{ 0xc4, 0x51, 1, "the verifier's record of a block was overwritten: a "
	  "write past its end", { NULL, "block", "record", "bytes charged" },
	  { 2 }, 0x10, 0, 0 },
	{ 0xc4, 0x52, 1, "the verifier's record of a block was overwritten: a "
	  "write past its end", { NULL, "block", "record", "bytes charged" },
	  { 2 }, 0x10, 0, 0 },
	{ 0xc4, 0x53, 1, "the verifier's record of a block was overwritten: a "
	  "write past its end", { NULL, "block", "record", "bytes charged" },
	  { 2 }, 0x10, 0, 0 },
	{ 0xc4, 0x60, 1, "a driver unloaded without freeing its pool",
	  { NULL, "paged bytes", "nonpaged bytes", "blocks" }, { 0 }, 0, 0,
	  0 },
	{ 0xc4, 0x62, 1, "a driver unloaded without freeing its pool",
	  { NULL, "driver's name", NULL, "blocks" }, { 0 }, 0, 0, 0 },
	{ 0x139, 3, 1, "the links of a list disagree",
	  { NULL, "trap frame", "exception record" }, { 0 }, 0, 0, 0 },
	{ 0x41, ANY, 1, "the nonpaged pool is empty",
	  { "bytes asked for", "nonpaged pages in use", "larger requests",
	    "pages available" }, { 0 }, 0, 0, 0 },
	{ 0x21, ANY, 1, "more quota was returned than charged", { NULL },
	  { 0 }, 0, 0, 0 },
	{ 0x13a, ANY, 1, "a kernel heap is corrupt",
	  { "kind of failure", "heap", "address of the error" }, { 3 }, 0, 0,
	  0 },
};

/** _HEAP_FAILURE_TYPE of 17763 and later (pool 8.3). */
static const char *const failures[] = {
	"internal", "unknown", "generic", "a heap entry is corrupt",
	"several heap entries are corrupt", "a large block is corrupt",
	"a buffer was overrun", "a buffer was underrun",
	"a block being freed is not in use", "an invalid argument was given",
	"an invalid kind of allocation", "a freed block was used",
	"a block belongs to another heap", "the free lists are corrupt",
	"a list entry is corrupt", "a bitmap of small blocks is wrong",
	"a segment's bitmap of small blocks is wrong",
	"a small block was freed twice", "a subsegment's header is corrupt",
	"no heap was given", "the allocation limit was reached",
	"the commit limit was reached", "an address that no heap owns",
};

/** First build whose numbers these are; older ones lack 0xA (pool 8.3). */
#define NEW_FAILURES 17763u

static const char *failure(uint64_t type, uint32_t family)
{
	if (family && family < NEW_FAILURES && type >= 0xa) {
		if (type == 0x11)
			return failures[0x12];
		type++;
	}
	return type < PSC_ARRAY_SIZE(failures) ? failures[type] : NULL;
}

static const struct row *find(uint32_t code, const uint64_t p[4])
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (r->code == code &&
		    (r->type == ANY || r->type == p[r->type_in - 1]))
			return r;
	}
	return NULL;
}

bool psc_bugcheck_explain(uint32_t code, const uint64_t p[4], uint32_t family,
			  struct psc_bugcheck_text *ret)
{
	const struct row *r = find(code & CODE_MASK, p);

	if (!r)
		return false;
	struct psc_bugcheck_text t = { .meaning = r->meaning };
	for (unsigned int i = 0; i < 4; i++)
		t.parameter[i] = r->p[i];
	t.parameter[r->type_in - 1] = "kind of violation";
	if (r->type == ANY && r->code != 0x19 && r->code != 0xc2 &&
	    r->code != 0xc1)
		t.parameter[r->type_in - 1] = r->p[r->type_in - 1];
	if (r->code == 0x13a && failure(p[0], family))
		t.meaning = failure(p[0], family);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t va = r->place[i] ? p[r->place[i] - 1] : 0;

		if (va >> 47 == 0x1ffff)
			t.place[t.n_places++] = va - (i ? 0 : r->back);
	}
	if (r->found) {
		t.has_pair = true;
		t.found = p[r->found - 1];
		t.expected = p[r->expected - 1];
		t.has_second = r->code == 0x19 && r->type == 3;
		t.second_found = p[3];
	}
	*ret = t;
	return true;
}
