// SPDX-License-Identifier: MIT
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define MAX_PAGES 0x20000u

struct named {
	const char *name;
	uint64_t value;
	struct psc_field field;
};

static struct {
	struct named symbol[64], type[64], field[256];
	unsigned int n_symbols, n_types, n_fields;
	uint64_t page_va[MAX_PAGES];
	uint8_t *page[MAX_PAGES];
	enum psc_va_status why[MAX_PAGES];
	uint8_t *block[512];
	unsigned int n_pages, n_blocks;
	struct psc_dump_header header;
	uint32_t family;
	bool sparse;
	uint64_t unreadable;
} f;

void fake_reset(void)
{
	for (unsigned int i = 0; i < f.n_blocks; i++)
		free(f.block[i]);
	memset(&f, 0, sizeof(f));
	f.header.processors = 1;
}

struct psc_kernel *fake_kernel(void)
{
	return (struct psc_kernel *)&f;
}

struct psc_mem *fake_mem(void)
{
	return (struct psc_mem *)&f;
}

uint8_t *fake_map(uint64_t va, uint64_t bytes)
{
	uint8_t *b = calloc(bytes, 1);

	f.block[f.n_blocks++] = b;
	for (uint64_t i = 0; i < bytes / PSC_PAGE_SIZE; i++) {
		f.page_va[f.n_pages] = va + i * PSC_PAGE_SIZE;
		f.page[f.n_pages++] = b + i * PSC_PAGE_SIZE;
	}
	return b;
}

static int find(uint64_t va)
{
	uint64_t page = va & ~(uint64_t)(PSC_PAGE_SIZE - 1);
	static unsigned int last;

	if (last < f.n_pages && f.page_va[last] == page)
		return (int)last;
	if (last + 1 < f.n_pages && f.page_va[last + 1] == page)
		return (int)++last;
	for (unsigned int i = 0; i < f.n_pages; i++) {
		if (f.page_va[i] == page)
			return (int)(last = i);
	}
	return -1;
}

void fake_unmap(uint64_t va, enum psc_va_status why)
{
	f.why[find(va)] = why;
}

void fake_symbol(const char *name, uint64_t va)
{
	f.symbol[f.n_symbols++] = (struct named){ .name = name, .value = va };
}

void fake_put(uint64_t va, uint64_t value, unsigned int bytes)
{
	memcpy(f.page[find(va)] + (va & (PSC_PAGE_SIZE - 1)), &value, bytes);
}

void fake_global(const char *name, uint64_t va, uint64_t value)
{
	fake_symbol(name, va);
	fake_put(va, value, 8);
}

void fake_type(const char *type, uint64_t bytes)
{
	f.type[f.n_types++] = (struct named){ .name = type, .value = bytes };
}

static void add_field(const char *path, struct psc_field field)
{
	f.field[f.n_fields++] = (struct named){ .name = path, .field = field };
}

void fake_field(const char *path, uint64_t offset, uint32_t size)
{
	add_field(path, (struct psc_field){ .offset = offset, .size = size,
					    .count = 1 });
}

void fake_field_array(const char *path, uint64_t offset, uint32_t size,
		      uint32_t count)
{
	add_field(path, (struct psc_field){ .offset = offset, .size = size,
					    .count = count });
}

void fake_bits(const char *path, uint64_t offset, uint8_t bit, uint8_t bits)
{
	add_field(path, (struct psc_field){
		.offset = offset + bit / 8, .bit = bit % 8, .bits = bits,
		.size = (bit % 8 + bits + 7u) / 8, .count = 1 });
}

void fake_pointer_field(const char *path, uint64_t offset)
{
	add_field(path, (struct psc_field){ .offset = offset, .size = 8,
					    .cls = PSC_TYPE_POINTER,
					    .count = 1 });
}

void fake_processors(uint32_t n)
{
	f.header.processors = n;
}

void fake_family(uint32_t build)
{
	f.family = build;
}

void fake_crash_time(uint64_t filetime)
{
	f.header.system_time = (struct psc_opt64){ .set = true, .v = filetime };
}

