// SPDX-License-Identifier: MIT
#include "build.h"

#include <stdlib.h>
#include <string.h>

#include "big.h"
#include "counters.h"
#include "decoys.h"
#include "kernel.h"
#include "late.h"
#include "machine.h"
#include "modules.h"
#include "out.h"
#include "pool.h"
#include "processes.h"
#include "tags.h"

struct mk *mk_new(void)
{
	struct mk *m = mk_calloc(1, sizeof(*m));

	m->modules = mk_calloc(1, sizeof(*m->modules));
	m->processes = mk_calloc(1, sizeof(*m->processes));
	m->counters = mk_calloc(1, sizeof(*m->counters));
	m->tags = mk_calloc(1, sizeof(*m->tags));
	m->big = mk_calloc(1, sizeof(*m->big));
	m->late = mk_calloc(1, sizeof(*m->late));
	m->out = mk_calloc(1, sizeof(*m->out));
	m->truth = json_object_new_object();
	m->dump_type = 6;
	m->n_cpus = m->n_nodes = 1;
	m->seed = 1;
	m->phys.rng = 0x9f5;
	return m;
}

void mk_free(struct mk *m)
{
	mk_phys_free(&m->phys);
	psc_map_free(&m->frames);
	psc_map_free(&m->ptes);
	for (size_t i = 0; i < m->labels.n; i++)
		free(m->labels.v[i].name);
	psc_vec_free(&m->labels);
	mk_kernel_free(m->kern);
	mk_pool_free(m);
	mk_modules_free(m->modules);
	psc_vec_free(&m->processes->v);
	psc_vec_free(&m->processes->sessions);
	psc_vec_free(&m->tags->v);
	psc_vec_free(&m->tags->session);
	psc_vec_free(&m->big->v);
	psc_vec_free(&m->big->session);
	mk_late_free(m->late);
	mk_out_free(m->out);
	free(m->modules);
	free(m->processes);
	free(m->counters);
	free(m->tags);
	free(m->big);
	free(m->late);
	free(m->out);
	psc_sym_free(m->sym);
	json_object_put(m->truth);
	free(m);
}

void mk_do_start(struct mk *m, struct mk_args *a)
{
	mk_do_kernel(m, a);
	mk_modules_init(m);
	mk_processes_init(m);
}

static void symbols_truth(struct mk *m)
{
	const struct psc_pdb_id *id = &m->kern->pdb;
	struct json_object *s = mk_truth(m, "symbols");
	char guid[33];

	psc_guid_text(id->guid, guid);
	json_object_object_add(s, "pdb", mk_json_text(id->name));
	json_object_object_add(s, "guid", mk_json_text(guid));
	json_object_object_add(s, "age", json_object_new_int64(id->age));
}

/** How the dump was made: for tests of the builder, not for readers. */
static void builder_truth(struct mk *m)
{
	struct json_object *b = mk_truth(m, "builder");
	int64_t expansion = 0;

	for (size_t i = 0; i < m->tags->v.n; i++)
		expansion += m->tags->v.v[i].expansion;
	json_object_object_add(b, "pte_mask", mk_json_hex(m->pte_mask));
	json_object_object_add(b, "levels", json_object_new_int64(m->levels));
	json_object_object_add(b, "expansion_tags",
			       json_object_new_int64(expansion));
}

void mk_finish(struct mk *m)
{
	if (!m->kern)
		mk_fail(m, "the recipe has no 'kernel'");
	mk_cpu_init(m);
	mk_cpu_finish(m);
	mk_pool_run(m);		// tag counts, big entries and usage follow
	mk_machine_finish(m);
	mk_counters_finish(m);
	mk_pool_finish(m);
	mk_regions_finish(m);
	mk_big_finish(m);
	mk_tags_finish(m);
	mk_kdbg_finish(m);
	mk_decoys_finish(m);
	mk_kernel_finish(m);	// all symbols and exports are known by now
	mk_modules_finish(m);
	mk_processes_finish(m);	// copies the kernel half of the top table
	symbols_truth(m);
	mk_pool_check_fixed(m);
	builder_truth(m);
	mk_late_run(m);
}
