// SPDX-License-Identifier: MIT
// The one place where a kernel's names and layouts come from.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "kernel/kernel_impl.h"
#include "sym/sym_join.h"

/** A way to names. &psc_absent: not this way, try the next. */
struct source {
	const char *what;
	struct psc_error *(*open)(struct psc_kernel *k, struct psc_sym **ret);
};

// --- built-in table --------------------------------------------------------

static const char *table_arch(const struct psc_kernel *k)
{
	return k->h->arch == PSC_ARCH_X86_PAE ? "x86"
					      : psc_arch_name(k->h->arch);
}

static void set_version(struct psc_kernel *k, const char *version)
{
	snprintf(k->version, sizeof(k->version), "%s", version);
}

// The table knows the PDB of each of its kernels: when the dump lost its own,
// that identity is as good.
static struct psc_error *open_builtin(struct psc_kernel *k, size_t i,
				      struct psc_sym **ret)
{
	const struct psc_builtin_kernel *b = psc_builtin_at(i);
	struct psc_error *err = psc_builtin_open(i, ret);

	if (!err && !k->pdb.known && *k->version &&
	    !strcmp(k->version, b->version))
		k->pdb = b->id;
	return err;
}

static struct psc_error *by_pdb(struct psc_kernel *k, struct psc_sym **ret)
{
	size_t i;

	if (!k->pdb.known || !psc_builtin_find_pdb(&k->pdb, &i))
		return &psc_absent;
	set_version(k, psc_builtin_at(i)->version);
	return open_builtin(k, i, ret);
}

// By the PE header's time stamp and size (newer-kernels 1).
static struct psc_error *by_image(struct psc_kernel *k, struct psc_sym **ret)
{
	size_t i;

	// A PDB identity that is not in the table speaks against its kernels.
	if (k->pdb.known || !*k->version ||
	    !psc_builtin_find_version(k->version, table_arch(k), &i) ||
	    !psc_builtin_at(i)->has_symbols)
		return &psc_absent;
	return open_builtin(k, i, ret);
}

// KDBG slots that hold the address of a variable under its own name, filled
// on every kernel seen (dump-format 3.4).
static const struct {
	uint16_t slot;
	const char *name;
} slots[] = {
	{ 0x048, "PsLoadedModuleList" }, { 0x050, "PsActiveProcessHead" },
	{ 0x058, "PspCidTable" }, { 0x078, "KeTimeIncrement" },
	{ 0x080, "KeBugCheckCallbackListHead" }, { 0x088, "KiBugCheckData" },
	{ 0x098, "ObpRootDirectoryObject" }, { 0x0a0, "ObpTypeObjectType" },
	{ 0x0c0, "MmPfnDatabase" }, { 0x140, "MmSizeOfPagedPoolInBytes" },
	{ 0x1b8, "PoolTrackTable" }, { 0x1c8, "MmHighestUserAddress" },
	{ 0x1d0, "MmSystemRangeStart" }, { 0x1d8, "MmUserProbeAddress" },
	{ 0x218, "KiProcessorBlock" }, { 0x220, "MmUnloadedDrivers" },
	{ 0x228, "MmLastUnloadedDriver" }, { 0x248, "MmVerifierData" },
	{ 0x268, "CmNtCSDVersion" }, { 0x270, "MmPhysicalMemoryBlock" },
};
#define MAX_CLUES (PSC_ARRAY_SIZE(slots) + 4)
// Fewer say too little.
#define MIN_CLUES 4

static void add_clue(const struct psc_kernel *k, struct psc_builtin_clue *c,
		     size_t *n, const char *name, uint64_t va)
{
	if (va > k->base && va - k->base < k->size)
		c[(*n)++] = (struct psc_builtin_clue){ name, va - k->base };
}

static size_t collect_clues(const struct psc_kernel *k,
			    struct psc_builtin_clue c[MAX_CLUES])
{
	size_t n = 0;
	uint64_t va;

	add_clue(k, c, &n, "KdDebuggerDataBlock",
		 k->kdbg.va ? k->kdbg.va : k->h->kdbg.set ? k->h->kdbg.v : 0);
	add_clue(k, c, &n, "PsLoadedModuleList", k->h->loaded_module_list);
	add_clue(k, c, &n, "PsActiveProcessHead", k->h->active_process_head);
	// The header holds the variable's address or the array's: the first
	// lies inside the image (dump-format 1.7).
	add_clue(k, c, &n, "MmPfnDatabase", k->h->pfn_database);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(slots); i++) {
		if (psc_kernel_kdbg(k, slots[i].slot, &va))
			add_clue(k, c, &n, slots[i].name, va);
	}
	return n;
}