void fake_sparse(void)
{
	f.sparse = true;
}

static struct named *lookup(struct named *v, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!strcmp(v[i].name, name))
			return &v[i];
	}
	return NULL;
}

// --- lib/mem ---------------------------------------------------------------

enum psc_va_status psc_mem_page(struct psc_mem *m, uint64_t va,
				uint8_t *scratch, const uint8_t **ret)
{
	int i = find(va);

	if (i < 0)
		return PSC_VA_NOT_MAPPED;
	if (f.why[i] != PSC_VA_OK)
		return f.why[i];
	*ret = f.page[i];
	return PSC_VA_OK;
}

size_t psc_mem_read(struct psc_mem *m, uint64_t va, void *buf, size_t len,
		    enum psc_va_status *why)
{
	size_t done = 0;

	while (done < len) {
		const uint8_t *p;
		uint64_t in = (va + done) & (PSC_PAGE_SIZE - 1);
		size_t n = PSC_MIN(len - done, PSC_PAGE_SIZE - in);
		enum psc_va_status s = psc_mem_page(m, va + done, NULL, &p);

		if (why)
			*why = s;
		if (s != PSC_VA_OK)
			break;
		memcpy((uint8_t *)buf + done, p + in, n);
		done += n;
	}
	return done;
}

struct psc_error *psc_mem_read_all(struct psc_mem *m, uint64_t va,
				   void *buf, size_t len, const char *what)
{
	return psc_mem_read(m, va, buf, len, NULL) == len ? NULL
		: psc_error_at(PSC_ERR_NOT_IN_DUMP, PSC_WHERE_ADDRESS, va,
			       "%s", what);
}

struct psc_error *psc_mem_u32(struct psc_mem *m, uint64_t va,
			      const char *what, uint32_t *v)
{
	return psc_mem_read_all(m, va, v, sizeof(*v), what);
}

struct psc_error *psc_mem_u64(struct psc_mem *m, uint64_t va,
			      const char *what, uint64_t *v)
{
	return psc_mem_read_all(m, va, v, sizeof(*v), what);
}

struct psc_xlat psc_mem_translate(struct psc_mem *m, uint64_t va)
{
	const uint8_t *p;

	return (struct psc_xlat){ .status = psc_mem_page(m, va, NULL, &p) };
}

const char *psc_va_status_text(enum psc_va_status s)
{
	return s == PSC_VA_OK ? "readable" : "not readable";
}

const struct psc_paging *psc_mem_paging(const struct psc_mem *m)
{
	static const struct psc_paging x64 = { .mode = PSC_PAGING_X64 };

	return &x64;
}

struct psc_error *psc_mem_with_root(const struct psc_mem *m,
				    uint64_t root, struct psc_mem **ret)
{
	*ret = fake_mem();
	return NULL;
}

struct psc_coverage psc_mem_coverage(const struct psc_mem *m)
{
	return (struct psc_coverage){ .structures_unreadable = f.unreadable };
}

void psc_mem_count_unreadable(struct psc_mem *m)
{
	f.unreadable++;
}

bool psc_mem_is_sparse(const struct psc_mem *m)
{
	return f.sparse;
}

bool psc_mem_is_kernel_va(const struct psc_mem *m, uint64_t va)
{
	return va >> 47 == 0x1ffff;
}

struct psc_error *psc_mem_clone(const struct psc_mem *m,
				struct psc_mem **ret)
{
	*ret = (struct psc_mem *)&f;
	return NULL;
}

void psc_mem_free(struct psc_mem *m)
{
}

void psc_mem_absorb(struct psc_mem *into, const struct psc_mem *clone)
{
}

bool psc_mem_next_range(struct psc_mem *m, uint64_t *pos, uint64_t end,
			struct psc_va_range *ret)
{
	int best = -1;

	for (unsigned int i = 0; i < f.n_pages; i++) {
		if (f.page_va[i] >= *pos && f.page_va[i] < end &&
		    (best < 0 || f.page_va[i] < f.page_va[best]))
			best = (int)i;
	}
	if (best < 0)
		return false;
	*ret = (struct psc_va_range){ f.page_va[best], PSC_PAGE_SIZE,
				      f.why[best], true, false };
	*pos = f.page_va[best] + PSC_PAGE_SIZE;
	return true;
}

