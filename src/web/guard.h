/* SPDX-License-Identifier: BSD-2-Clause */
/* guard: ends connections that take too long.  The library's own timeout is for silence: a byte now and then would hold a connection
 * for ever.  Any thread. */
#pragma once
#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include "base/err.h"

#define GUARD_SECONDS 30u   /* until a whole request is there, from the connection's or the last request's beginning on */
#define GUARD_ANSWER_SECONDS 300u /* until its answer was taken */
#define GUARD_MAX 256u      /* more than HTTP_CONNECTIONS, since the library tells late of those that ended */

struct guarded {
	struct guard *guard;
	int fd;
	uint64_t until;        /* ns, monotonic; 0: the place is free */
};

struct guard {
	pthread_mutex_t lock;
	pthread_cond_t stop;
	pthread_t thread;
	bool stopping;
	struct guarded at[GUARD_MAX];
};

int guard_start(struct guard *g, struct err *e);
void guard_stop(struct guard *g);
/* For MHD_OPTION_NOTIFY_CONNECTION, with the guard. */
void guard_notify(void *guard, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code);
struct guarded *guard_of(struct MHD_Connection *c); /* NULL: none */
/* A request is there and answered now; it waits for the next one.  NULL is fine. */
void guard_answering(struct guarded *at);
void guard_waiting(struct guarded *at);
