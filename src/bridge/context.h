/* SPDX-License-Identifier: BSD-2-Clause */
/* context: for whom a thread is inside a plug-in just now.
 * The functions that a plug-in calls (api_*.c) have no argument that says so; they look here.  One per thread,
 * set around each call into a plug-in and cleared behind it. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "base/err.h"
#include "core/core.h"

/* Strings that live with a connection or with the server: a chain, freed at once. */
struct interned {
	struct interned *next;
	char text[];
};

struct context {
	const char *module;            /* name, for messages; NULL: not known yet */
	const struct client *client;   /* NULL: no connection */
	struct stack *stack;           /* its; or NULL */
	struct layer *layer;           /* where the call was made; or NULL */
	const char *export;            /* the export's name, after default_export had its say; NULL: not chosen yet */
	struct interned **strings;     /* where interned strings go */
	struct err *err;               /* start-up: messages go here, for main to print; NULL: printed */
	atomic_bool *cancelled;        /* the client or the server goes: don't sleep on.  Or NULL */
	int errnum;                    /* what nbdkit_set_error() said, or 0 */
};

extern _Thread_local struct context *context; /* NULL outside of plug-ins */

/* Wake everyone who sleeps in nbdkit_nanosleep(), to look at cancelled.  Any thread. */
void context_wake_sleepers(void);
void interned_free(struct interned **strings);

/* Set by main before plug-ins are loaded. */
extern bool bridge_stdio_safe;         /* stdin and stdout are not the client's */
extern void (*bridge_shutdown)(void);  /* end the server; any thread.  NULL: not yet serving */
