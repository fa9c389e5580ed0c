/* SPDX-License-Identifier: BSD-2-Clause */
/* model: a recording up to one moment.  Events go in, in the order of the log; what comes
 * out is the map, the totals, the rates and the marks of the last flush and error.
 * A request takes effect when it is answered; one that fails changes no state.
 * Feeding the same events gives the same model: nothing here looks at a clock.
 * No I/O; one thread at a time. */
#pragma once
#include "view/filter.h"
#include "view/inflight.h"
#include "view/map.h"

#define RATE_SLOTS 100 /* of RATE_SLOT_NS: the last second */
#define RATE_SLOT_NS (10 * NS_PER_MS)

struct count {
	uint64_t ops, bytes;
};

struct totals {
	struct count op[EV_OPS]; /* answered with success */
	uint64_t errors;         /* answered with a failure */
	uint64_t unmatched;      /* answers to requests we never saw */
	uint64_t abandoned;      /* requests that never got an answer */
	uint64_t clipped;        /* requests that reach beyond the disk */
	uint64_t clipped_bytes;
	uint64_t lost;           /* lines the writer says it dropped */
};

struct model {
	struct map map;
	/* Set it before the first event, borrowed; NULL: every request is shown.  What does not pass counts in `events' and nowhere
	 * else, nor does its answer. */
	const struct filter *filter;
	struct inflight open;
	struct totals total;
	uint64_t events;     /* taken so far */
	uint64_t last;       /* ns, time of the last one */
	uint64_t last_flush; /* ns; 0: never */
	uint64_t last_error;
	struct count rate[RATE_SLOTS][EV_OPS];
	uint64_t rate_at; /* number of the newest slot, time / RATE_SLOT_NS */
};

int model_init(struct model *m, uint64_t size, struct err *e);
void model_free(struct model *m);

/* A model set aside. */
struct model_kept {
	struct model m;      /* without what it owns */
	struct map_kept map;
	struct event *open;  /* opens of them, oldest first, ours */
	uint32_t opens;
	uint64_t bytes;      /* of memory, about */
};
bool model_keep(const struct model *m, struct model_kept *k); /* false: no memory */
/* m, of the same disk and with the same filter, becomes what it was; only its rows stay as they are.  False: no memory, and m is not usable. */
bool model_bring_back(struct model *m, const struct model_kept *k);
void model_kept_free(struct model_kept *k);

/* What an event came to, for whoever keeps other books. */
struct outcome {
	bool ended;       /* req was answered, with err */
	struct event req; /* as it began, cut to the disk */
	int err;
};

/* out may be NULL. */
void model_event(struct model *m, const struct event *ev, struct outcome *out);

/* Requests in flight that are shown. */
static inline uint32_t model_in_flight(const struct model *m) { return m->open.open - m->open.hidden; }

/* Requests and bytes of one kind that ended in the second up to now (>= m->last). */
struct count model_rate(const struct model *m, enum ev_op op, uint64_t now);

extern const char *const op_names[EV_OPS];
