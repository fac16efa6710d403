// SPDX-License-Identifier: MIT
#include "sym/builtin.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sym/builtin_data.h"
#include "known_kernels.h"
#include "test.h"

static struct psc_sym *open_version(const char *version, const char *arch)
{
	size_t i;
	struct psc_sym *s;
	if (!psc_builtin_find_version(version, arch, &i))
		fail_msg("%s %s is not in the table", version, arch);
	CHECK_OK(psc_builtin_open(i, &s));
	return s;
}

static void check_value(struct psc_error *err, uint64_t got, uint32_t want,
			const char *name, const char *version)
{
	if (want == NONE) {
		if (!err)
			fail_msg("%s in %s: 0x%llx, want none", name, version,
				 (unsigned long long)got);
		assert_int_equal(err->code, PSC_ERR_ABSENT);
		psc_error_free(err);
		return;
	}
	if (err)
		fail_msg("%s in %s: %s", name, version, err->message);
	if (got != want)
		fail_msg("%s in %s: 0x%llx, want 0x%x", name, version,
			 (unsigned long long)got, want);
}

static void known_values(void **state)
{
	(void)state;
	for (int v = 0; v < N_KNOWN; v++) {
		const char *version = known_versions[v];
		struct psc_sym *s = open_version(version, "x64");
		uint64_t got = 0;
		for (size_t i = 0; i < sizeof(known_symbols) /
					       sizeof(known_symbols[0]); i++) {
			const struct known *k = &known_symbols[i];
			struct psc_error *err = psc_sym_rva(s, k->name, &got);
			check_value(err, got, k->value[v], k->name, version);
		}
		for (size_t i = 0; i < sizeof(known_sizes) /
					       sizeof(known_sizes[0]); i++) {
			const struct known *k = &known_sizes[i];
			struct psc_error *err =
				psc_sym_sizeof(s, k->name, &got);
			check_value(err, got, k->value[v], k->name, version);
		}
		for (size_t i = 0; i < sizeof(known_fields) /
					       sizeof(known_fields[0]); i++) {
			const struct known *k = &known_fields[i];
			struct psc_field f = { 0 };
			struct psc_error *err = psc_sym_field(s, k->name, &f);
			check_value(err, f.offset, k->value[v], k->name,
				    version);
		}
		psc_sym_free(s);
	}
}

static void old_globals(void **state)
{
	(void)state;
	for (int v = 0; v < 2; v++) {
		struct psc_sym *s = open_version(known_versions[v], "x64");
		for (size_t i = 0; i < sizeof(known_old_symbols) /
					       sizeof(known_old_symbols[0]);
		     i++) {
			uint64_t got = 0;
			struct psc_error *err = psc_sym_rva(
				s, known_old_symbols[i].name, &got);
			check_value(err, got, known_old_symbols[i].value[v],
				    known_old_symbols[i].name,
				    known_versions[v]);
		}
		psc_sym_free(s);
	}
}

static void identities(void **state)
{
	(void)state;
	size_t symbols = 0;
	for (size_t i = 0; i < psc_builtin_count(); i++)
		symbols += psc_builtin_at(i)->has_symbols;
	assert_int_equal(symbols, 213);
	assert_null(psc_builtin_at(psc_builtin_count()));
	for (int v = 0; v < N_KNOWN; v++) {
		size_t i, j;
		char text[33];
		assert_true(psc_builtin_find_version(known_versions[v], "x64",
						     &i));
		const struct psc_builtin_kernel *k = psc_builtin_at(i);
		psc_guid_text(k->id.guid, text);
		assert_string_equal(text, known_guids[v]);
		assert_string_equal(k->id.name, "ntkrnlmp.pdb");
		assert_int_equal(k->id.age, 1);
		assert_true(psc_builtin_find_pdb(&k->id, &j));
		assert_int_equal(i, j);
		struct psc_pdb_id other = k->id;
		other.age = 2;
		assert_false(psc_builtin_find_pdb(&other, &j));
	}
	size_t i;
	assert_false(psc_builtin_find_version("10.0.19041.1", "x64", &i));
	struct psc_sym *s;
	CHECK_ERR(psc_builtin_open(psc_builtin_count(), &s), PSC_ERR_USAGE);
}

