// SPDX-License-Identifier: MIT
#include "kernel/ldr.h"

#include "base/bytes.h"
#include "kernel/kernel_impl.h"

enum ldr_field {
	LDR_DLL_BASE,
	LDR_SIZE_OF_IMAGE,
	LDR_FULL_DLL_NAME,
	LDR_BASE_DLL_NAME,
	LDR_TIME_DATE_STAMP,
};

// (dump-format 5.1). TimeDateStamp: kernel entries of 14393 and later.
static const struct {
	const char *path;
	uint8_t offset64, offset32;
} fields[] = {
	[LDR_DLL_BASE] = { "_KLDR_DATA_TABLE_ENTRY.DllBase", 0x30, 0x18 },
	[LDR_SIZE_OF_IMAGE] = {
		"_KLDR_DATA_TABLE_ENTRY.SizeOfImage", 0x40, 0x20 },
	[LDR_FULL_DLL_NAME] = {
		"_KLDR_DATA_TABLE_ENTRY.FullDllName", 0x48, 0x24 },
	[LDR_BASE_DLL_NAME] = {
		"_KLDR_DATA_TABLE_ENTRY.BaseDllName", 0x58, 0x2c },
	[LDR_TIME_DATE_STAMP] = {
		"_KLDR_DATA_TABLE_ENTRY.TimeDateStamp", 0x9c, 0x58 },
};
#define FIRST_BUILD_WITH_STAMP 14393

static uint64_t offset_of(const struct psc_kernel *k, enum ldr_field i)
{
	struct psc_field f;
	struct psc_error *err = psc_kernel_field(k, fields[i].path, &f);

	psc_error_free(err);
	if (!err)
		return f.offset;
	return k->ptr == 8 ? fields[i].offset64 : fields[i].offset32;
}

static bool get(const struct psc_kernel *k, struct psc_mem *m, uint64_t va,
		enum ldr_field i, unsigned int bytes, uint64_t *ret)
{
	*ret = 0;
	return psc_mem_read(m, va + offset_of(k, i), ret, bytes, NULL) == bytes;
}

bool psc_ldr_entry(const struct psc_kernel *k, struct psc_mem *m, uint64_t va,
		   struct psc_ldr_entry *ret)
{
	struct psc_ldr_entry e = { 0 };
	uint64_t stamp;

	if (!get(k, m, va, LDR_DLL_BASE, k->ptr, &e.base) ||
	    !get(k, m, va, LDR_SIZE_OF_IMAGE, 4, &e.size))
		return false;
	if (k->h->build >= FIRST_BUILD_WITH_STAMP &&
	    get(k, m, va, LDR_TIME_DATE_STAMP, 4, &stamp)) {
		e.timestamp = (uint32_t)stamp;
		e.has_timestamp = stamp;
	}
	e.full_name = va + offset_of(k, LDR_FULL_DLL_NAME);
	e.base_name = va + offset_of(k, LDR_BASE_DLL_NAME);
	*ret = e;
	return true;
}
