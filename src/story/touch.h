/* SPDX-License-Identifier: BSD-2-Clause */
/* touch: what one request touched, by the maps of the disk, into the acts and items of a phase.  For facts.c. */
#pragma once
#include "story/facts.h"

/* A request that was answered. */
struct done {
	const struct rec_event *e;  /* as it began */
	struct reach reach;         /* last is greater than of all that were answered before */
};

/* p: a phase of f, or its whole. */
void touch_add(struct facts *f, struct phase *p, const struct done *d);
