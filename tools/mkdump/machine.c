// SPDX-License-Identifier: MIT
#include "machine.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "area.h"
#include "kernel.h"
#include "late.h"

#define SHARED_USER_DATA 0xfffff78000000000ull	/**< dump-format 4.1 */
#define FILETIME_EPOCH 11644473600ll		/**< 1601 to 1970, seconds. */
#define TICKS 10000000ull			/**< 100 ns in a second. */

void mk_do_seed(struct mk *m, struct mk_args *a)
{
	m->seed = mk_word_num(a, 0);
	m->phys.rng = m->seed ^ 0x9f5;
}

void mk_do_ram(struct mk *m, struct mk_args *a)
{
	// A PC: conventional memory, a hole for devices below 4 GiB, the rest.
	uint64_t pages = mk_word_num(a, 0) / MK_PAGE;
	const uint64_t low = 0x9e, below = 0xbff00;

	if (pages < 0x1000)
		mk_fail(m, "a machine has at least 16M");
	mk_ram_add(m, 1, low);
	mk_ram_add(m, 0x100, PSC_MIN(pages - low, below));
	if (pages - low > below)
		mk_ram_add(m, 0x100000, pages - low - below);
}

void mk_do_ram_run(struct mk *m, struct mk_args *a)
{
	mk_ram_add(m, mk_word_num(a, 0), mk_word_num(a, 1));
}

void mk_do_processors(struct mk *m, struct mk_args *a)
{
	m->n_cpus = (unsigned int)mk_word_num(a, 0);
	m->n_nodes = (unsigned int)mk_key_num(a, "nodes", 1);
	if (!m->n_cpus || m->n_cpus > 2048 || !m->n_nodes || m->n_nodes > 64)
		mk_fail(m, "1 to 2048 processors, 1 to 64 nodes");
}

void mk_do_bugcheck(struct mk *m, struct mk_args *a)
{
	m->bugcheck = (uint32_t)mk_word_num(a, 0);
	for (size_t i = 0; i < 4; i++) {
		const char *word = mk_word_opt(a, i + 1);

		m->bugcheck_param[i] = word ? mk_expr(m, word) : 0;
	}
}

static void bugcheck_data(struct mk *m);
static void system_truth(struct mk *m);

static void bugcheck_late(struct mk *m, struct mk_args *a)
{
	mk_do_bugcheck(m, a);
	bugcheck_data(m);
	system_truth(m);
}

void mk_do_bugcheck_late(struct mk *m, struct mk_args *a)
{
	mk_late_keep(m, a, bugcheck_late);
}

void mk_do_crash(struct mk *m, struct mk_args *a)
{
	struct tm tm = {0};
	const char *text = mk_word(a, 0);

	if (!strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm))
		mk_fail(m, "'%s' is no time (2026-03-04T05:06:07Z)", text);
	m->crash_time = (uint64_t)(timegm(&tm) + FILETIME_EPOCH) * TICKS;
	m->uptime = mk_key_num(a, "uptime", 3600) * TICKS;
	m->server = mk_flag(a, "server");
}

void mk_do_status(struct mk *m, struct mk_args *a)
{
	json_object_object_add(mk_truth(m, "builder"), "status",
			       json_object_new_int64((int64_t)
						     mk_word_num(a, 0)));
}

static void shared_data(struct mk *m)
{
	uint64_t va = SHARED_USER_DATA;
	bool ten = m->family >= 10240;

	mk_map(m, va, MK_PAGE, NULL);
	mk_write64(m, va + 0x14, m->crash_time);	// SystemTime
	mk_write64(m, va + 0x08, m->uptime);		// InterruptTime
	if (ten)
		mk_write32(m, va + 0x260, m->build);	// NtBuildNumber
	mk_write32(m, va + 0x264, m->server ? 3 : 1);	// NtProductType
	mk_write32(m, va + 0x26c, ten ? 10 : 6);	// NtMajorVersion
	mk_write32(m, va + 0x270, ten ? 0 : m->family == 7601 ? 1 : 3);
	mk_write32(m, va + 0x2d0, 0x110);		// SuiteMask
}

