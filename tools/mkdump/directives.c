// SPDX-License-Identifier: MIT
/** @file
 * The table of directives. To add one: write its function beside the state
 * it changes, add a row here and a line in README.md.
 */
#include "big.h"
#include "build.h"
#include "corrupt.h"
#include "counters.h"
#include "decoys.h"
#include "late.h"
#include "machine.h"
#include "modules.h"
#include "out.h"
#include "pool.h"
#include "processes.h"
#include "special.h"
#include "tags.h"

const struct mk_directive mk_directives[] = {
	{"alloc", mk_do_alloc},
	{"big", mk_do_big},
	{"big-table", mk_do_big_table},
	{"block", mk_do_block},
	{"bugcheck", mk_do_bugcheck},
	{"bugcheck-late", mk_do_bugcheck_late},
	{"chunk", mk_do_chunk},
	{"crash", mk_do_crash},
	{"decoys", mk_do_decoys},
	{"drop", mk_do_drop},
	{"dump", mk_do_dump},
	{"expect", mk_do_expect},
	{"expect-difference", mk_do_expect_difference},
	{"failures", mk_do_failures},
	{"flip", mk_do_flip},
	{"heap-state", mk_do_heap_state},
	{"kernel", mk_do_start},
	{"module", mk_do_module},
	{"overwrite", mk_do_overwrite},
	{"page", mk_do_page},
	{"pagefile", mk_do_pagefile},
	{"poke", mk_do_poke},
	{"pool-order", mk_do_pool_order},
	{"process", mk_do_process},
	{"processors", mk_do_processors},
	{"ram", mk_do_ram},
	{"ram-run", mk_do_ram_run},
	{"random-tags", mk_do_random_tags},
	{"seed", mk_do_seed},
	{"session", mk_do_session},
	{"session-tag", mk_do_session_tag},
	{"special", mk_do_special},
	{"status", mk_do_status},
	{"tag", mk_do_tag},
	{"tag-table", mk_do_tag_table},
	{"unloaded", mk_do_unloaded},
	{"user", mk_do_user},
	{"vm", mk_do_vm},
	{NULL, NULL},
};