// Names whose addresses must agree before one of several kernels is used.
static const char *const key_names[] = {
	"MiState", "MiSystemPartition", "MiVisibleState", "ExPoolState",
	"ExPoolTagTables", "PoolTrackTableSize", "PoolTrackTableExpansion",
	"PoolTrackTableExpansionSize", "PoolBigPageTable",
	"PoolBigPageTableSize", "PoolVector", "NonPagedPoolDescriptor",
	"ExpNonPagedPoolDescriptor", "ExpPagedPoolDescriptor",
	"ExpPoolQuotaCookie", "RtlpHpHeapGlobals", "MmTotalCommittedPages",
	"MmAvailablePages", "ExPoolFailures",
};

static bool same_names(const struct psc_sym *a, const struct psc_sym *b)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(key_names); i++) {
		uint64_t x = 0, y = 0;
		psc_error_free(psc_sym_rva(a, key_names[i], &x));
		psc_error_free(psc_sym_rva(b, key_names[i], &y));
		if (x != y)
			return false;
	}
	return true;
}

// Are all candidates the same kernel as far as poolscope reads it?
static bool interchangeable(const struct psc_sym *first, const size_t *match,
			    size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct psc_sym *other;

		if (psc_builtin_at(match[i])->layout !=
		    psc_builtin_at(match[0])->layout)
			return false;
		struct psc_error *err = psc_builtin_open(match[i], &other);
		psc_error_free(err);
		if (err)
			return false;
		bool same = same_names(first, other);
		psc_sym_free(other);
		if (!same)
			return false;
	}
	return true;
}

static void note_candidates(struct psc_kernel *k, const size_t *match,
			    size_t n, bool used)
{
	struct psc_str s = { 0 };

	for (size_t i = 0; i < n; i++)
		psc_str_addf(&s, "%s%s", i ? ", " : "",
			     psc_builtin_at(match[i])->version);
	char *list = psc_str_take(&s);
	if (list)
		psc_kernel_add_note(k, "%s: %s", used
			? "several kernels of the table fit and are alike"
			: "several kernels of the table fit and differ", list);
	free(list);
}

#define MAX_CANDIDATES 32

static struct psc_error *by_clues(struct psc_kernel *k, struct psc_sym **ret)
{
	struct psc_builtin_clue clues[MAX_CLUES];
	size_t match[MAX_CANDIDATES], n_clues = collect_clues(k, clues);
	struct psc_sym *sym;

	if (k->pdb.known || n_clues < MIN_CLUES || k->ptr != 8)
		return &psc_absent;
	size_t n = psc_builtin_match(clues, n_clues, match, MAX_CANDIDATES);
	if (!n || n > MAX_CANDIDATES)
		return &psc_absent;
	if (n == 1)
		set_version(k, psc_builtin_at(match[0])->version);
	struct psc_error *err = open_builtin(k, match[0], &sym);
	if (err)
		return err;
	bool used = interchangeable(sym, match, n);
	if (n > 1)
		note_candidates(k, match, n, used);
	if (!used) {
		psc_sym_free(sym);
		return &psc_absent;
	}
	*ret = sym;
	return NULL;
}

// --- recovery --------------------------------------------------------------

// Exact version from the image's own resources, for kernels that no list has.
static void version_by_resource(struct psc_kernel *k)
{
	struct psc_pe_version v;

	if (*k->version || !k->has_pe)
		return;
	struct psc_error *err = psc_pe_version(&k->pe, &v);
	if (!err) {
		snprintf(k->version, sizeof(k->version), "%u.%u.%u.%u",
			 v.file[0], v.file[1], v.file[2], v.file[3]);
		psc_pe_version_free(&v);
	}
	psc_error_free(err);
}

static struct psc_error *by_recovery(struct psc_kernel *k,
				     struct psc_sym **ret)
{
	version_by_resource(k);
	struct psc_recover_input in = {
		.mem = k->mem, .pe = psc_kernel_pe(k),
		.base = k->base, .size = k->size,
		.kdbg = k->kdbg.size ? k->kdbg.bytes : NULL,
		.kdbg_size = k->kdbg.size,
		.arch = table_arch(k), .family = psc_kernel_family(k),
		.version = psc_kernel_version(k),
		.processors = k->h->processors,
		.active_process_head = k->h->active_process_head,
	};

