// SPDX-License-Identifier: MIT
// Address spaces of sessions: their pool is mapped only in processes of the
// session (pool 4.6).
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "kernel/process.h"
#include "pool/view_impl.h"

static void processes_guard(struct psc_processes **p)
{
	psc_processes_free(*p);
}

static void map_guard(struct psc_map *m)
{
	psc_map_free(m);
}

static struct psc_error *add_space(struct psc_pool_view *v,
				   const struct psc_process *p)
{
	struct psc_space s = { .session = p->session, .owned = true };
	struct psc_error *err = psc_mem_with_root(
		psc_kernel_mem(v->k), p->directory_table_base, &s.mem);

	if (err)
		return err;
	if (psc_vec_push(&v->spaces, s))
		return NULL;
	psc_mem_free(s.mem);
	return &psc_nomem;
}

struct psc_error *psc_view_sessions(struct psc_pool_view *v)
{
	PSC_CLEANUP(processes_guard) struct psc_processes *list = NULL;
	PSC_CLEANUP(map_guard) struct psc_map seen = { 0 };
	struct psc_field f;
	struct psc_error *err;

	// The newest kernels have no session pool.
	err = psc_kernel_field(v->k, "_MM_SESSION_SPACE.SessionId", &f);
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		return NULL;
	if (!err)
		err = psc_processes_read(v->k, &list);
	if (err) {
		psc_view_incomplete(v, "sessions", err);
		return NULL;
	}
	if (!list->complete)
		v->info.complete = false;
	for (size_t i = 0; i < list->n && v->spaces.n < PSC_MAX_SESSIONS;
	     i++) {
		const struct psc_process *p = &list->v[i];
		bool added;

		if (!p->session || !p->directory_table_base)
			continue;
		if (!psc_map_put(&seen, p->session, &added))
			return &psc_nomem;
		if (added && (err = add_space(v, p)))
			return err;
	}
	return NULL;
}
