// SPDX-License-Identifier: MIT
/** @file
 * Errors. A function that can fail returns a `struct psc_error *`; NULL is
 * success. Not-in-dump, damaged and unsupported are different codes because
 * they are different answers to a support engineer.
 */
#ifndef PSC_ERROR_H
#define PSC_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define PSC_NODISCARD __attribute__((warn_unused_result))
/** Of functions that make an error: the compiler sees that a result which is
 *  filled only without one is not used unfilled. */
#define PSC_NONNULL __attribute__((returns_nonnull))
#define PSC_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

enum psc_error_code {
	PSC_ERR_NOMEM,		/**< Out of memory. */
	PSC_ERR_OS,		/**< The operating system said no (open, mmap). */
	PSC_ERR_USAGE,		/**< The caller asked for nonsense. */
	PSC_ERR_TRUNCATED,	/**< The file or structure ends too early. */
	PSC_ERR_DAMAGED,	/**< Bytes are there and contradict the format. */
	PSC_ERR_UNSUPPORTED,	/**< A format or feature we know but do not read. */
	PSC_ERR_NOT_IN_DUMP,	/**< Valid memory whose bytes the dump left out. */
	PSC_ERR_PAGED_OUT,	/**< Memory that Windows had written to disk. */
	PSC_ERR_NOT_MAPPED,	/**< No translation for the address. */
	PSC_ERR_ABSENT,		/**< A name, type or entry that does not exist. */
	PSC_ERR_LIMIT,		/**< A sanity limit was hit. */
};

/** Where an error happened: kind of @c where. */
enum psc_where {
	PSC_WHERE_NONE,
	PSC_WHERE_OFFSET,	/**< Offset in a file or stream. */
	PSC_WHERE_ADDRESS,	/**< Virtual address in the dump. */
};

struct psc_error {
	enum psc_error_code code;
	enum psc_where where_kind;
	uint64_t where;
	char *message;		/**< Lower case, no full stop. */
};

/** Static: out of memory. psc_error_free() accepts it. */
extern struct psc_error psc_nomem;
/** Static: the expected "there is no such thing". psc_error_free() accepts it. */
extern struct psc_error psc_absent;

/** Make an error. @return the error, or &psc_nomem. */
PSC_NODISCARD PSC_NONNULL struct psc_error *
psc_error_new(enum psc_error_code code, const char *fmt, ...) PSC_PRINTF(2, 3);

/** Same, with the place: a file offset or an address. */
PSC_NODISCARD PSC_NONNULL struct psc_error *
psc_error_at(enum psc_error_code code, enum psc_where kind, uint64_t where,
	     const char *fmt, ...) PSC_PRINTF(4, 5);

/** Same, with errno's text appended. */
PSC_NODISCARD PSC_NONNULL struct psc_error *
psc_error_os(int errnum, const char *fmt, ...) PSC_PRINTF(2, 3);

/** Put "what: " in front of the message. @return err (or &psc_nomem). */
PSC_NODISCARD struct psc_error *
psc_error_prefix(struct psc_error *err, const char *fmt, ...) PSC_PRINTF(2, 3);

/** Free @p err; NULL and the static errors are fine. */
void psc_error_free(struct psc_error *err);

/**
 * Handle one expected failure: when @p *err has @p code, free it, set it to
 * NULL and return true. Anything else stays for the caller to pass on.
 */
bool psc_error_catch(struct psc_error **err, enum psc_error_code code);

/** Short stable name of a code, for JSON and tests ("not-in-dump"). */
const char *psc_error_code_name(enum psc_error_code code);

#endif
