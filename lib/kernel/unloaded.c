// SPDX-License-Identifier: MIT
#include "kernel/unloaded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "kernel/kernel_impl.h"

#define KDBG_MM_UNLOADED_DRIVERS 0x220
#define MAX_UNLOADED 50

// No public type; the entry is known from its readers (dump-format 5.2).
struct entry_form {
	unsigned int size, start, end, time;
};
static const struct entry_form form64 = { 0x28, 0x10, 0x18, 0x20 };
static const struct entry_form form32 = { 0x18, 0x08, 0x0c, 0x10 };

static bool array_address(const struct psc_kernel *k, uint64_t *ret)
{
	uint64_t variable, va;
	struct psc_error *err = NULL;

	if (!psc_kernel_kdbg(k, KDBG_MM_UNLOADED_DRIVERS, &variable))
		err = psc_kernel_symbol(k, "MmUnloadedDrivers", &variable);
	if (!err)
		err = psc_kernel_pointer(k, variable, "MmUnloadedDrivers", &va);
	psc_error_free(err);
	if (err || !psc_mem_is_kernel_va(k->mem, va))
		return false;
	*ret = va;
	return true;
}

static struct psc_error *add_entry(const struct psc_kernel *k, uint64_t va,
				   const struct entry_form *f,
				   const uint8_t *p, struct psc_modules *m)
{
	struct psc_unloaded u = {
		.start = psc_le_uint(p + f->start, k->ptr),
		.end = psc_le_uint(p + f->end, k->ptr),
		.time = psc_le64(p + f->time),
	};

	if (!u.start || u.end < u.start)
		return NULL;	// a slot that was never used
	struct psc_error *err =
		psc_kernel_unicode(k, va, "unloaded driver", &u.name);
	if (err == &psc_nomem)
		return err;
	if (err) {
		psc_error_free(err);
		u.name = strdup("?");
	}
	if (!u.name)
		return &psc_nomem;
	m->unloaded[m->n_unloaded++] = u;
	return NULL;
}

static int newest_first(const void *a, const void *b)
{
	const struct psc_unloaded *x = a, *y = b;

	return x->time > y->time ? -1 : x->time < y->time;
}

struct psc_error *psc_unloaded_read(const struct psc_kernel *k,
				    struct psc_modules *m)
{
	const struct entry_form *f = k->ptr == 8 ? &form64 : &form32;
	uint8_t buf[MAX_UNLOADED * 0x28];
	uint64_t va;

	if (!array_address(k, &va))
		return NULL;	// no driver was ever unloaded, or unknown
	size_t got = psc_mem_read(k->mem, va, buf, MAX_UNLOADED * f->size,
				  NULL);
	if (got < MAX_UNLOADED * f->size)
		psc_modules_incomplete(m, "MmUnloadedDrivers at 0x%" PRIx64
				       " cannot be read in full", va);
	m->unloaded = calloc(MAX_UNLOADED, sizeof(*m->unloaded));
	if (!m->unloaded)
		return &psc_nomem;
	for (unsigned int i = 0; (i + 1) * f->size <= got; i++) {
		struct psc_error *err = add_entry(k, va + i * f->size, f,
						  buf + i * f->size, m);
		if (err)
			return err;
	}
	if (m->n_unloaded)
		qsort(m->unloaded, m->n_unloaded, sizeof(*m->unloaded),
		      newest_first);
	return NULL;
}

struct psc_error *psc_unloaded_from_triage(const struct psc_triage *t,
					   struct psc_modules *m)
{
	m->unloaded = calloc(t->n_unloaded ? t->n_unloaded : 1,
			     sizeof(*m->unloaded));
	if (!m->unloaded)
		return &psc_nomem;
	for (size_t i = 0; i < t->n_unloaded; i++) {
		struct psc_unloaded u = {
			.start = t->unloaded[i].start,
			.end = t->unloaded[i].end,
			.name = strdup(t->unloaded[i].name),
		};
		if (!u.name)
			return &psc_nomem;
		m->unloaded[m->n_unloaded++] = u;
	}
	return NULL;
}
