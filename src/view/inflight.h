/* SPDX-License-Identifier: BSD-2-Clause */
/* inflight: requests that have begun and not ended, by (connection, id).
 * Bounded: when INFLIGHT_MAX are open the oldest is given up, as it is when its key is used
 * again or its connection goes.  Whoever asks for one gets it by value.
 * No I/O; one thread at a time. */
#pragma once
#include <stdbool.h>
#include "base/list.h"
#include "trace/event.h"

#define INFLIGHT_MAX 65536u

struct open_request {
	struct event ev; /* as it began */
	struct list age; /* oldest first */
	struct list hash;
};

struct inflight {
	struct list *buckets; /* ours */
	struct list by_age;
	struct list idle;
	struct open_request *pool; /* INFLIGHT_MAX, ours */
	uint32_t used, open;
	uint32_t hidden; /* of the open ones, EVF_HIDDEN */
};

bool inflight_init(struct inflight *f); /* false: no memory */
void inflight_free(struct inflight *f);
/* Remember ev.  True when another request had to be given up for it: *old. */
bool inflight_add(struct inflight *f, const struct event *ev, struct event *old);
bool inflight_take(struct inflight *f, uint64_t conn, uint64_t id, struct event *ev);
/* Take one of conn's (0: anybody's) requests, oldest first; false when there is none left. */
bool inflight_take_any(struct inflight *f, uint64_t conn, struct event *ev);
/* Give up all of conn's (0: everybody's): nobody answers them any more. */
void inflight_drop(struct inflight *f, uint64_t conn);
