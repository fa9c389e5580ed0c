/* SPDX-License-Identifier: BSD-2-Clause */
/* filter: which requests are looked at: by operation, by connection, by place.
 * Zeroed memory lets everything pass.  Constant once it is ready; then several threads may ask. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "trace/event.h"

#define FILTER_CONNS_MAX 100000
#define FILTER_RANGES_MAX (1u << 20)

struct range {
	uint64_t off, end; /* bytes of the disk, off < end */
};

struct filter {
	uint32_t ops;        /* bits, 1 << enum ev_op; 0: all of them */
	uint64_t *conn;      /* conns, sorted; ours; none: all of them */
	size_t conns;
	struct range *range; /* ranges, sorted, apart; ours; none: everywhere */
	size_t ranges;
};

/* False: no memory, or too many. */
bool filter_add_conn(struct filter *f, uint64_t conn);
bool filter_add_range(struct filter *f, uint64_t off, uint64_t len); /* an empty one adds nothing */
/* All was added. */
void filter_ready(struct filter *f);
void filter_free(struct filter *f);

/* Does a request pass, as it began?  One without a place, a flush, does wherever it is looked. */
bool filter_passes(const struct filter *f, const struct event *begin);
