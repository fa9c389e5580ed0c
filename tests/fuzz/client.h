/* SPDX-License-Identifier: BSD-2-Clause */
/* client: a client of the transmission phase whose requests come out of a fuzzer's bytes, and that holds the server to the
 * protocol: every request answered once, by its own cookie, with as many bytes as it must have; refused when it is not
 * allowed, done when it is; and what is read is what was written.
 *
 * It keeps a model of the disk, one byte a byte.  Requests go in batches: what a batch writes may be seen or not by what
 * else is in it, so that is not compared. */
#pragma once
#include "fuzz/input.h"
#include "unit/conn_rig.h"

enum { CLIENT_DISK = 64 << 10, CLIENT_ASKED = 64 };

enum client_expects { MAY_FAIL, MUST_WORK, MUST_FAIL };

struct client_asked {
	uint64_t cookie, off, len;
	uint16_t type, flags;
	uint8_t seed;              /* of a write's data */
	enum client_expects expects;
	bool answered, begun;      /* begun: some chunks of the answer came */
	uint64_t at;               /* READ: bytes of the disk that came so far end here */
};

struct fuzz_client {
	struct conn_rig rig;
	enum reply_style style;
	bool meta;                 /* base:allocation is negotiated */
	uint16_t adv;              /* transmission flags */
	uint64_t size;             /* bytes, as the server told */
	/* the caller's, before client_requests() */
	bool faithful;             /* the disk is ours alone and never fails: the model holds */
	bool may_leave;            /* the server may end the connection whenever it likes */
	uint64_t longest;          /* bytes of a trim, zero or cache; 0: any */
	unsigned fails;            /* a bit for each command type that must fail below */
	void (*release)(void);     /* have the bottom go on with what it holds; or NULL */
	/* the batch in flight */
	struct client_asked asked[CLIENT_ASKED];
	unsigned count;
	uint8_t batch;             /* its number, from 1 on */
	bool left;                 /* it said or did something that ends the connection ... */
	bool goodbye;              /* ... as the protocol has it */
	uint64_t requests;         /* in all */
	uint8_t model[CLIENT_DISK];
	uint8_t unknown[CLIENT_DISK];   /* bytes of which nothing is known */
	uint8_t wrote[CLIENT_DISK];     /* the last batch that changed it */
};

/* Through the handshake, of which all but the style is well formed.  False: the server would not have us; then size is 0. */
bool client_enter(struct fuzz_client *c, enum reply_style style, bool meta);
/* Requests until the input ends, the last batch perhaps not waited for. */
void client_requests(struct fuzz_client *c, struct input *in);
/* The connection goes, in the way that the input says; then the rig is stopped.  Nothing may be left. */
void client_end(struct fuzz_client *c, unsigned how);
/* Until the server has nothing more to do or to say. */
void client_wait(struct fuzz_client *c);
