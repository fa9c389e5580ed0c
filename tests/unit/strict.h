/* SPDX-License-Identifier: BSD-2-Clause */
/* strict: a bottom for tests of filters: a small disk that counts requests that are not in its blocks or too long, and
 * that can keep requests and let them go in any order. */
#pragma once
#include "unit/rig.h"

enum { STRICT_SIZE = 64 << 10, STRICT_HELD = 4096 };

struct strict {
	uint8_t bytes[STRICT_SIZE];
	uint64_t size;
	uint32_t min, max, maxlen;   /* what it wants; 0: anything */
	bool tells;                  /* that in its limits */
	bool hold;
	int err[OP_COUNT];           /* what it answers instead */
	unsigned wrong;              /* requests that it cannot have */
	unsigned count[OP_COUNT];
	uint64_t least, most;        /* bytes touched by writes, zeroes and trims */
	struct layer *layer;
	struct req *held[STRICT_HELD];
	unsigned held_count;
};

extern struct strict strict;
extern const struct module strict_bottom;

void strict_reset(void);
void strict_release(unsigned i);   /* one that is held */
void strict_release_all(void);     /* in random order, and what comes meanwhile */
