// SPDX-License-Identifier: MIT
#include "late.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mk_late_keep(struct mk *m, struct mk_args *a,
		  void (*run)(struct mk *, struct mk_args *))
{
	struct mk_late_step s = {.run = run, .line = m->line};

	s.args.m = m;
	for (size_t i = 0; i < a->v.n; i++) {
		struct mk_arg arg = {
			.key = a->v.v[i].key ? mk_strdup(a->v.v[i].key) : NULL,
			.value = mk_strdup(a->v.v[i].value),
		};

		a->v.v[i].used = true;
		if (!psc_vec_push(&s.args.v, arg))
			mk_fail(m, "out of memory");
	}
	if (!psc_vec_push(&m->late->v, s))
		mk_fail(m, "out of memory");
}

static void poke_hex(struct mk *m, uint64_t va, const char *hex)
{
	unsigned int byte;

	for (; *hex; hex += 2, va++) {
		if (sscanf(hex, "%2x", &byte) != 1)
			mk_fail(m, "'%s': hexadecimal digits", hex);
		mk_write_uint(m, va, byte, 1);
	}
}

static void poke(struct mk *m, struct mk_args *a)
{
	uint64_t va = mk_expr(m, mk_word(a, 0));
	const char *field = mk_key(a, "field"), *hex = mk_key(a, "hex");
	const char *value = mk_key(a, "value");

	if (hex)
		poke_hex(m, va, hex);
	else if (!value)
		mk_fail(m, "poke needs value= or hex=");
	else if (field)
		mk_field(m, va, field, mk_expr(m, value));
	else
		mk_write_uint(m, va, mk_expr(m, value),
			      (unsigned int)mk_key_num(a, "bytes", 8));
}

void mk_do_poke(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, poke);
}

static void drop_range(struct mk *m, uint64_t va, uint64_t bytes)
{
	for (uint64_t end = va + bytes; va < end;
	     va = (va | 0xfff) + 1) {
		uint64_t pfn;

		if (!mk_frame(m, va, &pfn))
			mk_fail(m, "0x%llx is not mapped",
				(unsigned long long)va);
		mk_bit_set(m->phys.dropped, pfn);
	}
}

/** Frames of kernel memory that are no page tables, as a set of bits. */
static uint8_t *content_frames(struct mk *m)
{
	uint8_t *bits = mk_calloc(m->phys.limit / 8 + 1, 1);
	struct psc_map_slot slot;

	for (size_t i = 0; psc_map_next(&m->frames, &i, &slot); )
		mk_bit_set(bits, slot.value);
	return bits;
}

static void drop_percent(struct mk *m, uint64_t percent, uint64_t seed)
{
	uint8_t *content = content_frames(m);

	for (uint64_t pfn = 0; pfn < m->phys.limit; pfn++) {
		if (mk_bit(content, pfn) && mk_bit(m->phys.kernel, pfn) &&
		    mk_random_below(&seed, 100) < percent)
			mk_bit_set(m->phys.dropped, pfn);
	}
	free(content);
}

static void drop(struct mk *m, struct mk_args *a)
{
	const char *where = mk_word_opt(a, 0);

	if (where)
		drop_range(m, mk_expr(m, where), mk_key_num(a, "bytes", 1));
	else
		drop_percent(m, mk_key_num(a, "percent", 1),
			     mk_key_num(a, "seed", 1));
}

void mk_do_drop(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, drop);
}

static enum mk_pte parse_state(const struct mk *m, const char *text)
{
	static const char *const names[] = {
		[MK_PTE_VALID] = "valid",
		[MK_PTE_TRANSITION] = "transition",
		[MK_PTE_PROTOTYPE] = "prototype",
		[MK_PTE_PAGED_OUT] = "paged-out",
		[MK_PTE_DEMAND_ZERO] = "demand-zero",
		[MK_PTE_FREED] = "freed",
	};

	for (size_t i = 0; text && i < PSC_ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i]))
			return (enum mk_pte)i;
	}
	mk_fail(m, "'%s' is no page state", text ? text : "");
}

static void page(struct mk *m, struct mk_args *a)
{
	uint64_t va = mk_expr(m, mk_word(a, 0)) & ~0xfffull;
	uint64_t end = va + mk_key_num(a, "bytes", 1);
	enum mk_pte state = parse_state(m, mk_key(a, "state"));

	for (; va < end; va += MK_PAGE)
		mk_set_state(m, va, state);
}

void mk_do_page(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, page);
}

void mk_late_run(struct mk *m)
{
	for (size_t i = 0; i < m->late->v.n; i++) {
		struct mk_late_step *s = &m->late->v.v[i];

		m->line = s->line;
		s->run(m, &s->args);
	}
}

void mk_late_free(struct mk_late *l)
{
	for (size_t i = 0; i < l->v.n; i++) {
		struct mk_args *a = &l->v.v[i].args;

		for (size_t k = 0; k < a->v.n; k++) {
			free(a->v.v[k].key);
			free(a->v.v[k].value);
		}
		psc_vec_free(&a->v);
	}
	psc_vec_free(&l->v);
}
