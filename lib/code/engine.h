// SPDX-License-Identifier: MIT
/** @file
 * Analysis of one image: what its addresses mean, and the functions that
 * were looked at. Inner header of lib/code.
 */
#ifndef PSC_CODE_ENGINE_H
#define PSC_CODE_ENGINE_H

#include "base/map.h"
#include "code/allocators.h"
#include "code/state.h"

/** What a pointer to code stands for. */
struct psc_target {
	int16_t api;		/**< Row of engine's apis, or -1. */
	uint8_t helper;		/**< enum psc_helper. */
	bool external;		/**< Something else outside the image. */
};

/** Names of addresses outside the image, shared by all images. */
struct psc_names {
	/** Export at @p address, or NULL. Thread-safe. */
	const char *(*at)(const void *ctx, uint64_t address,
			  const char **module);
	const void *ctx;
};

struct psc_block {
	uint32_t rva;
	uint32_t first, n;	/**< In the function's insns. */
	uint32_t visits;
	bool queued, decoded;
	bool loop;		/**< A jump backwards leads here. */
	struct psc_state *in;	/**< NULL: not reached. */
};

/** A call of an allocator or of a local function, with the state at it. */
struct psc_call {
	uint32_t rva;
	uint32_t target;	/**< Local function, or 0. */
	int16_t api;
	bool tail;		/**< A jump: the stack still holds the caller's
				     return address. */
	bool beside;		/**< The tag is an immediate of this block. */
	struct psc_state *state;
};

struct psc_fn {
	uint32_t begin;
	bool limited;		/**< Gave up: values are not to be trusted. */
	bool done;
	PSC_VEC(struct psc_insn) insns;
	PSC_VEC(uint8_t) reached; /**< By instruction. */
	PSC_VEC(uint32_t) block_of;
	PSC_VEC(struct psc_block) blocks;
	struct psc_map insn_at, block_at; /**< RVA to index + 1. */
	PSC_VEC(struct psc_call) calls;	/**< Sorted by rva. */
};

/** Effect of a local function on its caller. */
struct psc_summary {
	uint64_t clobbers;
	uint32_t pops;		/**< x86: bytes removed by ret. */
	bool returns, known_pops, done;
};

/** Place where a function outside .pdata may begin. */
struct psc_start {
	uint32_t rva;
	bool weak;		/**< A jump or pointer leads there, no call. */
};

/** A store to a variable of the image. */
struct psc_store {
	uint32_t global, rva, size;
	psc_vid v;
};

struct psc_engine {
	const struct psc_flat *flat;
	const struct psc_names *names;
	struct psc_decoder dec;
	struct psc_vals vals;
	struct psc_pe_functions pdata;
	struct psc_pe_imports imports;
	struct psc_pe_exports exports;
	PSC_VEC(struct psc_api) apis;
	unsigned int n_named;	/**< apis that have a name to import. */
	struct psc_map slots;	/**< Import slot RVA to packed target. */
	struct psc_map direct;	/**< Call target (signed RVA) to the same. */
	struct psc_map routines; /**< Variable that holds an allocator. */
	uint32_t wdf_table;	/**< RVA of the KMDF function table, or 0. */
	uint32_t guard_dispatch; /**< Slot of guarded calls, or 0. */
	PSC_VEC(struct psc_start) starts; /**< Outside .pdata, sorted. */
	bool starts_known;
	struct psc_map fns;	/**< begin to index + 1 in fn. */
	PSC_VEC(struct psc_fn *) fn;
	struct psc_map summaries; /**< begin to index + 1. */
	PSC_VEC(struct psc_summary) summary;
	PSC_VEC(struct psc_store) stores;
	struct psc_map store_seen; /**< Store instructions already noted. */
	uint64_t budget;	/**< Instructions that may still be visited. */
	bool limited;
	bool oom;
};

// --- engine.c ---------------------------------------------------------------
PSC_NODISCARD struct psc_error *
psc_engine_open(struct psc_engine *e, const struct psc_flat *flat,
		const struct psc_names *names, const struct psc_api *extra,
		size_t n_extra);
void psc_engine_close(struct psc_engine *e);

static inline uint64_t psc_target_pack(struct psc_target t)
{
	return (uint64_t)(uint16_t)(t.api + 1) | (uint64_t)t.helper << 16 |
	       (uint64_t)t.external << 24 | (uint64_t)1 << 32;
}
static inline struct psc_target psc_target_unpack(uint64_t v)
{
	return (struct psc_target){ (int16_t)((v & 0xffff) - 1),
				    (uint8_t)(v >> 16), v >> 24 & 1 };
}
struct psc_target psc_engine_named(const struct psc_engine *e,
				   const char *module, const char *name);
