// SPDX-License-Identifier: MIT
#include "processes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

#define OBJECT_HEADER 0x40u	/**< Room in front of an object. */
#define STACK_BYTES 0x6000u

void mk_processes_init(struct mk *m)
{
	mk_list_init(m, mk_symbol(m, "PsActiveProcessHead"));
	m->processes->next_tid = 8;
}

uint64_t mk_first_thread(struct mk *m)
{
	return m->processes->first_thread;
}

/** A nonpaged object whose address is a multiple of 64 (pool 1.5). */
static uint64_t object(struct mk *m, uint64_t bytes)
{
	uint64_t va = mk_alloc(m, MK_NONPAGED, bytes + OBJECT_HEADER + 64);

	return (va + OBJECT_HEADER + 63) & ~63ull;
}

static uint64_t session_head(struct mk *m)
{
	if (mk_has_symbol(m, "MiSessionWsList"))
		return mk_symbol(m, "MiSessionWsList");
	if (!mk_has(m, "_MI_SYSTEM_INFORMATION.Vs.SessionWsList"))
		return 0;
	return mk_symbol(m, "MiState") +
		mk_offset(m, "_MI_SYSTEM_INFORMATION.Vs.SessionWsList");
}

void mk_do_session(struct mk *m, struct mk_args *a)
{
	struct mk_processes *s = m->processes;
	struct mk_session n = {
		.id = (uint32_t)mk_word_num(a, 0),
		.commit_pages = mk_key_num(a, "commit", 200),
	};
	uint64_t head = session_head(m);

	// Newest kernels keep sessions where no published type tells.
	if (!mk_has(m, "_MM_SESSION_SPACE.SessionId"))
		return;
	if (head && !s->sessions.n)
		mk_list_init(m, head);
	n.va = mk_alloc(m, MK_STACKS, mk_sizeof(m, "_MM_SESSION_SPACE"));
	mk_field(m, n.va, "_MM_SESSION_SPACE.SessionId", n.id);
	mk_field(m, n.va, "_MM_SESSION_SPACE.CommittedPages", n.commit_pages);
	if (mk_has(m, "_MM_SESSION_SPACE.PagedPoolStart"))
		mk_session_pool_bounds(m, n.va);
	if (head && mk_has(m, "_MM_SESSION_SPACE.WsListEntry"))
		mk_list_append(m, head, n.va +
			       mk_offset(m, "_MM_SESSION_SPACE.WsListEntry"));
	if (mk_has(m, "_MM_SESSION_SPACE.ProcessList"))
		mk_list_init(m, n.va +
			     mk_offset(m, "_MM_SESSION_SPACE.ProcessList"));
	s->session_commit += n.commit_pages;
	mk_label(m, n.va, "session:%u", n.id);
	if (!psc_vec_push(&s->sessions, n))
		mk_fail(m, "out of memory");
}

static void add_threads(struct mk *m, uint64_t eprocess, uint64_t pid,
			uint64_t n)
{
	struct mk_processes *s = m->processes;
	uint64_t head = eprocess + mk_offset(m, "_EPROCESS.ThreadListHead");

	for (uint64_t i = 0; i < n; i++) {
		uint64_t t = object(m, mk_sizeof(m, "_ETHREAD"));
		uint64_t base = mk_reserve(m, MK_STACKS, STACK_BYTES +
					   MK_PAGE, MK_PAGE);
		uint64_t limit = base + MK_PAGE;	// a guard page below
		struct mk_map_opt nx = {.nx = true};

		base = limit + STACK_BYTES;
		mk_map(m, limit, STACK_BYTES, &nx);
		mk_field(m, t, "_ETHREAD.Tcb.Header.Type", 6);
		mk_field(m, t, "_ETHREAD.Tcb.StackLimit", limit);
		mk_field(m, t, "_ETHREAD.Tcb.StackBase", base);
		mk_field(m, t, "_ETHREAD.Tcb.InitialStack", base);
		mk_field(m, t, "_ETHREAD.Tcb.KernelStack", base - 0x400);
		mk_field_opt(m, t, "_ETHREAD.Tcb.Process", eprocess);
		mk_field_opt(m, t, "_ETHREAD.Cid.UniqueProcess", pid);
		mk_field_opt(m, t, "_ETHREAD.Cid.UniqueThread", s->next_tid);
		mk_field_opt(m, t, "_ETHREAD.Tcb.KernelStackResident", 1);
		mk_list_append(m, head, t +
			       mk_offset(m, "_ETHREAD.ThreadListEntry"));
		if (!s->first_thread)
			s->first_thread = t;
		s->next_tid += 4;
		s->stack_pages += STACK_BYTES / MK_PAGE;
	}
}

