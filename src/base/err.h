/* SPDX-License-Identifier: BSD-2-Clause */
/* err: words for a person, one line, on the way up to main.
 * Used before the first client; afterwards a request carries an errno instead.
 * A struct err lives on the caller's stack; nothing here allocates. */
#pragma once
#include "base/util.h"

struct err {
	char msg[1024]; /* one line without newline; "" while nothing went wrong */
};

/* Write the message (cut to fit; control characters become '?').  Always returns -1,
 * so that a function can end in `return err_set(e, ...)`. */
int err_set(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
