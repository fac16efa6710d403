// SPDX-License-Identifier: MIT
/** @file Processes, their threads, handle tables and sessions. */
#ifndef MK_PROCESSES_H
#define MK_PROCESSES_H

#include "recipe.h"

struct mk_session {
	uint32_t id;
	uint64_t va, commit_pages;
};

struct mk_process {
	uint64_t pid, va, commit;
	uint64_t root;		/**< Frame of its top page table. */
	bool in_session;
};

struct mk_processes {
	PSC_VEC(struct mk_process) v;
	PSC_VEC(struct mk_session) sessions;
	uint64_t total_commit, stack_pages, session_commit;
	uint64_t next_tid, first_thread;
	struct json_object *truth;	/**< vm.processes; owned by the truth. */
};

void mk_processes_init(struct mk *m);
/** `session ID commit=PAGES`. */
void mk_do_session(struct mk *m, struct mk_args *a);
/** `process NAME pid=N …`. */
void mk_do_process(struct mk *m, struct mk_args *a);
/** `user PID va=… bytes=… text=…`: a user page. */
void mk_do_user(struct mk *m, struct mk_args *a);
void mk_processes_finish(struct mk *m);
/** A KTHREAD, or 0 when the recipe has none. */
uint64_t mk_first_thread(struct mk *m);

#endif