/** Meaning of a direct call of signed RVA @p to. */
struct psc_target psc_engine_direct(const struct psc_engine *e, int64_t to);

// --- bounds.c ---------------------------------------------------------------
/** .pdata entry around @p rva, or NULL. */
const struct psc_pe_function *psc_bounds_entry(const struct psc_engine *e,
					       uint32_t rva);
/** Start of the function around @p rva, by .pdata or the best guess. */
uint32_t psc_bounds_function(struct psc_engine *e, uint32_t rva);
/** Same, from calls and exports alone: jump tables point into functions. */
uint32_t psc_bounds_called(struct psc_engine *e, uint32_t rva);
/** The bytes before @p rva end something: no code falls through to it. */
bool psc_bounds_after_end(const struct psc_flat *f, uint32_t rva);
/** @p rva is a function's start by .pdata, or called outside of it. */
bool psc_bounds_is_called(struct psc_engine *e, uint32_t rva);
/** A jump to @p rva leaves the function. */
bool psc_bounds_is_start(struct psc_engine *e, uint32_t rva);

// --- summary.c --------------------------------------------------------------
struct psc_summary psc_summary_of(struct psc_engine *e, uint32_t begin);

// --- flow.c -----------------------------------------------------------------
/**
 * The analysed function that starts at @p begin; @p wanted are places that
 * must be looked at even when no path leads there. NULL: out of memory.
 */
struct psc_fn *psc_flow_function(struct psc_engine *e, uint32_t begin,
				 const uint32_t *wanted, size_t n_wanted);
void psc_flow_free(struct psc_fn *f);

// --- eval.c -----------------------------------------------------------------
/** What happens after an instruction. */
enum psc_next {
	PSC_NEXT,		/**< The following instruction. */
	PSC_NEXT_JUMP,		/**< Target only. */
	PSC_NEXT_BOTH,
	PSC_NEXT_TABLE,		/**< Indirect jump: value in psc_eval.jump. */
	PSC_NEXT_END,
};
struct psc_eval {
	struct psc_engine *e;
	struct psc_fn *fn;
	struct psc_state *s;
	bool record;
	uint32_t target;
	psc_vid jump;
	const struct psc_insn *insn; /**< Being evaluated. */
	bool plain_next;	/**< x86: next removes arguments itself. */
};
enum psc_next psc_eval_insn(struct psc_eval *x, const struct psc_insn *in);
psc_vid psc_eval_load(struct psc_eval *x, psc_vid address, unsigned int size);
psc_vid psc_eval_opnd(struct psc_eval *x, const struct psc_opnd *o,
		      unsigned int size);
psc_vid psc_eval_initial(void *ctx, int32_t off, uint32_t size);

// --- call.c -----------------------------------------------------------------
enum psc_next psc_eval_call(struct psc_eval *x, const struct psc_insn *in);
enum psc_next psc_eval_jump(struct psc_eval *x, const struct psc_insn *in);
/** Value of a location at a call. */
psc_vid psc_call_value(struct psc_engine *e, const struct psc_call *c,
		       uint8_t loc);
/** size bytes behind a pointer that is passed at a call. */
psc_vid psc_call_memory(struct psc_engine *e, const struct psc_call *c,
			psc_vid pointer, int64_t off, unsigned int size);

// --- scan.c -----------------------------------------------------------------
/** Places whose 32-bit field refers to one of the wanted RVAs. */
struct psc_refs {
	PSC_VEC(uint32_t) v;	/**< RVA of the field (ARM64: instruction). */
};
struct psc_wanted {
	struct psc_map set;	/**< Signed RVAs as u64. */
	uint8_t *low;		/**< Bitmap by low 16 bits. */
};
bool psc_wanted_init(struct psc_wanted *w);
bool psc_wanted_add(struct psc_wanted *w, int64_t rva);
void psc_wanted_free(struct psc_wanted *w);
/** @return false when out of memory. */
bool psc_scan_refs(const struct psc_engine *e, const struct psc_wanted *w,
		   struct psc_refs *ret);

// --- sites.c ----------------------------------------------------------------
struct psc_wrapper {
	const char *export;	/**< Borrowed from the engine's exports. */
	struct psc_api api;
};
struct psc_site_list {
	PSC_VEC(struct psc_callsite) v;
	PSC_VEC(struct psc_wrapper) wrappers;
	bool oom;
};
/** All sites of the image. */
void psc_sites_find(struct psc_engine *e, struct psc_site_list *out);

#endif
