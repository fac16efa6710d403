// SPDX-License-Identifier: MIT
// Processes, processors and threads: KDBG holds sizes and offsets of their
// structures, which borrowed layouts must repeat (dump-format 3.4, 298..358).
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "kernel/recover_impl.h"

#define SYSTEM_PID 4

/** A slot of KDBG that holds the offset of a field or the size of a type. */
struct offset_slot {
	uint16_t offset;
	uint8_t bytes;
	const char *path;	/**< Without a dot: size of the type. */
};

static const struct offset_slot process_slots[] = {
	{ 0x2a8, 2, "_EPROCESS" },
	{ 0x2aa, 2, "_EPROCESS.Peb" },
	{ 0x2ae, 2, "_EPROCESS.Pcb.DirectoryTableBase" },
	{ 0, 0, NULL },
};
static const struct offset_slot prcb_slots[] = {
	{ 0x2b0, 2, "_KPRCB" },
	{ 0x2b4, 2, "_KPRCB.CurrentThread" },
	{ 0x2b6, 2, "_KPRCB.MHz" },
	{ 0x2be, 2, "_KPRCB.Number" },
	{ 0, 0, NULL },
};
static const struct offset_slot thread_slots[] = {
	{ 0x2c0, 2, "_ETHREAD" },
	{ 0x29c, 2, "_KTHREAD.KernelStack" },
	{ 0x29e, 2, "_KTHREAD.InitialStack" },
	{ 0x2a2, 2, "_KTHREAD.State" },
	{ 0x340, 4, "_KTHREAD.StackLimit" },
	{ 0x344, 4, "_KTHREAD.StackBase" },
	{ 0, 0, NULL },
};

/** Refute candidates that contradict KDBG. @return slots that were there. */
static size_t apply_slots(struct rec *r, const struct offset_slot *slots,
			  enum rec_group g)
{
	size_t known = 0;
	for (const struct offset_slot *s = slots; s->path; s++) {
		uint32_t want = rec_kdbg_value(r, s->offset, s->bytes);
		known += want != 0;
		for (size_t i = 0; want && i < r->layouts->n; i++) {
			struct rec_candidate *c = &r->layouts->v[i];
			uint64_t have = strchr(s->path, '.')
				? rec_offset(c, s->path)
				: rec_sizeof(c, s->path);
			if (have != want)
				rec_refute(c, g);
		}
	}
	return known;
}

/** The group's structures are as KDBG says. */
static bool prove_group(struct rec *r, struct psc_proof *p,
			const struct offset_slot *slots, enum rec_group g)
{
	size_t known = apply_slots(r, slots, g);
	if (!known || !rec_kdbg_value(r, slots[0].offset, slots[0].bytes)) {
		rec_says(r, p, "KDBG does not tell the size of %s",
			 slots[0].path);
		return false;
	}
	if (!rec_n_in(r, g)) {
		rec_says(r, p, "no layout of the family has %s of 0x%x bytes "
			 "and the offsets in KDBG", slots[0].path,
			 rec_kdbg_value(r, slots[0].offset, slots[0].bytes));
		return false;
	}
	rec_says(r, p, "size of %s and %zu offsets as in KDBG; %zu layouts fit",
		 slots[0].path, known - 1, rec_n_in(r, g));
	return true;
}

/** PsInitialSystemProcess points to process 4 "System". */
static bool is_system(const struct rec *r, const struct rec_candidate *c)
{
	char name[16] = "";
	uint64_t pid, off = rec_offset(c, "_EPROCESS.ImageFileName");
	return rec_get(r, c, r->system_process, "_EPROCESS.UniqueProcessId",
		       &pid) && pid == SYSTEM_PID &&
	       rec_read(r, r->system_process + off, name, 15) &&
	       !strcmp(name, "System");
}

/** The list's neighbours of System point back to it. */
static bool is_linked(const struct rec *r, const struct rec_candidate *c)
{
	uint64_t links = r->system_process +
			 rec_offset(c, "_EPROCESS.ActiveProcessLinks");
	uint64_t next, prev, back, forth;
	return rec_u64(r, links, &next) && rec_u64(r, links + 8, &prev) &&
	       rec_u64(r, next + 8, &back) && rec_u64(r, prev, &forth) &&
	       back == links && forth == links;
}

void rec_find_processes(struct rec *r, struct psc_proof *p)
{
	uint64_t var;
	if (!prove_group(r, p, process_slots, REC_PROCESS))
		return;
	if (!rec_symbol(r, "PsActiveProcessHead", &p->address)) {
		rec_says(r, p, "no list head");
		return;
	}
	for (size_t i = 0; i < r->layouts->n; i++) {
		struct rec_candidate *c = &r->layouts->v[i];
		if (!r->system_process && rec_in(c, REC_PROCESS) &&
		    rec_u64(r, p->address, &var))
			r->system_process = var - rec_offset(
				c, "_EPROCESS.ActiveProcessLinks");
		if (rec_in(c, REC_PROCESS) &&
		    (!is_system(r, c) || !is_linked(r, c)))
			rec_refute(c, REC_PROCESS);
	}
	if (!rec_n_in(r, REC_PROCESS)) {
		rec_says(r, p, "PsInitialSystemProcess is not process 4 "
			 "\"System\" in any layout");
		return;
	}
	p->proven = true;
	rec_says(r, p, "size of _EPROCESS and its offsets as in KDBG; process "
		 "4 is \"System\" and linked both ways; %zu layouts fit",
		 rec_n_in(r, REC_PROCESS));
	r->layouts->proven |= 1u << REC_PROCESS;
}

void rec_find_processors(struct rec *r, struct psc_proof *p)
{
	uint64_t block, prcb;
	uint32_t good = 0;
	const struct rec_candidate *c = NULL;
	if (!rec_symbol(r, "KiProcessorBlock", &block)) {
		rec_says(r, p, "KDBG does not tell where it is");
		return;
	}
	p->address = block;
	if (!prove_group(r, p, prcb_slots, REC_PRCB))
		return;
	for (size_t i = 0; i < r->layouts->n && !c; i++)
		if (rec_in(&r->layouts->v[i], REC_PRCB))
			c = &r->layouts->v[i];
	for (uint32_t i = 0; c && i < r->in.processors && i < 2048; i++) {
		uint64_t number;
		good += rec_u64(r, block + 8ULL * i, &prcb) && prcb &&
			rec_get(r, c, prcb, "_KPRCB.Number", &number) &&
			number == i;
	}
	p->proven = good > 0;
	rec_says(r, p, "%" PRIu32 " of %" PRIu32 " processors carry their own "
		 "number; size of _KPRCB as in KDBG", good, r->in.processors);
	if (p->proven)
		r->layouts->proven |= 1u << REC_PRCB;
}

void rec_find_threads(struct rec *r, struct psc_proof *p)
{
	p->proven = prove_group(r, p, thread_slots, REC_THREAD);
	if (p->proven)
		r->layouts->proven |= 1u << REC_THREAD;
}
