/* SPDX-License-Identifier: BSD-2-Clause */
/* facts: what a step's requests did, by what they touched, in bounded memory.
 *
 * A step is cut into phases by its flushes.  In a phase an act is one operation on one theme (writes of file data, zeroes of metadata);
 * an act has an item for each kind of thing it touched.  What was touched, the maps of the disk at the step's beginning and end
 * tell: of a write what it has become, of a trim what it was, of a read what it was when it was read.
 * Only what was answered with success is in acts; failures are counted beside.  No I/O.  One thread. */
#pragma once
#include "know/know.h"
#include "story/former.h"
#include "story/spans.h"
#include "trace/rec_flight.h"

enum {
	FACT_PHASES = 12,     /* kept one by one; what is beyond is in the whole only */
	FACT_ITEMS = 64,      /* in an act */
	FACT_PIECES = 4096,   /* of one request; the rest of it is of unknown kind */
	FACT_FLIGHT = 1 << 16, /* requests under way that are kept in mind */
	FACT_FLUSHES = 64,    /* flushes under way at once */
};
#define FACT_BEGIN (1ull << 32)

/* Where in the session: what a sentence links to. */
struct reach {
	uint64_t first, last;  /* numbers of events, from 0 */
	uint64_t begin, end;   /* ns, the session's clock */
};

enum theme {
	TH_NOTHING,            /* free, or nothing is known of it */
	TH_TABLE,              /* partition tables, boot sectors, labels */
	TH_META,
	TH_BACKUP,             /* copies of superblocks and group descriptors */
	TH_JOURNAL,
	TH_COMMIT,             /* a journal's commit blocks */
	TH_DATA,
	TH_DATABASE,
	THEMES
};

struct item {
	uint8_t kind;          /* enum know_kind */
	bool copy;             /* KNOW_COPY */
	uint16_t volume;
	uint64_t reqs, bytes;
	uint64_t before, unwritten; /* bytes of them: were of that kind at the step's beginning; and KNOW_UNWRITTEN then */
	uint64_t of_files;     /* of a journal's copies: bytes that are data of files */
	struct reach reach;
	struct spans numbers, where;
	struct keys files;     /* index in the end's files; FACT_BEGIN added: in those of the beginning */
	struct keys former;    /* files that were there and are no more: former_file() */
	uint64_t former_bytes;
	bool former_cut;       /* some of them were there then, and had been cut */
};

struct act {
	uint8_t op, theme;     /* enum rec_op; enum theme */
	uint64_t reqs, bytes, fua;
	struct reach reach;
	struct spans where;
	struct keys places;    /* offsets at which requests began */
	struct item *item;     /* items, in the order of the first touch; ours */
	unsigned items;
};

struct phase {
	struct act *act;       /* acts, in the order of the first touch; ours */
	unsigned acts;
	uint64_t start;        /* number of the event that changed something first; of the step's first phase: 0 */
	bool changed;          /* a write, zero or trim began in it */
	uint64_t flushes, flushed; /* asked for at its end, and answered with success */
	struct reach flush;
};

struct facts {
	const struct know_map *begin, *end;  /* borrowed; NULL: not known */
	bool given;            /* both are one: the disk at the end of the session, not of the step */
	const struct former *former;         /* borrowed; NULL: none */
	struct phase phase[FACT_PHASES];
	unsigned phases;       /* of the step, also those beyond */
	struct phase whole;    /* all of it, reads as well */
	struct spans written, emptied; /* bytes, in this step: by writes; by trims and zeroes */
	struct reach reach;
	uint64_t events, reqs[REC_OPS], bytes[REC_OPS], failed[REC_OPS];
	struct reach failures;
	uint32_t err;          /* of the first failure */
	bool no_memory;
};

/* What outlives steps. */
struct session {
	struct rec_flight flight;
	uint64_t now;          /* number of the next event */
	uint64_t answered, durable; /* bytes written (no FUA): in all, and covered by a flush */
	struct reach last_flush; /* the latest that was answered with success */
	uint64_t changes;      /* writes, zeroes and trims that began */
	uint64_t size;         /* bytes of the disk, by the last CONNECT */
	uint64_t conns, lost, untracked, unmatched, abandoned;
	struct {
		uint64_t number, answered;
	} flush[FACT_FLUSHES];
	unsigned flushes;
};

/* One event more, e->text and runs are not looked at.  number: of the event. */
void facts_event(struct facts *f, struct session *s, const struct rec_event *e, uint64_t number);
void facts_restart(struct session *s);  /* whatever was under way will not be answered */
void facts_free(struct facts *f);       /* may be used again */
void session_free(struct session *s);

void reach_add(struct reach *r, const struct reach *more); /* an r with end 0 is empty */
/* Does anybody know what lies where on it? */
bool facts_known(const struct know_map *m);
const struct act *facts_act(const struct phase *p, uint8_t op, uint8_t theme); /* NULL: none */
