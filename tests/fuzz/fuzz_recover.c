// SPDX-License-Identifier: MIT
// A kernel that recovery finds, damaged by records {u16 page, u16 offset, u8
// length, bytes}; page 0xffff is the debugger block.
#include "../kernel/recover_world.h"
#include "fuzz.h"

static void damage(struct world *w, const uint8_t *p, size_t n)
{
	while (n >= 5) {
		size_t page = psc_le16(p), off = psc_le16(p + 2);
		size_t len = PSC_MIN(p[4], n - 5);
		uint8_t *to = page == 0xffff ? w->kdbg
			: w->machine.page[page % w->machine.n];
		size_t room = page == 0xffff ? sizeof(w->kdbg) : PSC_PAGE_SIZE;

		off %= room;
		memcpy(to + off, p + 5, PSC_MIN(len, room - off));
		p += 5 + len;
		n -= 5 + len;
	}
}

static void use(struct psc_recovered *r)
{
	static const char *const paths[] = {
		"_MI_PARTITION.Vp.TotalCommittedPages",
		"_MI_SYSTEM_INFORMATION.Vs.DriverCommit",
		"_SEGMENT_HEAP.MemStats.TotalCommittedPages",
		"_EPROCESS.CommitCharge", "_POOL_TRACKER_TABLE.PagedBytes",
	};

	for (size_t i = 0; i < PSC_ARRAY_SIZE(paths); i++) {
		struct psc_field f;
		psc_error_free(psc_sym_field(r->sym, paths[i], &f));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w;
	struct psc_recovered *r;

	make_world(&w);
	damage(&w, data, size);
	struct psc_recover_input in = {
		.mem = w.mem, .pe = &w.pe, .base = BASE, .size = SIZE,
		.kdbg = w.kdbg, .kdbg_size = sizeof(w.kdbg), .arch = "x64",
		.family = 19041, .processors = CPUS,
	};
	psc_builtin_hide(TRUE_VERSION, 3000);	// a few layouts are enough
	struct psc_error *err = psc_recover(&in, &r);
	psc_builtin_hide(NULL, 0);
	if (!err) {
		use(r);
		psc_sym_free(r->sym);
		psc_recovered_free(r);
	}
	psc_error_free(err);
	free_world(&w);
	return 0;
}
