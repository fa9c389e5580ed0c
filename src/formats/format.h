/* SPDX-License-Identifier: BSD-2-Clause */
/* format: what happened to a disk, out of one file format and into another.
 *
 * Readers and writers meet in struct fmt_event: an event of a recording (trace/rec.h), whatever the file was.  A reader walks its file
 * from beginning to end and shows each event once; fmt_convert() pairs begins and ends, and hands both to a writer.
 * No file is opened here: bytes come in through rec_source and leave through fmt_out, so a test or a fuzzer can be either.
 * One thread at a time. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "base/err.h"
#include "trace/rec_flight.h"
#include "trace/rec_read.h"

enum {
	FMT_NOTES_MAX = 16 << 10,     /* bytes */
	FMT_LENGTH_MAX = 64 << 20,    /* bytes of one request whose data is kept; longer ones have none */
	FMT_FLIGHT_MAX = 1 << 16,     /* requests under way at the same time; more are left out, and told */
	FMT_WINDOW_MAX = 1 << 17,     /* bytes that fmt_window() gives */
};

struct fmt_event {
	struct rec_event rec;         /* its time is ns since the session began; runs and next_addr are not used */
	const struct rec_run *runs;   /* BEGIN of a WRITE: count of them, what it holds, sorted, without hashes; addr for fmt_load() */
	size_t count;                 /* 0: that is not known */
};

/* False: no more, please. */
typedef bool fmt_see(void *arg, const struct fmt_event *ev);

/* A file that is read. */
struct fmt_in {
	const struct fmt_reader *reader;
	struct rec_source source;     /* its size is that of a file that does not grow */
	uint64_t wall;                /* ns since 1970 when the session began; 0: not known.  Set before the first event is shown */
	bool times;                   /* does the file tell times?  else they are numbers in order */
	bool notes_cut;
	struct buf notes;             /* what is wrong with the file, with its place; lines for a person */
	struct rec_file rec;          /* of a recording */
	struct { uint8_t *bytes; uint64_t at; size_t n; } window;
	struct fmt_cache { size_t chunk; uint8_t *body; } cache; /* of a recording: the DATA chunk read last */
};

struct fmt_reader {
	const char *name, *help;
	/* Does a file that begins with these bytes look like one? */
	bool (*is)(const uint8_t *p, size_t n);
	/* Show all events.  -1 with e set: nothing could be had of it. */
	int (*walk)(struct fmt_in *in, fmt_see *see, void *arg, struct err *e);
	/* Bytes at a run's address; 0 or an errno.  NULL: addresses are places in the file. */
	int (*load)(struct fmt_in *in, uint64_t addr, size_t n, void *to);
};

extern const struct fmt_reader *const fmt_readers[]; /* ends in NULL */

/* Choose by name, or (NULL) by the first bytes.  -1 with e set.  in is to be closed in any case. */
int fmt_open(struct fmt_in *in, const struct rec_source *s, const char *name, struct err *e);
void fmt_close(struct fmt_in *in);
/* A line for the person; it is bounded, and the rest is counted in words. */
void fmt_note(struct fmt_in *in, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* n bytes of the file at at, n <= FMT_WINDOW_MAX, valid until the next call; NULL: they are not there. */
const uint8_t *fmt_window(struct fmt_in *in, uint64_t at, size_t n);
/* What runs hold, in order: len bytes.  0 or an errno. */
int fmt_load(struct fmt_in *in, const struct rec_run *runs, size_t count, void *to);

/* --- the other side --- */

/* A file that is written. */
struct fmt_out {
	const struct fmt_writer *writer;
	/* n bytes at at; 0 or an errno.  Without seeks, at always goes on from before. */
	int (*write)(void *owner, const void *p, size_t n, uint64_t at);
	void *owner;
	const char *path;             /* for those that name it; or NULL */
	uint64_t at;                  /* bytes that were handed to write() */
	struct buf pending;           /* bytes that wait */
	int error;                    /* errno of the first write that failed */
	struct fmt_in *in;
	void *own;                    /* writer->size zeroed bytes */
	struct buf data;              /* scratch */
	/* what the format could not hold, counted for the person */
	uint64_t fua, zeroes, no_data, other;
};

struct fmt_writer {
	const char *name, *help;
	size_t size;
	bool seeks;                   /* it goes back: no pipe */
	bool takes_path;              /* it makes its file out->path itself */
	/* Each false with e set, or with out->error set. */
	bool (*begin)(struct fmt_out *out, struct err *e);
	/* o: of an END, its request as it began.  ev NULL: o is a request that never ended. */
	bool (*event)(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e);
	bool (*end)(struct fmt_out *out, struct err *e);
};

extern const struct fmt_writer *const fmt_writers[]; /* ends in NULL; those that need no other library */

/* Append; false: out->error is set. */
bool fmt_put(struct fmt_out *out, const void *p, size_t n);
bool fmt_print(struct fmt_out *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool fmt_flush(struct fmt_out *out);
/* Over bytes that were flushed. */
bool fmt_put_at(struct fmt_out *out, const void *p, size_t n, uint64_t at);
/* What a write holds, into out->data; NULL: it is not known, or cannot be read (a note tells). */
const uint8_t *fmt_data(struct fmt_out *out, const struct rec_open *o);

/* All of in to out, which has writer, write and owner set.  events (may be NULL) is how many there were.  -1 with e set. */
int fmt_convert(struct fmt_in *in, struct fmt_out *out, uint64_t *events, struct err *e);

/* "read", "write" ... */
extern const char *const fmt_ops[REC_OPS];
