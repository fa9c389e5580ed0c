/* SPDX-License-Identifier: BSD-2-Clause */
/* event: one thing that happened to the disk, whatever format told us.
 * A plain value: readers fill one and hand it over, nobody owns anything through it.
 * It is what a line of a log says and no more; pairing the two ends of a request by
 * (conn, id) is the work of whoever collects events. */
#pragma once
#include <stdint.h>

enum ev_kind {
	EV_BEGIN,      /* a request goes down */
	EV_END,        /* ... and is answered */
	EV_CONNECT,    /* conn opened; len is the disk's size when sized is 1 */
	EV_DISCONNECT, /* conn closed: what it had in flight never ends */
	EV_START,      /* a server started: every older connection is gone */
	EV_LOST,       /* the writer had to drop len lines here */
	EV_MARK,       /* somebody set a mark; its reader has the text */
	EV_NOTE,       /* understood, and nothing to the disk: Fork, ListExports ... */
};

enum ev_op { EV_READ, EV_WRITE, EV_TRIM, EV_ZERO, EV_FLUSH, EV_CACHE, EV_EXTENTS, EV_OPS };

/* What a request asks for besides, as in a recording. */
enum { EVF_FUA = 1, EVF_NO_HOLE = 2, EVF_FAST = 4, EVF_REQ_ONE = 8 };
#define EVF_HIDDEN 128 /* in a table of requests: a filter does not let it pass */

struct event {
	uint64_t time;     /* ns since 1970, UTC; never runs backwards */
	uint64_t conn;     /* 0: no connection */
	uint64_t id;       /* of a request, unique within its connection */
	uint64_t off, len; /* bytes, EV_BEGIN; see above for the others' len */
	uint8_t kind;      /* enum ev_kind */
	uint8_t op;        /* enum ev_op, EV_BEGIN and EV_END; EV_OPS: it is not told */
	uint8_t sized;     /* EV_CONNECT told a size */
	uint8_t flags;     /* EVF_..., EV_BEGIN */
	int err;           /* EV_END: 0 or a positive errno */
};
