// SPDX-License-Identifier: MIT
#include "dump/header.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

#define FILL32 0x45474150u
#define FILL64 UINT64_C(0x4547415045474150)
#define FILL_MEMPROCFS32 0x58585858u
#define FILL_MEMPROCFS64 UINT64_C(0x5858585858585858)

#define MACHINE_X86 0x014cu
#define MACHINE_IA64 0x0200u
#define MACHINE_ARM32 0x01c4u
#define MACHINE_X64 0x8664u
#define MACHINE_ARM64 0xaa64u

#define ATTRIBUTE_FILE_TOO_SMALL 0x4u
#define ATTRIBUTE_KERNEL_TRIAGE 0x8u
#define ATTRIBUTE_LIVE 0x10u
#define ATTRIBUTE_ENCRYPTED 0x100u
// Windows 8: from here on x86 always runs with PAE (dump-format 4.3).
#define BUILD_ALWAYS_PAE 9200u

bool psc_header_unset32(uint32_t v)
{
	return v == FILL32 || v == FILL_MEMPROCFS32;
}

bool psc_header_unset64(uint64_t v)
{
	return v == FILL64 || v == FILL_MEMPROCFS64;
}

uint64_t psc_header_size(const uint8_t magic[8])
{
	if (!memcmp(magic, "PAGEDU64", 8))
		return PSC_HEADER64_SIZE;
	return memcmp(magic, "PAGEDUMP", 8) ? 0 : PSC_HEADER32_SIZE;
}

// Plain fields: 0 when unset.
static uint32_t get32(const uint8_t *p)
{
	uint32_t v = psc_le32(p);

	return psc_header_unset32(v) ? 0 : v;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v = psc_le64(p);

	return psc_header_unset64(v) ? 0 : v;
}

static struct psc_opt64 opt32(const uint8_t *p)
{
	uint32_t v = psc_le32(p);
	bool set = !psc_header_unset32(v);

	return (struct psc_opt64){ .v = set ? v : 0, .set = set };
}

static struct psc_opt64 opt64(const uint8_t *p)
{
	uint64_t v = psc_le64(p);
	bool set = !psc_header_unset64(v);

	return (struct psc_opt64){ .v = set ? v : 0, .set = set };
}

// Other writers zero what they do not know; no address, date or time since
// the start is 0.
static struct psc_opt64 nonzero(struct psc_opt64 o)
{
	o.set = o.set && o.v != 0;
	return o;
}

// DUMP_HEADER64 (dump-format 1.2).
static void parse64(const uint8_t *p, struct psc_dump_header *h)
{
	h->is64 = true;
	h->major = get32(p + 0x8);
	h->build = get32(p + 0xc);
	h->directory_table_base = get64(p + 0x10);
	h->pfn_database = get64(p + 0x18);
	h->loaded_module_list = get64(p + 0x20);
	h->active_process_head = get64(p + 0x28);
	h->machine_type = get32(p + 0x30);
	h->processors = get32(p + 0x34);
	h->bugcheck_code = get32(p + 0x38);
	for (unsigned int i = 0; i < 4; i++)
		h->bugcheck_parameter[i] = get64(p + 0x40 + 8 * i);
	h->kdbg = nonzero(opt64(p + 0x80));
	h->context_offset = 0x348;
	h->exception_offset = 0xf00;
	h->dump_type = get32(p + 0xf98);
	h->required_dump_space = nonzero(opt64(p + 0xfa0));
	h->system_time = nonzero(opt64(p + 0xfa8));
	h->uptime = nonzero(opt64(p + 0x1030));
	h->minidump_fields = opt32(p + 0x1038);
	h->product_type = nonzero(opt32(p + 0x1040));
	h->suite_mask = opt32(p + 0x1044);
	h->writer_status = opt32(p + 0x1048);
	h->attributes = opt32(p + 0x1050);
}

// DUMP_HEADER32 (dump-format 1.3).
static void parse32(const uint8_t *p, struct psc_dump_header *h)
{
	h->major = get32(p + 0x8);
	h->build = get32(p + 0xc);
	h->directory_table_base = get32(p + 0x10);
	h->pfn_database = get32(p + 0x14);
	h->loaded_module_list = get32(p + 0x18);
	h->active_process_head = get32(p + 0x1c);
	h->machine_type = get32(p + 0x20);
	h->processors = get32(p + 0x24);
	h->bugcheck_code = get32(p + 0x28);
	for (unsigned int i = 0; i < 4; i++)
		h->bugcheck_parameter[i] = get32(p + 0x2c + 4 * i);
	h->kdbg = nonzero(opt32(p + 0x60));
	h->context_offset = 0x320;
	h->exception_offset = 0x7d0;
	h->attributes = opt32(p + 0x8a0);
	h->dump_type = get32(p + 0xf88);
	h->minidump_fields = opt32(p + 0xf8c);
	h->product_type = nonzero(opt32(p + 0xf94));
	h->suite_mask = opt32(p + 0xf98);
	h->writer_status = opt32(p + 0xf9c);
	h->required_dump_space = nonzero(opt64(p + 0xfa0));
	h->uptime = nonzero(opt64(p + 0xfb8));
	h->system_time = nonzero(opt64(p + 0xfc0));
}

