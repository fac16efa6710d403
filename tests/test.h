// SPDX-License-Identifier: MIT
/** @file
 * What every unit test includes: cmocka and two checks for errors.
 */
#ifndef PSC_TESTS_TEST_H
#define PSC_TESTS_TEST_H

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "psc/error.h"

/** The call succeeds. */
#define CHECK_OK(call)                                                    \
	do {                                                              \
		struct psc_error *check_err_ = (call);                    \
		if (check_err_)                                           \
			fail_msg("%s: %s", #call, check_err_->message);   \
	} while (0)

/** The call fails with that code. */
#define CHECK_ERR(call, want)                                             \
	do {                                                              \
		struct psc_error *check_err_ = (call);                    \
		if (!check_err_)                                          \
			fail_msg("%s: no error", #call);                  \
		if (check_err_->code != (want))                           \
			fail_msg("%s: %s (%s)", #call,                    \
				 psc_error_code_name(check_err_->code),   \
				 check_err_->message);                    \
		psc_error_free(check_err_);                               \
	} while (0)

#endif
