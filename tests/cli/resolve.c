// SPDX-License-Identifier: MIT
// What `poolscope pool DUMP ADDRESS` says, for many addresses of one dump:
// reads addresses from the standard input, prints for each the block that
// holds it: "address block bytes state pool tag", or "address -".
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "psc/psc.h"
#include "psc/report.h"

static _Noreturn void fail(struct psc_error *err)
{
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static void print_block(const struct psc_value *b, const char *state)
{
	uint64_t va = 0, bytes = 0;
	uint32_t tag = 0;

	psc_get_tag(b, "tag", &tag);
	psc_get_hex(b, "address", &va);
	psc_get_uint(b, "bytes", &bytes);
	printf(" 0x%" PRIx64 " %" PRIu64 " %s %s %08" PRIx32 "\n", va, bytes,
	       state ? state : psc_get_str(b, "state"), psc_get_str(b, "pool"), tag);
}

static void print_here(const struct psc_value *root)
{
	const struct psc_value *list = psc_get(root, "pool.blocks"), *b;
	const struct psc_value *big = psc_get(root, "pool.big");

	if (big) {
		print_block(big, "in-use");
		return;
	}
	for (size_t i = 0; list && (b = psc_at(list, i, NULL)); i++) {
		bool here = false;

		psc_get_bool(b, "here", &here);
		if (here) {
			print_block(b, NULL);
			return;
		}
	}
	printf(" -\n");
}

int main(int argc, char **argv)
{
	struct psc_session *s;
	struct psc_options opt = { 0 };
	struct psc_error *err;
	uint64_t va;

	if (argc != 2)
		return 2;
	if ((err = psc_open(argv[1], &opt, &s)))
		fail(err);
	while (scanf("%" SCNx64, &va) == 1) {
		struct psc_request req = {
			.sections = PSC_SECTION_POOL_AT,
			.required = PSC_SECTION_POOL_AT, .address = va,
		};
		struct psc_report *r;

		if ((err = psc_run(s, &req, &r)))
			fail(err);
		printf("0x%" PRIx64, va);
		print_here(psc_report_root(r));
		psc_report_free(r);
	}
	psc_close(s);
	return 0;
}
