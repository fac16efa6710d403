// SPDX-License-Identifier: MIT
// Corrupted headers: which, how, whose fault. Quiet when there are none.
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "render/text.h"

static void suspect(const struct text *t, const struct psc_value *s)
{
	const char *module = psc_get_str(s, "module");
	uint64_t va = 0;
	uint32_t tag = 0;
	char text[5];

	if (!psc_get_hex(s, "address", &va))
		return;
	psc_get_tag(s, "tag", &tag);
	psc_tag_debugger(tag, text);
	text_fact(t, "suspect", "block of tag %s at %016" PRIx64 "%s%s", text,
		  va, module ? ", by " : "", module ? module : "");
}

static void damage(const struct text *t, const struct psc_value *d)
{
	const struct psc_value *list = psc_get(d, "evidence");
	const char *severity = text_str(d, "severity");
	bool corrupt = strcmp(severity, "corrupt") == 0;
	uint64_t va = 0;
	uint32_t tag;
	char text[5] = "";

	psc_get_hex(d, "address", &va);
	text_styled(t, corrupt ? TEXT_CRITICAL : TEXT_WARNING, "%s", severity);
	fprintf(t->out, "  rule %s at %016" PRIx64 " in %s pool",
		text_str(d, "rule"), va, text_str(d, "pool"));
	if (psc_get_tag(d, "tag", &tag)) {
		psc_tag_debugger(tag, text);
		fprintf(t->out, ", tag %s", text);
	}
	fputc('\n', t->out);
	text_fact(t, "cause", "%s (confidence %s)", text_str(d, "cause"),
		  text_str(d, "confidence"));
	suspect(t, psc_get(d, "suspect"));
	for (size_t i = 0; i < psc_count(list); i++)
		fprintf(t->out, "    %s\n",
			psc_value_str(psc_at(list, i, NULL)));
	fputc('\n', t->out);
}

void text_view_check(const struct text *t)
{
	const struct psc_value *list = psc_get(t->root, "corruption");
	const struct psc_value *findings = psc_get(t->root, "findings");

	for (size_t i = 0; i < psc_count(findings); i++) {
		const struct psc_value *f = psc_at(findings, i, NULL);

		if (strcmp(text_str(f, "code"), "pool-corrupt") == 0 ||
		    strcmp(text_str(f, "code"), "misread") == 0)
			fprintf(t->out, "%s\n\n", text_str(f, "text"));
	}
	for (size_t i = 0; i < psc_count(list); i++)
		damage(t, psc_at(list, i, NULL));
}
