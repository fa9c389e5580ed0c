/* SPDX-License-Identifier: BSD-2-Clause */
/* window: the screen in a window, by SDL, and the keys.
 * Live, it shows all that the log has and then follows it; in replay it lets recording time
 * run with the wall clock, times a speed.  Only uploads what paint made.  Main thread. */
#pragma once
#include "view/output.h"

struct window_options {
	bool fullscreen;
	bool replay;
	double speed; /* of the replay */
	const char *steps_file; /* read again when it changes; NULL: none */
	bool stats; /* print at the end how it kept up */
};

/* Until the person closes it: 0, or -1 with e set. */
int window_run(struct play *p, const struct look_options *o, const struct window_options *w, struct err *e);
