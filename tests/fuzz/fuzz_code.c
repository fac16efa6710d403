// SPDX-License-Identifier: MIT
// PE, .pdata and code of one image through the whole call-site engine, as a
// file and as memory.
#include <stdlib.h>

#include "code/callsites.h"
#include "fuzz.h"

enum { MAX_IMAGE = 1 << 20 };

struct memory {
	const uint8_t *data;
	size_t size;
};

static size_t read_memory(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct memory *m = ctx;
	size_t i = 0;

	for (; i < n && rva + i < m->size; i++)
		((uint8_t *)buf)[i] = m->data[rva + i];
	return i;
}

static unsigned int sum_of(const struct psc_callsites *c)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < c->v[0].n; i++) {
		const struct psc_callsite *s = &c->v[0].v[i];
		char text[PSC_POOL_TYPE_TEXT];

		if (!s->api || s->by > PSC_BY_GLOBAL ||
		    s->why > PSC_WHY_MISSING)
			abort();
		psc_pool_type_text(s->type, s->type_is_flags, text);
		sum += s->tag + (unsigned char)text[0];
	}
	return sum;
}

static void run(struct psc_image_source src, bool memory)
{
	static const uint32_t tag = 0x31616c50;
	struct psc_code_image im = { .name = "fuzz", .src = src,
				     .memory = memory };
	struct psc_code_options opt = { .threads = 1, .index_tags = &tag,
					.n_index_tags = 1 };
	struct psc_callsites *c;
	struct psc_error *err = psc_callsites_find(&im, 1, &opt, &c);

	if (err) {
		psc_error_free(err);
		return;
	}
	fuzz_use(sum_of(c));
	psc_callsites_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory m = { data, size };
	struct psc_pe_file f;
	struct psc_error *err = psc_pe_open_file(data, size, "fuzz", &f);

	// Large images only cost time: their pages are empty.
	if (err || f.pe.image_size > MAX_IMAGE) {
		psc_error_free(err);
		return 0;
	}
	run(f.pe.src, false);
	run((struct psc_image_source){ &m, read_memory }, true);
	return 0;
}