/** PHYSICAL_MEMORY_DESCRIPTOR64 (dump-format 1.4) behind a pointer. */
static void memory_block(struct mk *m)
{
	const struct mk_phys *p = &m->phys;
	uint64_t va = mk_alloc(m, MK_NONPAGED, 0x10 + p->runs.n * 0x10);

	mk_write32(m, va, (uint32_t)p->runs.n);
	mk_write64(m, va + 8, p->n_pages);
	for (size_t i = 0; i < p->runs.n; i++) {
		mk_write64(m, va + 0x10 + i * 0x10, p->runs.v[i].base);
		mk_write64(m, va + 0x18 + i * 0x10, p->runs.v[i].count);
	}
	mk_global(m, "MmPhysicalMemoryBlock", va, 8);
	mk_global_opt(m, "MmLowestPhysicalPage", p->runs.v[0].base, 8);
	mk_global_opt(m, "MmHighestPhysicalPage", p->limit - 1, 8);
}

static void build_lab(struct mk *m)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "%u.1.amd64fre.made_by_mkdump."
			 "260101-0000", m->build);

	if (mk_has_symbol(m, "NtBuildLab"))
		mk_write(m, mk_symbol(m, "NtBuildLab"), text, (size_t)n + 1);
	if (mk_has_symbol(m, "NtBuildLabEx"))
		mk_write(m, mk_symbol(m, "NtBuildLabEx"), text, (size_t)n + 1);
}

static void bugcheck_data(struct mk *m)
{
	uint64_t va = mk_symbol(m, "KiBugCheckData");

	mk_write64(m, va, m->bugcheck);
	for (unsigned int i = 0; i < 4; i++)
		mk_write64(m, va + 8 + i * 8, m->bugcheck_param[i]);
}

static void system_truth(struct mk *m)
{
	struct json_object *s = mk_truth(m, "system");
	struct json_object *b = mk_truth(m, "system.bugcheck");
	struct json_object *params = json_object_new_array();

	json_object_object_add(s, "architecture", mk_json_text("x64"));
	json_object_object_add(s, "build", json_object_new_int64(m->build));
	json_object_object_add(s, "version", mk_json_text(m->kern->version));
	json_object_object_add(s, "processors",
			       json_object_new_int64(m->n_cpus));
	json_object_object_add(s, "kernel_base", mk_json_hex(m->kern->base));
	json_object_object_add(s, "directory_table_base",
			       mk_json_hex(m->root << 12));
	json_object_object_add(s, "uptime_seconds", json_object_new_double(
				(double)m->uptime / (double)TICKS));
	json_object_object_add(b, "code", mk_json_hex(m->bugcheck));
	for (int i = 0; i < 4; i++)
		json_object_array_add(params,
				      mk_json_hex(m->bugcheck_param[i]));
	json_object_object_add(b, "parameters", params);
}

void mk_machine_finish(struct mk *m)
{
	shared_data(m);
	memory_block(m);
	build_lab(m);
	bugcheck_data(m);
	mk_global_opt(m, "NtBuildNumber", 0xf0000000u | m->build, 4);
	mk_global_opt(m, "KeNumberProcessors", m->n_cpus, 4);
	mk_global_opt(m, "KeNumberNodes", m->n_nodes, 2);
	mk_global(m, "MmPfnDatabase", mk_places(m)->pfn_database, 8);
	mk_global(m, "MmHighestUserAddress", 0x00007ffffffeffff, 8);
	mk_global(m, "MmSystemRangeStart", 0xffff800000000000, 8);
	mk_global(m, "MmUserProbeAddress", 0x00007fffffff0000, 8);
	system_truth(m);
}
