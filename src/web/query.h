/* SPDX-License-Identifier: BSD-2-Clause */
/* query: the words behind the `?' of an address, decoded.  Each is a number within bounds, a choice or a short text; what is unknown,
 * out of bounds or told twice is refused with words that say why.  Pure functions, any thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum query_word {
	Q_DISK, Q_T, Q_FROM, Q_TO, Q_EVENT, Q_AT, Q_X, Q_Y, Q_W, Q_H, Q_PX, Q_PY, Q_COLS, Q_ZOOM, Q_FILTER, /* numbers */
	Q_LIVE, Q_KEEP, Q_CONTENTS,                                                                           /* 0 or 1 */
	Q_ORDER, Q_WHAT, Q_BY, Q_WAY,                                                                         /* choices */
	Q_LIKE,                                                                                               /* a text */
	Q_WORDS
};

enum { ORDER_ROW, ORDER_HILBERT };
enum { WHAT_OFFSET, WHAT_LATENCY };
enum { BY_EVENT, BY_FLUSH, BY_MARK };
enum { WAY_NEXT, WAY_LAST };

#define QUERY_TEXT_MAX 512 /* bytes of a text */
#define QUERY_SIDE_MAX 4096u /* units of a view in a row, and rows */
#define QUERY_UNITS_MAX (1u << 21) /* and in all */

struct query {
	uint32_t given;      /* 1 << word */
	uint64_t n[Q_WORDS]; /* 0 when not given */
	char like[QUERY_TEXT_MAX + 1];
};

static inline bool query_has(const struct query *q, enum query_word w) { return q->given >> w & 1; }

/* One word more of q, zeroed at first.  -1: e is set. */
int query_add(struct query *q, const char *key, size_t key_len, const char *value, size_t len, struct err *e);
