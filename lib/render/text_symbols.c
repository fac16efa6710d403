// SPDX-License-Identifier: MIT
// Which symbols each image asks for, where they were looked for, what was
// found.
#include <inttypes.h>
#include <string.h>

#include "render/text.h"

static void draw_wanted(const struct text *t, const struct psc_value *m)
{
	uint64_t age = 0;

	if (psc_get_str(m, "pdb.name")) {
		psc_get_uint(m, "pdb.age", &age);
		fprintf(t->out, "  asks for  %s, %s, age %" PRIu64 "\n",
			psc_get_str(m, "pdb.name"),
			psc_get_str(m, "pdb.guid"), age);
	} else {
		fprintf(t->out, "  asks for  a PDB whose identity is not in "
			"the dump\n");
	}
}

static void draw_found(const struct text *t, const struct psc_value *m)
{
	const char *what = psc_get_str(m, "what");
	const char *file = psc_get_str(m, "file");
	const char *store = psc_get_str(m, "store_path");

	if (what) {
		fprintf(t->out, "  uses      %s%s%s\n", what,
			file ? ", " : "", file ? file : "");
		return;
	}
	text_styled(t, TEXT_WARNING, "  uses      nothing\n");
	if (store)
		fprintf(t->out, "  put it at FOLDER/%s and name FOLDER with "
			"--symbols\n", store);
	if (psc_get_str(m, "image_path"))
		fprintf(t->out, "  image     %s\n",
			psc_get_str(m, "image_path"));
}

static void draw_image(const struct text *t, const struct psc_value *m)
{
	const struct psc_value *log = psc_get(m, "looked_at");

	text_styled(t, TEXT_HEADING, "%s\n", text_str(m, "module"));
	draw_wanted(t, m);
	for (size_t i = 0; i < psc_count(log); i++) {
		const struct psc_value *row = psc_at(log, i, NULL);
		fprintf(t->out, "  looked at %s: %s\n",
			psc_get_str(row, "place"),
			psc_get_str(row, "result"));
	}
	draw_found(t, m);
	if (!psc_get_str(m, "what"))
		fprintf(t->out, "  needed by %s\n", text_str(m, "figures"));
}

void text_view_symbols(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "symbol_search");

	for (size_t i = 0; i < psc_count(list); i++) {
		if (i)
			fputc('\n', t->out);
		draw_image(t, psc_at(list, i, NULL));
	}
	text_missing(t);
}
