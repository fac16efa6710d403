// SPDX-License-Identifier: MIT
#include "sym/sym_open.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "sym/blob.h"
#include "sym/cabinet.h"
#include "sym/dwarf.h"
#include "sym/isf.h"
#include "sym/pdb.h"

#define MAX_UNPACKED (1u << 30)	// bytes of a PDB out of a cabinet

bool psc_sym_other_id(const struct psc_pdb_id *have,
		      const struct psc_pdb_id *wanted)
{
	return wanted && wanted->known && have->known &&
	       (have->age != wanted->age ||
		memcmp(have->guid, wanted->guid, sizeof(have->guid)) != 0);
}

struct psc_error *psc_sym_check_id(const struct psc_pdb_id *have,
				   const struct psc_pdb_id *wanted)
{
	char a[33], b[33];

	if (!psc_sym_other_id(have, wanted))
		return NULL;
	psc_guid_text(have->guid, a);
	psc_guid_text(wanted->guid, b);
	return psc_error_new(PSC_ERR_UNSUPPORTED, "it is %s, age %" PRIu32
			     "; the image asks for %s, age %" PRIu32, a,
			     have->age, b, wanted->age);
}

static struct psc_error *unpack_cabinet(struct psc_blob *b)
{
	struct psc_unpacked u;

	if (!psc_is_cabinet(b->data, b->size))
		return NULL;
	struct psc_error *err = psc_cabinet_unpack(b->data, b->size,
						   MAX_UNPACKED, &u);
	if (err)
		return err;
	psc_blob_free(b);
	*b = psc_blob_of_heap(u.data, u.n);
	return NULL;
}

// Whatever is nothing else is for the PDB reader to refuse by name.
static struct psc_error *open_blob(struct psc_blob b, const char *path,
				   struct psc_sym **ret)
{
	struct psc_error *err = unpack_cabinet(&b);

	if (err) {
		psc_blob_free(&b);
		return err;
	}
	if (psc_isf_is(&b))
		return psc_isf_open(b, path, ret);
	if (psc_dwarf_is(&b))
		return psc_dwarf_open(b, path, ret);
	return psc_pdb_open(b, path, ret);
}

struct psc_error *psc_sym_open_file(const char *path,
				    const struct psc_pdb_id *wanted,
				    bool force, struct psc_sym **ret)
{
	struct psc_file *f;
	struct psc_sym *s;
	struct psc_error *err = psc_file_open(path, &f);

	if (err)
		return err;
	err = open_blob(psc_blob_of_file(f), path, &s);
	if (err)
		return psc_error_prefix(err, "%s", path);
	if (!force && (err = psc_sym_check_id(psc_sym_id(s), wanted))) {
		psc_sym_free(s);
		return psc_error_prefix(err, "%s", path);
	}
	*ret = s;
	return NULL;
}
