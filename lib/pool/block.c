// SPDX-License-Identifier: MIT
#include "pool/block.h"

#include "base/bytes.h"

const char *psc_pool_kind_name(enum psc_pool_kind k)
{
	static const char *const names[] = {
		[PSC_POOL_NONPAGED] = "nonpaged",
		[PSC_POOL_NONPAGED_NX] = "nonpaged-nx",
		[PSC_POOL_PAGED] = "paged",
		[PSC_POOL_SESSION] = "session",
		[PSC_POOL_SPECIAL] = "special",
		[PSC_POOL_UNKNOWN] = "unknown",
	};

	return (size_t)k < PSC_ARRAY_SIZE(names) ? names[k] : "unknown";
}