static void handle_table(struct mk *m, uint64_t eprocess, uint64_t pid,
			 uint64_t handles)
{
	uint64_t bytes = mk_sizeof(m, "_HANDLE_TABLE");

	// A free list per processor stands behind the declared one.
	if (mk_has(m, "_HANDLE_TABLE.FreeLists"))
		bytes += m->n_cpus *
			 mk_sizeof(m, "_HANDLE_TABLE_FREE_LIST");
	uint64_t t = mk_alloc(m, MK_PAGED, bytes);

	// One field on Windows 7, free lists later (vm 4).
	if (!mk_field_opt(m, t, "_HANDLE_TABLE.HandleCount", handles))
		mk_field(m, t, "_HANDLE_TABLE.FreeLists[0].HandleCount",
			 handles);
	mk_field_opt(m, t, "_HANDLE_TABLE.QuotaProcess", eprocess);
	mk_field_opt(m, t, "_HANDLE_TABLE.UniqueProcessId", pid);
	mk_field(m, eprocess, "_EPROCESS.ObjectTable", t);
}

static void audit_name(struct mk *m, uint64_t eprocess, const char *path)
{
	uint64_t info = mk_alloc(m, MK_PAGED, 0x10);

	mk_unicode(m, info, path, MK_PAGED);
	mk_field(m, eprocess,
		 "_EPROCESS.SeAuditProcessCreationInfo.ImageFileName", info);
}

static void short_name(struct mk *m, uint64_t eprocess, const char *name)
{
	char text[16] = "";

	snprintf(text, sizeof(text), "%s", name);
	mk_write(m, eprocess + mk_offset(m, "_EPROCESS.ImageFileName"), text,
		 15);
}

static uint64_t session_of(struct mk *m, uint64_t id)
{
	const struct mk_processes *s = m->processes;

	for (size_t i = 0; i < s->sessions.n; i++) {
		if (s->sessions.v[i].id == id)
			return s->sessions.v[i].va;
	}
	if (mk_has(m, "_MM_SESSION_SPACE.SessionId"))
		mk_fail(m, "no session %llu", (unsigned long long)id);
	return 0;
}

static void add_truth(struct mk *m, const char *name, uint64_t pid,
		      const uint64_t v[5])
{
	static const char *const names[5] = {
		"commit_pages", "shared_commit_pages", "nonpaged_quota_bytes",
		"paged_quota_bytes", "handles",
	};
	struct json_object *o = json_object_new_object();
	struct mk_processes *s = m->processes;

	json_object_object_add(o, "pid", json_object_new_uint64(pid));
	json_object_object_add(o, "name", mk_json_text(name));
	for (int i = 0; i < 5; i++)
		json_object_object_add(o, names[i],
				       json_object_new_uint64(v[i]));
	if (!s->truth) {
		s->truth = json_object_new_array();
		json_object_object_add(mk_truth(m, "vm"), "processes",
				       s->truth);
	}
	json_object_array_add(s->truth, o);
}

