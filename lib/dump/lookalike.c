// SPDX-License-Identifier: MIT
#include "dump/lookalike.h"

#include <string.h>

#include "base/bytes.h"

struct lookalike {
	size_t offset;
	const char *magic;
	size_t len;
	const char *name;
	const char *advice;
};

#define UNPACK "unpack it first"
#define MACHINE "it is no crash dump; take one with CrashOnCtrlScroll or " \
		"convert it with the tool of its hypervisor"

static const struct lookalike table[] = {
	{ 0, "MDMP", 4, "a user-mode minidump (MDMP)",
	  "it shows one process; a kernel dump is needed" },
	{ 0, "hibr", 4, "a hibernation file", "a crash dump is needed" },
	{ 0, "HIBR", 4, "a hibernation file", "a crash dump is needed" },
	{ 0, "wake", 4, "a hibernation file", "a crash dump is needed" },
	{ 0, "WAKE", 4, "a hibernation file", "a crash dump is needed" },
	{ 0, "MSCF", 4, "a cabinet file", UNPACK },
	{ 0, "\x7f" "ELF", 4, "an ELF file", MACHINE },
	{ 0, "7z\xbc\xaf\x27\x1c", 6, "a 7z archive", UNPACK },
	{ 0, "Rar!", 4, "a RAR archive", UNPACK },
	{ 0, "\xfd" "7zXZ", 5, "an xz file", UNPACK },
	{ 0, "BZh", 3, "a bzip2 file", UNPACK },
	{ 0, "\x28\xb5\x2f\xfd", 4, "a zstd file", UNPACK },
	{ 0, "\x1f\x8b", 2, "a gzip file inside another archive", UNPACK },
	{ 0, "PK\x03\x04", 4, "a zip file inside another archive", UNPACK },
	{ 0x101, "ustar", 5, "a tar archive", UNPACK },
	{ 0, "KDMV", 4, "a VMDK disk", MACHINE },
	{ 0, "# Disk DescriptorFile", 21, "a VMDK descriptor", MACHINE },
	{ 0, "QFI\xfb", 4, "a qcow2 disk", MACHINE },
	{ 0, "vhdxfile", 8, "a VHDX disk", MACHINE },
	{ 0, "conectix", 8, "a VHD disk", MACHINE },
	{ 0, "\xd0\xbe\xd2\xbe", 4, "a VMware snapshot state", MACHINE },
	{ 0, "\xd1\xba\xd1\xba", 4, "a VMware snapshot state", MACHINE },
	{ 0, "\xd2\xbe\xd2\xbe", 4, "a VMware snapshot state", MACHINE },
	{ 0, "\xd3\xbe\xd3\xbe", 4, "a VMware snapshot state", MACHINE },
	{ 0, "EMiL", 4, "a LiME memory image", MACHINE },
	{ 0, "EVF\x09\x0d\x0a\xff", 7, "an EnCase image", MACHINE },
	{ 0, "MZ", 2, "a Windows program", "a crash dump is needed" },
};

struct psc_error *psc_lookalike_error(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < PSC_ARRAY_SIZE(table); i++) {
		const struct lookalike *l = &table[i];
		if (n >= l->offset + l->len &&
		    !memcmp(p + l->offset, l->magic, l->len))
			return psc_error_new(PSC_ERR_UNSUPPORTED,
					     "this is %s, not a kernel crash "
					     "dump: %s", l->name, l->advice);
	}
	if (n >= 4 && !memcmp(p, "PAGE", 4))
		return psc_error_at(PSC_ERR_DAMAGED, PSC_WHERE_OFFSET, 4,
				    "dump header: starts with PAGE, but ValidDump "
				    "at 0x4 is neither DUMP nor DU64");
	if (n < 8)
		return psc_error_at(PSC_ERR_TRUNCATED, PSC_WHERE_OFFSET, 0,
				    "dump header: need 8 bytes at 0x0, have %zu",
				    n);
	return psc_error_new(PSC_ERR_UNSUPPORTED,
			     "not a Windows crash dump: it starts with neither "
			     "PAGEDUMP nor PAGEDU64 (a raw memory image has no "
			     "header: convert it to a crash dump first)");
}
