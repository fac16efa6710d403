// SPDX-License-Identifier: MIT
#include "pool/header.h"

const struct psc_header_form psc_header64 = {
	.shift = 4, .bytes = 0x10, .wide = true,
};
const struct psc_header_form psc_header32 = {
	.shift = 3, .bytes = 8, .wide = false,
};

bool psc_tag_is_text(uint32_t tag)
{
	for (unsigned int i = 0; i < 4; i++) {
		uint8_t c = (uint8_t)(tag >> (8 * i));

		if (i == 3)
			c &= 0x7f;	// protected bit
		// The last places of a short tag may be zero.
		if ((c < 0x20 || c > 0x7e) && !(i && !c))
			return false;
	}
	return true;
}

bool psc_header_is_candidate(const struct psc_pool_header *h)
{
	uint8_t base = h->type & (uint8_t)~(PSC_PT_QUOTA | PSC_PT_PAGED);
	bool legal = base == 0x02 || base == 0x06 || base == 0x22 ||
		     base == 0x26 || base == 0x42;

	// No zero byte either: zeros are what other memory is full of.
	bool zero = !(h->tag & 0xff) || !(h->tag & 0xff00) ||
		    !(h->tag & 0xff0000) || !(h->tag & 0x7f000000);

	return legal && !h->previous && h->size >= 2 && !zero &&
	       psc_tag_is_text(h->tag);
}
