/* SPDX-License-Identifier: BSD-2-Clause */
/* signals: what INT, TERM, QUIT and HUP do to a server.
 * The first one ends it cleanly; one that comes half a second later or more ends it at once, with
 * status 128 + its number (sooner it is the same wish told twice, as timeout(1) does).  A hangup of the
 * terminal ends a server of the foreground; any other HUP means to read a configuration, and does
 * nothing.  While a --run command lives, keys typed on the terminal (INT, QUIT) are the command's
 * alone.  PIPE is ignored.  Main thread. */
#pragma once
#include <stdbool.h>
#include "base/err.h"
#include "cmd/run.h"
#include "loop/loop.h"
#include "server/listen.h"
#include "server/server.h"

struct signals {
	struct watch watch;     /* of a pipe that the handler writes to */
	struct server *server;  /* borrowed, like the rest */
	struct run *run;
	struct listeners *listeners;
	bool background;
};

#define SIGNALS_NONE { .watch.fd = -1 }

/* From now on they wait in a pipe.  By handlers and not by a mask, which what plug-ins start would inherit. */
int signals_catch(struct err *e);
/* ... and from now on they come to loop 0 of s->server. */
int signals_watch(struct signals *s, struct err *e);
/* Serving is over: what is left to do can be cut short by a signal, by the same rule. */
void signals_unwatch(struct signals *s);
