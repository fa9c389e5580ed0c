/* SPDX-License-Identifier: BSD-2-Clause */
/* Recordings: docs/recording-format.md. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "formats/formats.h"
#include "trace/rec_walk.h"

static bool is(const uint8_t *p, size_t n)
{
	return n >= 4 && memcmp(p, "REC1", 4) == 0;
}

/* What a write holds, without hashes; false: no memory. */
static bool list_runs(const struct rec_event *e, struct buf *out)
{
	struct rec_runs w;
	struct rec_run r;

	out->len = 0;
	rec_runs(&w, e);
	while (rec_next_run(&w, &r)) {
		if (r.hashes) {
			out->len = 0;
			break;
		}
		if (!buf_add(out, &r, sizeof r))
			return false;
	}
	return true;
}

static void tell_damage(struct fmt_in *in)
{
	char damage[REC_DAMAGE_ROOM];
	if (rec_damage(&in->rec, false, damage))
		fmt_note(in, "%s", damage);
}

static int walk(struct fmt_in *in, fmt_see *see, void *arg, struct err *e)
{
	struct err why;
	struct rec_walk w;
	struct fmt_event ev = { 0 };
	struct buf runs = { .limit = 2 * (size_t)REC_BODY_MAX / 2 * sizeof(struct rec_run) };
	uint64_t number, next = 0;
	int rc = 0;

	if (rec_open(&in->rec, &in->source, &why) < 0)
		return err_set(e, "at byte 0: %s", why.msg);
	tell_damage(in);
	/* events may be older than the file, which is begun when there is something to write */
	uint64_t start = in->rec.events.count ? MIN(in->rec.start, in->rec.events.at[0].time) : in->rec.start;
	rec_walk_start(&w, &in->rec, 0);
	for (uint64_t bad = 0, first = 0; rec_walk_next(&w, &ev.rec, &number); bad = w.bad) {
		if (!first) { /* what was under way may be older still */
			first = 1;
			start = MIN(start, ev.rec.time);
			in->wall = in->rec.wall - MIN(in->rec.wall, in->rec.start - start);
			in->times = true;
		}
		if (w.bad > bad)
			fmt_note(in, "%" PRIu64 " chunks of events that cannot be read, before byte %" PRIu64, w.bad - bad,
				in->rec.events.at[w.chunk - 1].at);
		if (number > next)
			fmt_note(in, "%" PRIu64 " events are missing before event %" PRIu64, number - next, number);
		next = MAX(next, number + (ev.rec.type != REC_CARRY));
		if (!list_runs(&ev.rec, &runs)) {
			rc = err_set(e, "out of memory");
			break;
		}
		ev.rec.time -= MIN(start, ev.rec.time);
		ev.runs = (const struct rec_run *)(const void *)runs.p;
		ev.count = runs.len / sizeof(struct rec_run);
		ev.rec.runs = NULL;
		ev.rec.runs_len = 0;
		if (!see(arg, &ev))
			break;
	}
	if (w.decoder.bad)
		fmt_note(in, "the chunk of events at byte %" PRIu64 " cannot be read to its end: %s",
			in->rec.events.at[w.chunk - 1].at, w.decoder.bad);
	rec_walk_end(&w);
	buf_free(&runs);
	return rc;
}

/* The DATA chunk that holds addr; chunks are in the order of their addresses. */
static size_t chunk_of(const struct rec_heads *data, uint64_t addr)
{
	size_t low = 0, high = data->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct rec_head *h = &data->at[mid];
		if (addr < h->first)
			high = mid;
		else if (addr - h->first >= h->count)
			low = mid + 1;
		else
			return mid;
	}
	return SIZE_MAX;
}

static int load(struct fmt_in *in, uint64_t addr, size_t n, void *to)
{
	for (size_t part; n; addr += part, n -= part, to = (uint8_t *)to + part) {
		size_t i = chunk_of(&in->rec.data, addr);
		const char *why;
		if (i == SIZE_MAX)
			return EIO;
		const struct rec_head *h = &in->rec.data.at[i];
		if (in->cache.chunk != i) {
			free(in->cache.body);
			in->cache.body = rec_body(&in->rec, h, &why);
			in->cache.chunk = in->cache.body ? i : SIZE_MAX;
		}
		if (!in->cache.body || addr - h->first >= h->raw)
			return EIO;
		part = (size_t)MIN((uint64_t)n, h->raw - (addr - h->first));
		memcpy(to, in->cache.body + (addr - h->first), part);
	}
	return 0;
}

const struct fmt_reader fmt_in_recording = {
	.name = "recording",
	.help = "what the filter record writes",
	.is = is,
	.walk = walk,
	.load = load,
};
