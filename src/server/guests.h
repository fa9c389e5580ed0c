/* SPDX-License-Identifier: BSD-2-Clause */
/* guests: how many connections there are, in all and for each peer, and whether one more may be.
 * A peer is an IPv4 or IPv6 address, a user (at a Unix socket) or a guest machine (vsock); what has none of these is
 * counted in all only.  Any thread. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { GUEST_BUCKETS = 1024 };

/* A peer that has connections. */
struct guest {
	struct guest *next;          /* in its bucket */
	unsigned count;              /* connections */
	uint8_t key[17];             /* address family; address, user or CID */
};

struct guests {
	unsigned max, max_per_peer;  /* connections; 0: any number.  Constant */
	pthread_mutex_t lock;        /* guards all below */
	unsigned count;              /* connections */
	uint64_t seed;               /* nobody can choose addresses that meet in one bucket */
	uint64_t told;               /* ns: when a refusal was last told ... */
	unsigned untold;             /* ... and how many were not, since */
	struct guest *buckets[GUEST_BUCKETS];
};

void guests_init(struct guests *g, unsigned max, unsigned max_per_peer);
void guests_free(struct guests *g);
/* A client has connected with fd.  True: it is counted, until guests_leave(); *guest is its peer, or NULL.
 * False: there are too many, or no memory; one line tells so, no more often than each second. */
bool guests_enter(struct guests *g, int fd, struct guest **guest);
void guests_leave(struct guests *g, struct guest *guest);