	if (!k->base || psc_mem_is_sparse(k->mem))
		return &psc_absent;
	struct psc_error *err = psc_recover(&in, &k->recovered);
	if (!err)
		*ret = k->recovered->sym;
	return err;
}

// --- the order -------------------------------------------------------------

// Most exact first. To add a source: a function and its row. The user's own
// symbols go before these; see psc_source_choose().
static const struct source sources[] = {
	{ "built-in table by PDB identity", by_pdb },
	{ "built-in table by PE header", by_image },
	{ "built-in table by addresses", by_clues },
	{ "recovery from the dump", by_recovery },
};

// Is it a kernel that reports the header's build number?
static bool fits_header(const struct psc_kernel *k, const char *version)
{
	uint32_t build;

	return !k->h->build || sscanf(version, "%*u.%*u.%" SCNu32, &build) != 1 ||
	       psc_kernel_family_of(build) ==
		       psc_kernel_family_of(k->h->build);
}

// Exact version of an image that may not be in the table of layouts.
static void version_by_image(struct psc_kernel *k)
{
	struct psc_builtin_image image;

	if (!k->timestamp ||
	    !psc_builtin_find_image(k->timestamp, k->image_size, &image) ||
	    strcmp(image.arch, table_arch(k)) != 0)
		return;
	if (fits_header(k, image.version))
		set_version(k, image.version);
	else
		psc_kernel_add_note(k, "the kernel image has the time stamp and "
				    "size of %s, the header says build %" PRIu32
				    ": neither is taken for the exact version",
				    image.version, k->h->build);
}

static void say_wanted(struct psc_kernel *k)
{
	char guid[33];
	int n;

	if (k->pdb.known) {
		psc_guid_text(k->pdb.guid, guid);
		n = asprintf(&k->wanted,
			     "this kernel%s%s needs %s, GUID %s, age %" PRIu32
			     ": put it at DIR/%s/%s%" PRIX32 "/%s and name DIR "
			     "with --symbols", *k->version ? " " : "",
			     k->version, k->pdb.name, guid, k->pdb.age,
			     k->pdb.name, guid, k->pdb.age, k->pdb.name);
	} else if (k->timestamp) {
		n = asprintf(&k->wanted,
			     "this kernel%s%s does not show its PDB identity in "
			     "the dump: the PDB of the ntoskrnl.exe with time "
			     "stamp %08" PRIX32 " and image size %" PRIx32
			     " is needed (--symbols)", *k->version ? " " : "",
			     k->version, k->timestamp, k->image_size);
	} else {
		n = asprintf(&k->wanted, "no kernel image was found in the "
			     "dump, so no PDB can be named");
	}
	if (n < 0)
		k->wanted = NULL;
}

static struct psc_error *first_source(struct psc_kernel *k)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(sources) && !k->sym; i++) {
		struct psc_error *err = sources[i].open(k, &k->sym);
		if (err == &psc_nomem)
			return err;
		if (err && err != &psc_absent)
			psc_kernel_add_note(k, "%s: %s", sources[i].what,
					    err->message);
		psc_error_free(err);
	}
	return NULL;
}

// A file of names alone, or of layouts alone, is completed by the next source.
static struct psc_error *complete(struct psc_kernel *k, struct psc_sym *user)
{
	struct psc_error *err = first_source(k);

	if (err) {
		psc_sym_free(user);
		return err;
	}
	if (k->sym)
		return psc_sym_join(user, PSC_TAKE(k->sym), &k->sym);
	k->sym = user;
	return NULL;
}

static struct psc_error *users_source(struct psc_kernel *k)
{
	struct psc_sym *user;
	size_t i;
	struct psc_error *err = psc_symbols_of_user(k, &user);

	if (err)
		return err;
	if (k->pdb.known && psc_builtin_find_pdb(&k->pdb, &i))
		set_version(k, psc_builtin_at(i)->version);
	else
		version_by_resource(k);
	if (!psc_symbols_are_whole(user))
		return complete(k, user);
	k->sym = user;
	return NULL;
}

struct psc_error *psc_source_choose(struct psc_kernel *k)
{
	struct psc_error *err = psc_symbols_open_store(k);

	if (err)
		return err;
	version_by_image(k);
	err = users_source(k);
	if (psc_error_catch(&err, PSC_ERR_ABSENT))
		err = first_source(k);
	if (err)
		return err;
	if (!k->sym || k->recovered)
		say_wanted(k);
	return NULL;
}