// Where PaeEnabled is not set or zeroed by another writer, Windows 8 and a
// root that stands inside a page tell: only PAE has either (dump-format 4.1).
static enum psc_arch x86_arch(const struct psc_dump_header *h,
			      const uint8_t *p)
{
	uint8_t pae = p[0x5c];	// PaeEnabled

	return pae == 1 || h->build >= BUILD_ALWAYS_PAE ||
	       h->directory_table_base & 0xfe0
		? PSC_ARCH_X86_PAE : PSC_ARCH_X86;
}

static enum psc_arch arch_of(const struct psc_dump_header *h, const uint8_t *p)
{
	if (h->is64)
		return h->machine_type == MACHINE_X64 ? PSC_ARCH_X64 :
		       h->machine_type == MACHINE_ARM64 ? PSC_ARCH_ARM64 :
		       PSC_ARCH_UNKNOWN;
	return h->machine_type == MACHINE_X86 ? x86_arch(h, p)
					      : PSC_ARCH_UNKNOWN;
}

static void context_of(struct psc_dump_header *h)
{
	static const uint64_t size[] = {	// dump-format 1.5
		[PSC_ARCH_X86] = 0x2cc, [PSC_ARCH_X86_PAE] = 0x2cc,
		[PSC_ARCH_X64] = 0x4d0, [PSC_ARCH_ARM64] = 0x390,
	};
	h->context_size = size[h->arch];
}

// What the writer says about its own work (dump-format 1.2, 1.8).
static void warn_of_writer(const struct psc_dump_header *h,
			   struct psc_warnings *w)
{
	static const struct {
		uint32_t bit;
		const char *meaning;
	} table[] = {
		{ ATTRIBUTE_FILE_TOO_SMALL,
		  "the dump file was too small, the dump is cut short" },
		{ ATTRIBUTE_KERNEL_TRIAGE,
		  "the kernel wrote a triage dump instead of the one asked "
		  "for" },
		{ ATTRIBUTE_LIVE,
		  "taken from a running system, so lists and counters may "
		  "not agree" },
	};

	if (h->writer_status.v)
		psc_warn(w, "header: WriterStatus is 0x%" PRIx64 ", the writer "
			 "reported a problem", h->writer_status.v);
	for (size_t i = 0; i < PSC_ARRAY_SIZE(table); i++) {
		if (h->attributes.v & table[i].bit)
			psc_warn(w, "header: Attributes 0x%" PRIx64 ": %s",
				 h->attributes.v, table[i].meaning);
	}
}

void psc_header_parse(const uint8_t *p, struct psc_dump_header *ret,
		      struct psc_warnings *w)
{
	struct psc_dump_header h = { 0 };

	if (psc_header_size(p) == PSC_HEADER64_SIZE)
		parse64(p, &h);
	else
		parse32(p, &h);
	h.arch = arch_of(&h, p);
	context_of(&h);
	if (h.arch == PSC_ARCH_UNKNOWN)
		psc_warn(w, "header: MachineImageType 0x%" PRIx32 "%s in a "
			 "%s-bit header is not a machine this program knows",
			 h.machine_type,
			 h.machine_type == MACHINE_IA64 ? " (IA-64)" :
			 h.machine_type == MACHINE_ARM32 ? " (ARM32)" : "",
			 h.is64 ? "64" : "32");
	warn_of_writer(&h, w);
	*ret = h;
}

// The fill pattern has the bit set; opt32() has already taken it out.
struct psc_error *psc_header_check(const struct psc_dump_header *h)
{
	if (h->attributes.set && h->attributes.v & ATTRIBUTE_ENCRYPTED)
		return psc_error_at(PSC_ERR_UNSUPPORTED, PSC_WHERE_OFFSET,
				    h->is64 ? 0x1050 : 0x8a0,
				    "encrypted crash dump (Attributes 0x%" PRIx64
				    "): decrypt it with the key of the machine "
				    "that wrote it", h->attributes.v);
	return NULL;
}
