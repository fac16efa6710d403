// SPDX-License-Identifier: MIT
#include "base/str.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define TAG_PROTECTED 0x80000000u

static bool reserve(struct psc_str *s, size_t more)
{
	size_t want, cap = s->cap ? s->cap : 64;

	if (s->oom || __builtin_add_overflow(s->len + 1, more, &want))
		goto fail;
	if (want <= s->cap)
		return true;
	while (cap < want) {
		if (__builtin_mul_overflow(cap, (size_t)2, &cap))
			goto fail;
	}
	char *grown = realloc(s->s, cap);
	if (!grown)
		goto fail;
	s->s = grown;
	s->cap = cap;
	return true;
fail:
	s->oom = true;
	return false;
}

void psc_str_addn(struct psc_str *s, const char *text, size_t n)
{
	if (!reserve(s, n))
		return;
	memcpy(s->s + s->len, text, n);
	s->len += n;
	s->s[s->len] = '\0';
}

void psc_str_add(struct psc_str *s, const char *text)
{
	psc_str_addn(s, text, strlen(text));
}

void psc_str_addf(struct psc_str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(s, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(s->s + s->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)n;
}

void psc_str_free(struct psc_str *s)
{
	free(s->s);
	*s = (struct psc_str){ 0 };
}

char *psc_str_take(struct psc_str *s)
{
	char *text = s->oom ? NULL : s->s ? s->s : strdup("");

	if (s->oom)
		free(s->s);
	*s = (struct psc_str){ 0 };
	return text;
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

char *psc_utf16_to_utf8(const uint8_t *p, size_t bytes, bool *valid)
{
	size_t units = bytes / 2, o = 0;
	char *out = malloc(units * 3 + 1);
	bool ok = bytes % 2 == 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < units; i++) {
		uint32_t c = psc_le16(p + 2 * i);
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < units) {
			uint32_t low = psc_le16(p + 2 * i + 2);
			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
				i++;
			}
		}
		if (c >= 0xd800 && c < 0xe000) {
			c = 0xfffd;
			ok = false;
		}
		o += put_utf8(out + o, c);
	}
	out[o] = '\0';
	if (valid)
		*valid = ok;
	return out;
}

void psc_tag_text(uint32_t tag, char out[PSC_TAG_TEXT])
{
	size_t o = 0;

	tag &= ~TAG_PROTECTED;
	for (unsigned int i = 0; i < 4; i++) {
		uint8_t c = (uint8_t)(tag >> 8 * i);
		if (c >= 0x20 && c <= 0x7e && c != '\\')
			out[o++] = (char)c;
		else
			o += (size_t)snprintf(out + o, 5, "\\x%02x", c);
	}
	out[o] = '\0';
}

void psc_tag_debugger(uint32_t tag, char out[5])
{
	tag &= ~TAG_PROTECTED;
	for (unsigned int i = 0; i < 4; i++) {
		uint8_t c = (uint8_t)(tag >> 8 * i);
		out[i] = c >= 0x20 && c <= 0x7e ? (char)c : '.';
	}
	out[4] = '\0';
}

bool psc_tag_parse(const char *text, uint32_t *tag)
{
	uint8_t b[4] = { ' ', ' ', ' ', ' ' };
	size_t n = strlen(text);

	if (n == 0 || n > 4)
		return false;
	memcpy(b, text, n);
	*tag = psc_le32(b);
	return true;
}

// Iterative: the only backtrack point that matters is the last '*'.
bool psc_glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

const char *psc_path_base(const char *path)
{
	const char *base = path;

	for (const char *p = path; *p; p++) {
		if (*p == '/' || *p == '\\')
			base = p + 1;
	}
	return base;
}

// Length of the valid UTF-8 sequence at p, 0 if there is none.
static size_t utf8_len(const uint8_t *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf8 ? 0 : p[0] >= 0xf0 ? 4 :
		     p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;

	if (len < 2 || len > n)
		return len == 1;
	uint32_t c = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	return c >= least[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)
		? len : 0;
}

// C0 and C1 controls, and the characters that reorder text: a name must not
// write to the reader's terminal, nor show as another.
static bool is_unsafe(const uint8_t *p, size_t len)
{
	if (len == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (len == 2)		// U+0080 to U+009F
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (len != 3 || p[0] != 0xe2)
		return false;
	// U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069
	return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f ||
				 (p[2] >= 0xaa && p[2] <= 0xae))) ||
	       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

char *psc_text_escape(const char *text, size_t n)
{
	struct psc_str s = { 0 };

	for (size_t i = 0; i < n;) {
		const uint8_t *p = (const uint8_t *)text + i;
		size_t len = utf8_len(p, n - i);
		if (!len || is_unsafe(p, len)) {
			psc_str_addf(&s, "\\x%02x", p[0]);
			i++;
		} else {
			psc_str_addn(&s, text + i, len);
			i += len;
		}
	}
	return psc_str_take(&s);
}

void psc_bytes_text(uint64_t bytes, char out[PSC_BYTES_TEXT])
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB",
					     "EB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1023.5 && u + 1 < PSC_ARRAY_SIZE(units)) {
		v /= 1024;
		u++;
	}
	snprintf(out, PSC_BYTES_TEXT, u && v < 99.95 ? "%.1f %s" : "%.0f %s", v,
		 units[u]);
}

void psc_count_text(uint64_t n, char out[PSC_COUNT_TEXT])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t o = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[o++] = ',';
		out[o++] = digits[i];
	}
	out[o] = '\0';
}