/** Every kernel of the table opens, and knows itself by its symbols. */
static void every_kernel(void **state)
{
	(void)state;
	for (size_t i = 0; i < psc_builtin_count(); i++) {
		const struct psc_builtin_kernel *k = psc_builtin_at(i);
		struct psc_sym *s;
		struct psc_field f;
		struct psc_symname near;
		CHECK_OK(psc_builtin_open(i, &s));
		assert_string_equal(psc_sym_source(s), "builtin");
		assert_non_null(strstr(psc_sym_what(s), k->version));
		CHECK_OK(psc_sym_field(s, "_EPROCESS.UniqueProcessId", &f));
		assert_int_equal(f.size, strcmp(k->arch, "x86") ? 8 : 4);
		assert_int_equal(f.cls, PSC_TYPE_POINTER);
		if (!k->has_symbols) {
			uint64_t rva;
			CHECK_ERR(psc_sym_rva(s, "PoolTrackTable", &rva),
				  PSC_ERR_ABSENT);
			CHECK_ERR(psc_sym_nearest(s, 0x1000, &near),
				  PSC_ERR_ABSENT);
			psc_sym_free(s);
			continue;
		}
		struct psc_builtin_clue clue[2] = {
			{ "PsActiveProcessHead", 0 }, { "PoolTrackTable", 0 },
		};
		CHECK_OK(psc_sym_rva(s, clue[0].name, &clue[0].rva));
		CHECK_OK(psc_sym_rva(s, clue[1].name, &clue[1].rva));
		CHECK_OK(psc_sym_nearest(s, clue[1].rva + 3, &near));
		assert_string_equal(near.name, "PoolTrackTable");
		assert_int_equal(near.rva, clue[1].rva);
		size_t match[64], n, hit = 0;
		n = psc_builtin_match(clue, 2, match, 64);
		assert_in_range(n, 1, 64);
		for (size_t j = 0; j < n; j++)
			hit += match[j] == i;
		assert_int_equal(hit, 1);
		psc_sym_free(s);
	}
}

static void clues(void **state)
{
	(void)state;
	size_t match[4];
	struct psc_builtin_clue clue[3] = {
		{ "MiState", 0xc4c880 }, { "PsActiveProcessHead", 0xc1e090 },
		{ "no such name", 1 },
	};
	assert_int_equal(psc_builtin_match(clue, 3, match, 4), 1);
	assert_string_equal(psc_builtin_at(match[0])->version,
			    "10.0.19041.3570");
	clue[1].rva++;		// one disagreement is enough
	assert_int_equal(psc_builtin_match(clue, 3, match, 4), 0);
	// Nothing known is no match, not every match.
	assert_int_equal(psc_builtin_match(clue + 2, 1, match, 4), 0);
	assert_int_equal(psc_builtin_match(clue, 0, match, 4), 0);
}

static void hiding(void **state)
{
	(void)state;
	size_t all = psc_builtin_count(), i;
	psc_builtin_hide("10.0.19041.804", 0);
	assert_int_equal(psc_builtin_count(), all - 1);
	assert_false(psc_builtin_find_version("10.0.19041.804", "x64", &i));
	assert_true(psc_builtin_find_version("10.0.19041.746", "x64", &i));
	psc_builtin_hide("10.0.19041.804", 63);	// .746, .804, .867
	assert_int_equal(psc_builtin_count(), all - 3);
	assert_false(psc_builtin_find_version("10.0.19041.867", "x64", &i));
	assert_true(psc_builtin_find_version("10.0.20348.2400", "x64", &i));
	struct psc_builtin_clue clue = { "MiState", 0xc59000 };
	size_t match[8];
	assert_true(psc_builtin_match(&clue, 1, match, 8) >= 1);
	bool found = false;
	for (size_t j = 0; j < 8 && !found; j++)
		found = match[j] == i;
	assert_true(found);	// indexes are those of the shortened table
	psc_builtin_hide(NULL, 0);
	assert_int_equal(psc_builtin_count(), all);
}

static void images(void **state)
{
	(void)state;
	struct psc_builtin_image image;
	assert_true(psc_builtin_find_image(0x0d8333e6, 0x1046000, &image));
	assert_string_equal(image.version, "10.0.19041.804");
	assert_string_equal(image.file, "ntoskrnl.exe");
	assert_string_equal(image.arch, "x64");
	assert_true(psc_builtin_find_image(0x54be00cf, 0x80b000, &image));
	assert_string_equal(image.version, "10.0.9926.0");
	assert_false(psc_builtin_find_image(0x0d8333e6, 0x1045000, &image));
	assert_false(psc_builtin_find_image(0, 0, &image));
	assert_false(psc_builtin_find_image(UINT32_MAX, 0x1046000, &image));
}

