/* SPDX-License-Identifier: BSD-2-Clause */
/* rig: a stack in a test: modules of the test's choice between a home that counts and a bottom that the
 * test answers by hand or lets answer at once; on a loop whose clock stands still until the test turns it. */
#pragma once
#include <string.h>
#include "core/core.h"
#include "unit/test.h"

enum { RIG_MAX = 4096 };
#define MS(n) ((uint64_t)(n) * NS_PER_MS)

struct rig {
	struct loop loop;
	struct client client;
	struct stages stages;
	struct stage at[8];
	struct stack *stack;
	/* what came home, in order */
	unsigned home;
	struct { enum op op; uint64_t off; int err; uint64_t when; void *data; } came[RIG_MAX];
	/* what reached the bottom */
	unsigned bottom;
	bool hold;             /* the bottom keeps requests until rig_release() */
	int bottom_err;        /* what it answers */
	struct list held;
	struct limits limits;  /* what it offers at OPEN */
	struct { enum op op; uint64_t off; uint32_t flags; uint64_t when; } reached[RIG_MAX];
};

/* mods end with NULL: filters, outermost first, and a plug-in or the rig's own bottom behind them. */
bool rig_start(struct rig *t, const struct module *const *mods);
/* key=value pairs for stage number i, then start it. */
bool rig_option(struct rig *t, unsigned i, const char *key, const char *value);
bool rig_go(struct rig *t); /* starts the stages, makes the stack, OPENs it */
void rig_stop(struct rig *t);

struct req *rig_send(struct rig *t, enum op op, uint64_t off, uint64_t len, uint32_t flags, void *data);
void rig_release(struct rig *t, int err);  /* the oldest request that the bottom holds goes up */
void rig_turn_to(struct rig *t, uint64_t now);