void mk_do_process(struct mk *m, struct mk_args *a)
{
	struct mk_processes *s = m->processes;
	const char *name = mk_word(a, 0), *session = mk_key(a, "session");
	const char *path = mk_key(a, "path");
	uint64_t p = object(m, mk_sizeof(m, "_EPROCESS"));
	struct mk_process row = {.pid = mk_key_num(a, "pid", 4), .va = p};
	uint64_t v[5] = {
		mk_key_num(a, "commit", 40), mk_key_num(a, "shared", 0),
		mk_key_num(a, "nonpaged", 272), mk_key_num(a, "paged", 0),
		mk_key_num(a, "handles", 10),
	};
	uint64_t threads = mk_key_num(a, "threads", 1);

	row.commit = v[0];
	row.root = row.pid == 4 ? m->root : mk_pfn_alloc(m);
	mk_bit_set(m->phys.kernel, row.root);
	mk_field(m, p, "_EPROCESS.Pcb.Header.Type", 3);
	mk_field(m, p, "_EPROCESS.Pcb.DirectoryTableBase", row.root << 12);
	mk_field(m, p, "_EPROCESS.UniqueProcessId", row.pid);
	mk_list_init(m, p + mk_offset(m, "_EPROCESS.ThreadListHead"));
	short_name(m, p, name);
	if (path)
		audit_name(m, p, path);
	mk_field(m, p, "_EPROCESS.CommitCharge", v[0]);
	if (!mk_field_opt(m, p, "_EPROCESS.SharedCommitCharge", v[1]))
		v[1] = 0;	// not counted before 10
	mk_field(m, p, "_EPROCESS.ProcessQuotaUsage[0]", v[2]);
	mk_field(m, p, "_EPROCESS.ProcessQuotaUsage[1]", v[3]);
	mk_field_opt(m, p, "_EPROCESS.ProcessQuotaPeak[0]", v[2] + 0x1000);
	mk_field_opt(m, p, "_EPROCESS.ProcessQuotaPeak[1]", v[3] + 0x1000);
	handle_table(m, p, row.pid, v[4]);
	row.in_session = session;
	if (session)
		mk_field(m, p, "_EPROCESS.Session",
			 session_of(m, mk_number(m, session)));
	add_threads(m, p, row.pid, threads);
	mk_list_append(m, mk_symbol(m, "PsActiveProcessHead"),
		       p + mk_offset(m, "_EPROCESS.ActiveProcessLinks"));
	if (row.pid == 4)
		mk_global_opt(m, "PsInitialSystemProcess", p, 8);
	mk_label(m, p, "process:%llu", (unsigned long long)row.pid);
	mk_label(m, p + mk_offset(m, "_EPROCESS.ActiveProcessLinks"),
		 "process-links:%llu", (unsigned long long)row.pid);
	s->total_commit += row.commit;
	if (!psc_vec_push(&s->v, row))
		mk_fail(m, "out of memory");
	const char *shown = path && strrchr(path, '\\')
		? strrchr(path, '\\') + 1 : name;

	add_truth(m, shown, row.pid, v);
}

void mk_do_user(struct mk *m, struct mk_args *a)
{
	struct mk_processes *s = m->processes;
	uint64_t pid = mk_word_num(a, 0), va = mk_key_num(a, "va", 0x10000);
	const char *text = mk_key(a, "text");

	for (size_t i = 0; i < s->v.n; i++) {
		if (s->v.v[i].pid != pid)
			continue;
		uint64_t pfn = mk_pfn_alloc(m);
		struct mk_map_opt opt = {
			.user = true, .nx = true, .root = s->v.v[i].root,
			.given_pfn = true, .pfn = pfn,
		};

		mk_map(m, va, MK_PAGE, &opt);
		snprintf((char *)mk_pfn_bytes(m, pfn), MK_PAGE, "%s",
			 text ? text : "user");
		return;
	}
	mk_fail(m, "no process %llu", (unsigned long long)pid);
}

static int by_pid(const void *a, const void *b)
{
	struct json_object *x = *(struct json_object *const *)a;
	struct json_object *y = *(struct json_object *const *)b;
	uint64_t i = json_object_get_uint64(json_object_object_get(x, "pid"));
	uint64_t k = json_object_get_uint64(json_object_object_get(y, "pid"));

	return i < k ? -1 : i > k;
}

void mk_processes_finish(struct mk *m)
{
	const struct mk_processes *s = m->processes;
	unsigned int top = m->levels == 5 ? 48 : 39;
	unsigned int self = (unsigned int)(m->pte_base >> top & 0x1ff);

	// Every address space shares the kernel half and maps itself.
	for (size_t i = 0; i < s->v.n; i++) {
		uint8_t *root = mk_pfn_bytes(m, s->v.v[i].root);

		if (s->v.v[i].root == m->root)
			continue;
		memcpy(root + 0x800, mk_pfn_bytes(m, m->root) + 0x800, 0x800);
		psc_put64(root + self * 8,
			  s->v.v[i].root << 12 | 0x8000000000000063);
	}
	mk_session_hide(m);
	if (s->truth)
		json_object_array_sort(s->truth, by_pid);
}
