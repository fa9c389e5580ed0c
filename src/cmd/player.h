/* SPDX-License-Identifier: BSD-2-Clause */
/* player: sends the requests of a session to an NBD server, on as many connections as there were, without waiting for each.
 * Through libnbd.  Main thread. */
#pragma once
#include <libnbd.h>
#include <stdbool.h>
#include "base/err.h"
#include "base/list.h"
#include "trace/rec.h"

struct player_conn {
	struct list link;
	uint64_t number;         /* of the recording */
	struct nbd_handle *nbd;
	bool has_extents;        /* base:allocation was agreed on */
};

struct player_req {
	struct list link;        /* in player.reqs, in the order in which they began */
	struct rec_event event;  /* as it began */
	struct player_conn *conn;
	uint8_t *data;           /* event.len bytes of a read or write, ours */
	bool mixed;              /* a read that overlaps a write under way: either may be seen */
	bool done;
	int err;                 /* once done: 0 or an errno */
};

struct player {
	const char *uri;         /* borrowed */
	struct list conns, reqs;
	size_t in_flight;        /* requests not done */
	size_t count, bytes;     /* in reqs, and of their data */
	uint64_t opened;         /* connections */
};

void player_init(struct player *p, const char *uri);
/* Everything is dropped, answered or not. */
void player_free(struct player *p);
/* The recording's connection number; made when there is none.  NULL with e set. */
struct player_conn *player_connect(struct player *p, uint64_t number, struct err *e);
/* When all it has is answered, it is closed. */
void player_disconnect(struct player *p, uint64_t number);
/* Send r->event; r has its data.  It is in reqs from now on; what cannot be sent is done at once with an error. */
void player_send(struct player *p, struct player_req *r);
struct player_req *player_find(struct player *p, uint64_t conn, uint64_t id);
/* Out of reqs, once it is done. */
void player_drop(struct player *p, struct player_req *r);
/* Hear answers until monotonic time until (ns); 0: until there was one.  Returns early when there was one.
 * False: nothing is left that could answer. */
bool player_turn(struct player *p, uint64_t until);
