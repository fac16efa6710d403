// SPDX-License-Identifier: MIT
// Every table of an image, as a file and as memory with a page left out: the
// first byte picks the page.
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "pe/pe.h"

struct memory {
	const uint8_t *data;
	size_t size;
	uint64_t hole;
};

static size_t read_memory(void *ctx, uint64_t rva, void *buf, size_t n)
{
	const struct memory *m = ctx;
	size_t i = 0;

	for (; i < n && rva + i < m->size && (rva + i) >> 12 != m->hole; i++)
		((uint8_t *)buf)[i] = m->data[rva + i];
	return i;
}

static unsigned int tables(const struct psc_pe *pe)
{
	struct psc_pe_exports ex = { 0 };
	struct psc_pe_imports im = { 0 };
	struct psc_pe_functions fn = { 0 };
	struct psc_pe_version v = { 0 };
	struct psc_pe_pdb pdb = { 0 };
	unsigned int sum = 0;

	psc_error_free(psc_pe_exports(pe, &ex));
	psc_error_free(psc_pe_imports(pe, &im));
	psc_error_free(psc_pe_functions(pe, &fn));
	psc_error_free(psc_pe_version(pe, &v));
	psc_error_free(psc_pe_pdb(pe, &pdb));
	for (size_t i = 0; i < ex.n; i++)
		sum += ex.v[i].rva + (unsigned char)(ex.v[i].name ?
						     ex.v[i].name[0] : 0);
	for (size_t i = 0; i < im.n; i++)
		sum += im.v[i].slot_rva;
	for (size_t i = 1; i < fn.n; i++) {
		if (fn.v[i].begin < fn.v[i - 1].begin)
			abort();
	}
	sum += (unsigned char)pdb.name[0];
	psc_pe_exports_free(&ex);
	psc_pe_imports_free(&im);
	psc_pe_functions_free(&fn);
	psc_pe_version_free(&v);
	return sum;
}

static unsigned int as_file(const uint8_t *data, size_t size)
{
	struct psc_pe_file f;
	const uint8_t *p;
	char name[64];
	unsigned int sum;
	size_t n;
	struct psc_error *err = psc_pe_open_file(data, size, "fuzz", &f);

	if (err) {
		psc_error_free(err);
		return 0;
	}
	sum = tables(&f.pe);
	for (unsigned int i = 0; i < f.pe.n_sections; i++) {
		psc_pe_file_section_name(&f, &f.pe.section[i], name,
					 sizeof(name));
		p = psc_pe_file_section(&f, &f.pe.section[i], &n);
		sum += (unsigned char)name[0] + (p && n ? p[n - 1] : 0u);
	}
	if (psc_pe_file_signature(&f, &p, &n))
		sum += p[n - 1];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct memory m = { data + 1, size - 1, data[0] };
	struct psc_image_source src = { &m, read_memory };
	struct psc_pe pe;
	struct psc_error *err = psc_pe_open(&src, "fuzz", &pe);

	if (!err)
		fuzz_use(tables(&pe));
	psc_error_free(err);
	fuzz_use(as_file(data + 1, size - 1));
	return 0;
}
