/* SPDX-License-Identifier: BSD-2-Clause */
/* conn_rig: a connection whose socket is memory: the test writes what the client sends, in whatever pieces,
 * turns the loop, and reads what the server answered.  For tests and for the fuzzer. */
#pragma once
#include "base/bytes.h"
#include "server/conn.h"

struct conn_rig {
	struct loop loop;
	struct conn_config config;
	struct stages stages;
	struct stage at[8];
	struct conn_memory memory;
	struct conn *conn;         /* NULL once it is gone */
	struct buf in;             /* from the client, not yet taken */
	size_t in_at, piece;       /* bytes that one recv() gives at most; 0: any */
	bool in_ended;
	struct buf out;            /* to the client */
	size_t out_at;             /* read by the test */
	size_t out_room;           /* bytes that the socket takes before it is full */
	bool want_in, want_out;
};

/* Modules end with NULL; then an even number of key, value strings for the last one, ended by NULL. */
bool conn_rig_start(struct conn_rig *t, const struct module *const *mods, const char *const *options);
/* The same in two steps: between them the test may change t->config. */
bool conn_rig_prepare(struct conn_rig *t, const struct module *const *mods, const char *const *options);
bool conn_rig_connect(struct conn_rig *t);
/* The same of a server that is configured like that; stages and limits are the rig's. */
bool conn_rig_start_as(struct conn_rig *t, const struct module *const *mods, const char *const *options, const struct conn_config *config);
void conn_rig_send(struct conn_rig *t, const void *p, size_t n);
void conn_rig_option(struct conn_rig *t, uint32_t option, const void *data, uint32_t len);
void conn_rig_request(struct conn_rig *t, uint16_t flags, uint16_t type, uint64_t cookie, uint64_t off, uint32_t len);
/* As a client that knows only EXPORT_NAME and simple replies; true when it is let in. */
bool conn_rig_enter(struct conn_rig *t);
void conn_rig_end(struct conn_rig *t);             /* the client closes its side */
void conn_rig_turn(struct conn_rig *t);            /* until nothing moves any more */
const uint8_t *conn_rig_got(struct conn_rig *t, size_t n); /* the next n bytes of the answer, or NULL */
size_t conn_rig_left(const struct conn_rig *t);    /* bytes of answer not yet read */
void conn_rig_stop(struct conn_rig *t);