// --- lib/kernel ------------------------------------------------------------

struct psc_mem *psc_kernel_mem(const struct psc_kernel *k)
{
	return fake_mem();
}

const struct psc_dump *psc_kernel_dump(const struct psc_kernel *k)
{
	return NULL;
}

const struct psc_dump_header *psc_dump_header(const struct psc_dump *d)
{
	return &f.header;
}

const char *psc_kernel_wanted(const struct psc_kernel *k)
{
	return NULL;
}

const char *psc_dump_path(const struct psc_dump *d)
{
	return "array.dmp";
}

const char *psc_dump_why_no_pages(const struct psc_dump *d)
{
	return NULL;
}

size_t psc_kernel_n_proofs(const struct psc_kernel *k)
{
	return 0;
}

const struct psc_proof *psc_kernel_proof(const struct psc_kernel *k,
					 size_t i)
{
	return NULL;
}

// Only whether there are names at all is asked of it.
const struct psc_sym *psc_kernel_sym(const struct psc_kernel *k)
{
	return (const struct psc_sym *)&f;
}

uint32_t psc_kernel_family(const struct psc_kernel *k)
{
	return f.family;
}

uint64_t psc_kernel_base(const struct psc_kernel *k)
{
	return UINT64_C(0xfffff80000000000);
}

uint64_t psc_kernel_size(const struct psc_kernel *k)
{
	return 0x1000000;
}

unsigned int psc_kernel_pointer_size(const struct psc_kernel *k)
{
	return 8;
}

bool psc_kernel_kdbg(const struct psc_kernel *k, unsigned int offset,
		     uint64_t *value)
{
	return false;
}

struct psc_error *psc_kernel_symbol(const struct psc_kernel *k,
				    const char *name, uint64_t *va)
{
	struct named *n = lookup(f.symbol, f.n_symbols, name);

	if (!n)
		return &psc_absent;
	*va = n->value;
	return NULL;
}

struct psc_error *psc_kernel_field(const struct psc_kernel *k,
				   const char *path,
				   struct psc_field *ret)
{
	struct named *n = lookup(f.field, f.n_fields, path);

	if (!n)
		return &psc_absent;
	*ret = n->field;
	return NULL;
}

struct psc_error *psc_kernel_sizeof(const struct psc_kernel *k,
				    const char *type, uint64_t *ret)
{
	struct named *n = lookup(f.type, f.n_types, type);

	if (!n)
		return &psc_absent;
	*ret = n->value;
	return NULL;
}

struct psc_error *psc_kernel_global(const struct psc_kernel *k,
				    const char *name, unsigned int bytes,
				    uint64_t *ret)
{
	struct psc_error *err;
	uint64_t va;

	if ((err = psc_kernel_symbol(k, name, &va)))
		return err;
	*ret = 0;
	return psc_mem_read_all(fake_mem(), va, ret, bytes, name);
}

struct psc_error *psc_kernel_pointer(const struct psc_kernel *k,
				     uint64_t va, const char *what,
				     uint64_t *ret)
{
	return psc_mem_read_all(fake_mem(), va, ret, 8, what);
}

struct psc_error *psc_kernel_get(const struct psc_kernel *k, uint64_t va,
				 const char *path, uint64_t *ret)
{
	struct psc_error *err;
	struct psc_field fld;
	uint8_t b[8] = { 0 };

	if ((err = psc_kernel_field(k, path, &fld)) ||
	    (err = psc_mem_read_all(fake_mem(), va + fld.offset, b, fld.size,
				    path)))
		return err;
	*ret = psc_field_extract(&fld, b);
	return NULL;
}

uint64_t psc_field_extract(const struct psc_field *fld, const void *p)
{
	uint64_t v = psc_le_uint(p, fld->size);

	if (fld->bits)
		v = v >> fld->bit & ((UINT64_C(1) << fld->bits) - 1);
	return v;
}