/** Bit fields that the published layouts got wrong, and their like. */
static void repaired_bits(void **state)
{
	static const struct {
		const char *version, *path;
		unsigned int offset, bit, bits;
	} want[] = {
		{ "10.0.22631.2428", "_HEAP_VS_CHUNK_HEADER_SIZE.UnsafeSize",
		  2, 0, 16 },
		{ "10.0.22621.382", "_HEAP_VS_CHUNK_HEADER_SIZE.UnsafeSize",
		  2, 0, 16 },
		{ "10.0.19041.804", "_HEAP_VS_CHUNK_HEADER_SIZE.Allocated",
		  6, 0, 8 },
		{ "10.0.26100.0", "_HEAP_VS_CHUNK_HEADER_SIZE.UnsafeSize",
		  2, 0, 16 },
		{ "10.0.22621.382", "_HEAP_SEG_CONTEXT.Flags.FullDecommit",
		  0xd, 3, 1 },
		{ "10.0.22631.2428", "_POOL_TRACKER_BIG_PAGES.SlushSize",
		  0xe, 4, 12 },
		{ "10.0.22631.2428", "_MMPAGING_FILE.VirtualStorePagefile",
		  0xcc, 6, 1 },
		{ "10.0.22631.2428", "_MMPTE.u.Soft.SwizzleBit", 0, 4, 1 },
		{ "10.0.19041.804", "_MMPTE.u.Soft.PageFileHigh", 4, 0, 32 },
		{ "6.1.7601.24540", "_POOL_HEADER.PoolType", 3, 0, 8 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct psc_sym *s = open_version(want[i].version, "x64");
		struct psc_field f;
		struct psc_error *err = psc_sym_field(s, want[i].path, &f);
		if (err)
			fail_msg("%s: %s", want[i].path, err->message);
		if (f.offset != want[i].offset || f.bit != want[i].bit ||
		    f.bits != want[i].bits)
			fail_msg("%s in %s: 0x%llx bit %u, %u bits",
				 want[i].path, want[i].version,
				 (unsigned long long)f.offset, f.bit, f.bits);
		psc_sym_free(s);
	}
}

/** Kernels with layouts only: newer ones, x86, ARM64. */
static void typed_kernels(void **state)
{
	static const struct {
		const char *version, *arch, *path;
		unsigned int offset;
	} want[] = {
		{ "10.0.22621.382", "x64", "_MI_SYSTEM_INFORMATION.Vs",
		  0x4340 },
		{ "10.0.22631.2428", "x64", "_MI_SYSTEM_INFORMATION.Vs",
		  0x4440 },
		{ "10.0.22631.2428", "x64",
		  "_MI_PARTITION.Vp.TotalCommittedPages", 0x44a8 },
		{ "10.0.26100.0", "x64", "_MI_SYSTEM_INFORMATION.Vs.BootCommit",
		  0xab98 },
		{ "10.0.26100.0", "x64",
		  "_MI_PARTITION.Vp.ResidentAvailablePages", 0x4940 },
		{ "10.0.26100.0", "x64", "_EPROCESS.ActiveProcessLinks",
		  0x1d8 },
		{ "10.0.26100.0", "x64", "_SEGMENT_HEAP.VsContext", 0x2c0 },
		{ "10.0.26100.0", "x64",
		  "_EX_POOL_HEAP_MANAGER_STATE.PoolNode", 0x3940 },
		{ "10.0.18305.0", "arm64", "_MI_SYSTEM_INFORMATION.Vs",
		  0x2580 },
		{ "10.0.18305.0", "arm64", "_EPROCESS.ActiveProcessLinks",
		  0x2a8 },
		{ "10.0.19041.1288", "x86", "_POOL_TRACKER_TABLE.PagedAllocs",
		  0x20 },
		{ "6.1.7601.17514", "x86", "_POOL_TRACKER_TABLE.PagedBytes",
		  0x18 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct psc_sym *s = open_version(want[i].version,
						 want[i].arch);
		struct psc_field f = { 0 };
		struct psc_error *err = psc_sym_field(s, want[i].path, &f);
		check_value(err, f.offset, want[i].offset, want[i].path,
			    want[i].version);
		psc_sym_free(s);
	}
}

static void data_is_small(void **state)
{
	(void)state;
	assert_memory_equal(psc_builtin_data, PSC_BUILTIN_MAGIC, 8);
	assert_in_range(psc_builtin_data_size, 100 << 10, 600 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(old_globals),
		cmocka_unit_test(identities),
		cmocka_unit_test(every_kernel),
		cmocka_unit_test(clues),
		cmocka_unit_test(hiding),
		cmocka_unit_test(images),
		cmocka_unit_test(repaired_bits),
		cmocka_unit_test(typed_kernels),
		cmocka_unit_test(data_is_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
