/* SPDX-License-Identifier: BSD-2-Clause */
/* names: who the connections of a session are, as far as it tells.
 * Zeroed memory is an empty list.  Bounded: when NAMES_MAX have connected, further ones are only counted.  No I/O; one thread at a
 * time. */
#pragma once
#include <stdbool.h>
#include "view/cursor.h"

#define NAMES_MAX 10000
#define NAME_ROOM 128 /* bytes kept of a name */

struct conn_name {
	uint64_t conn;
	uint64_t time;   /* ns since 1970: when it connected.  A server that starts anew counts its connections anew */
	char *export;    /* name of the export, UTF-8 as it was told, maybe empty; NULL: not told; ours */
	char *client;    /* who asks, in words; NULL: not told; ours */
};

struct names {
	struct conn_name *at; /* n, in order of time; ours */
	size_t n;
	uint64_t more;   /* that were left out */
};

/* ev is an EV_CONNECT that c has just given.  Without memory it is left out. */
void names_add(struct names *l, const struct cursor *c, const struct tape *t, const struct event *ev);
/* Who conn was at a moment; NULL: not known. */
const struct conn_name *names_find(const struct names *l, uint64_t conn, uint64_t time);
void names_free(struct names *l);
