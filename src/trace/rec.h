/* SPDX-License-Identifier: BSD-2-Clause */
/* rec: the bytes of a recording, both ways.  No I/O and no threads: functions on memory.
 *
 * docs/recording-format.md specifies the layout; the names here are the ones used there.  A recording is a row of chunks:
 *
 *   SEGMENT  at every multiple of REC_SEGMENT bytes: what the segment before holds.  The first one tells of the recording
 *   DATA     unique blocks of written bytes; their addresses count on from chunk to chunk
 *   EVENTS   what happened, in order; begins with what was under way, so each can be read for itself
 *   TABLE    for a row of EVENTS chunks: what they left in the disk's ranges, sorted
 *
 * All numbers are little-endian.  Whatever is read is checked: a length is never trusted before it was compared with what
 * is there. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

#define REC_MAGIC 0x31434552u /* "REC1" */
#define REC_SEGMENT (64ull << 20)
#define REC_ZEROES UINT64_MAX  /* in place of an address */

enum {
	REC_HEAD_SIZE = 64,           /* bytes of a chunk's head */
	REC_PLACE_AT = 16,            /* where in it stands its place in the file: 8 bytes */
	REC_BLOCK = 4096,             /* bytes: writes are cut at these multiples of the disk's offset */
	REC_BODY_MAX = 8 << 20,       /* bytes of a body, packed or not; chunks never cross the end of a segment */
	REC_TEXT_MAX = 4096,          /* bytes of a name or mark */
	REC_HASH_SIZE = 16,           /* XXH3, 128 bits */
	REC_PIECES_MAX = 1 << 15,     /* runs in one write: 64 MiB and the ends */
};

enum rec_kind { REC_SEGMENT_CHUNK = 1, REC_DATA, REC_EVENTS, REC_TABLE, REC_PAD };
enum rec_pack { REC_RAW, REC_ZSTD };

/* EVENTS: not all that was under way is carried; a MARK, a CONNECT, a LOSS is in it. */
enum { REC_CUT = 1, REC_HAS_MARK = 2, REC_HAS_CONNECT = 4, REC_HAS_LOSS = 8 };

struct rec_head {
	uint8_t kind, pack;
	uint8_t level;         /* TABLE: of its merge.  EVENTS: REC_HAS_... */
	uint32_t stored, raw;  /* bytes of the body as it lies there, and unpacked */
	uint64_t at;           /* of the head in the file */
	uint64_t first;        /* EVENTS: number of its first event.  DATA: address of its first byte.  TABLE: the first event
				  that it covers.  SEGMENT: number of the segment before */
	uint64_t count;        /* EVENTS: events.  DATA: bytes.  TABLE: events, whole chunks of them.  SEGMENT: entries */
	uint64_t time;         /* ns, CLOCK_MONOTONIC: of the first event; the others: when it was written */
};

/* The head of a body, with both checksums: REC_HEAD_SIZE bytes at p. */
void rec_put_head(uint8_t *p, const struct rec_head *h, const void *body);
/* NULL, or what is wrong with it.  avail: bytes of the file from the head on. */
const char *rec_get_head(const uint8_t *p, uint64_t at, uint64_t avail, struct rec_head *h);
/* Does the body (h->stored bytes) belong to the head at p? */
bool rec_check_body(const uint8_t *p, const void *body, size_t n);
/* Where the chunk behind this one begins: bodies end on multiples of 8. */
static inline uint64_t rec_next(const struct rec_head *h) { return h->at + REC_HEAD_SIZE + ((h->stored + 7ull) & ~7ull); }

/* The first bytes of a SEGMENT's body; the heads of the segment before follow. */
enum { REC_INFO_SIZE = 32 };
struct rec_info {
	uint64_t wall;         /* ns since 1970, at the head's time */
	uint32_t data;         /* enum rec_data: what is kept of written bytes */
};
enum rec_data { REC_DATA_NO, REC_DATA_HASH, REC_DATA_YES };
void rec_put_info(uint8_t *p, const struct rec_info *i);
bool rec_get_info(const uint8_t *p, size_t n, struct rec_info *i);

/* --- events --- */

enum rec_type { REC_BEGIN = 1, REC_END, REC_CONNECT, REC_DISCONNECT, REC_MARK, REC_LOSS, REC_CARRY };
enum rec_op { REC_READ, REC_WRITE, REC_TRIM, REC_ZERO, REC_FLUSH, REC_CACHE, REC_EXTENTS, REC_OPS }; /* as enum ev_op */
enum { REC_FUA = 1, REC_NO_HOLE = 2, REC_FAST = 4, REC_REQ_ONE = 8 };

struct rec_event {
	uint64_t time;        /* ns, CLOCK_MONOTONIC */
	uint64_t conn, id;    /* of a request: unique within its connection */
	uint64_t off, len;    /* bytes; CONNECT: len is the disk's size; LOSS: len events */
	uint32_t err;         /* END: 0 or a positive errno of Linux */
	uint8_t type, op, flags;
	const uint8_t *text;  /* CONNECT: export and NUL and client; MARK: text; text_len bytes; into the body */
	uint32_t text_len;
	const uint8_t *runs;  /* BEGIN and CARRY of a WRITE with data: runs_len bytes for rec_next_run(); into the body */
	uint32_t runs_len;
	uint64_t next_addr;   /* the decoder's, for rec_runs() */
};

/* Appends events to a body.  Zeroed but for time, which is the head's, it is ready. */
struct rec_encoder {
	uint64_t time;        /* of the event before */
	uint64_t addr;        /* behind the last address named */
};
/* False: the body's limit.  e->runs is copied as it is: made by rec_put_run() with the same encoder. */
bool rec_encode(struct rec_encoder *enc, struct buf *body, const struct rec_event *e);

struct rec_decoder {
	const uint8_t *p, *end;
	uint64_t time, addr;
	const char *bad;      /* what was wrong, once rec_decode() said false with bytes left */
	bool data;            /* do WRITEs carry runs? */
};
/* The next event; false: the end, or bad. */
bool rec_decode(struct rec_decoder *d, struct rec_event *e);

/* What a stretch of a write holds: len bytes at addr (REC_ZEROES: zeroes), or pieces with a hash each. */
struct rec_run {
	uint64_t off, len, addr;
	const uint8_t *hashes; /* one for each block touched; or NULL */
};
bool rec_put_run(struct buf *b, uint64_t *addr, const struct rec_run *r);

/* Walks the runs of a WRITE. */
struct rec_runs {
	const uint8_t *p, *end;
	uint64_t off, left, addr;
};
void rec_runs(struct rec_runs *w, const struct rec_event *e);
bool rec_next_run(struct rec_runs *w, struct rec_run *r);
