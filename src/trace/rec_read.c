/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/rec_read.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "base/bytes.h"

enum { SEARCH = 64 << 10 }; /* bytes looked at in one go for where the next good chunk begins */

static void trouble(struct rec_file *f, const char *why, uint64_t at)
{
	if (!f->trouble) {
		f->trouble = why;
		f->trouble_at = at;
	}
}

static bool add(struct rec_heads *l, const struct rec_head *h)
{
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct rec_head *more = reallocarray(l->at, room, sizeof *more);
		if (!more)
			return false;
		l->at = more;
		l->room = room;
	}
	l->at[l->count++] = *h;
	return true;
}

/* Numbers must go on from the chunk before: else a search among them would go astray. */
static bool note(struct rec_file *f, const struct rec_head *h)
{
	struct rec_heads *l = h->kind == REC_EVENTS ? &f->events : h->kind == REC_TABLE ? &f->tables
			    : h->kind == REC_DATA ? &f->data : NULL;
	if (!l)
		return true;
	const struct rec_head *last = l->count ? &l->at[l->count - 1] : NULL;
	if (h->first > INT64_MAX || h->count > INT64_MAX
	    || (last && h->kind != REC_TABLE && (h->first < last->first + last->count || h->time < last->time))) {
		trouble(f, "a chunk whose numbers do not go on from those before", h->at);
		f->skipped += rec_next(h) - h->at;
		return true;
	}
	if (h->kind == REC_EVENTS)
		f->count = h->first + h->count;
	return add(l, h);
}

/* From at on: the first place where a chunk begins; end: none does. */
static uint64_t find_chunk(const struct rec_file *f, uint64_t at, uint64_t end)
{
	uint8_t *p = malloc(SEARCH);
	uint64_t found = end;
	for (at = (at + 7) & ~7ull; p && at + REC_HEAD_SIZE <= end && found == end; at += SEARCH - REC_HEAD_SIZE) {
		size_t n = (size_t)MIN((uint64_t)SEARCH, end - at);
		struct rec_head h;
		if (f->source.read(f->source.owner, p, n, at))
			break;
		for (size_t i = 0; i + REC_HEAD_SIZE <= n && found == end; i += 8)
			if (!rec_get_head(p + i, at + i, end - at - i, &h))
				found = at + i;
	}
	free(p);
	return found;
}

/* The chunks of [at, end), which is within one segment, one by one.  Sets f->next behind the last whole one, or, when no further
 * one can be in the segment, to where the next segment begins, which may be beyond the file. */
static bool scan(struct rec_file *f, uint64_t at, uint64_t end, bool grows)
{
	uint8_t p[REC_HEAD_SIZE];
	struct rec_head h;
	const uint64_t over = (at / REC_SEGMENT + 1) * REC_SEGMENT;

	while (at + REC_HEAD_SIZE <= end) {
		const char *why = "it cannot be read";
		if (!f->source.read(f->source.owner, p, sizeof p, at))
			why = rec_get_head(p, at, end - at, &h);
		if (!why && h.kind == REC_PAD)
			break;
		if (!why) {
			if (!note(f, &h))
				return false;
			at = rec_next(&h);
			f->next = at;
			continue;
		}
		uint64_t next = find_chunk(f, at + 8, end);
		if (next == end && grows)
			return true; /* it may be whole the next time */
		trouble(f, why, at);
		f->skipped += next - at;
		at = next;
	}
	/* less than a head at the end of the file is the beginning of one */
	if (at + REC_HEAD_SIZE <= end || over - at < REC_HEAD_SIZE)
		f->next = over;
	return true;
}

/* The body of a SEGMENT, or NULL. */
static uint8_t *segment_body(const struct rec_file *f, uint64_t at, struct rec_head *h)
{
	uint8_t p[REC_HEAD_SIZE];
	const char *why;
	if (at >= f->source.size || f->source.read(f->source.owner, p, MIN(sizeof p, f->source.size - at), at)
	    || rec_get_head(p, at, f->source.size - at, h) || h->kind != REC_SEGMENT_CHUNK || h->raw < REC_INFO_SIZE)
		return NULL;
	return rec_body(f, h, &why);
}

/* Segment number n, which is over, as the next one tells of it. */
static bool take_segment(struct rec_file *f, uint64_t n, bool *told)
{
	struct rec_head h, one;
	uint8_t *body = segment_body(f, (n + 1) * REC_SEGMENT, &h);
	bool ok = true;

	*told = body && h.count == (h.raw - REC_INFO_SIZE) / REC_HEAD_SIZE && h.first == n;
	for (uint64_t i = 0; *told && ok && i < h.count; i++) {
		const uint8_t *p = body + REC_INFO_SIZE + i * REC_HEAD_SIZE;
		uint64_t at = get_le64(p + REC_PLACE_AT);
		if (at / REC_SEGMENT != n || rec_get_head(p, at, f->source.size - MIN(at, f->source.size), &one))
			trouble(f, "a list of chunks with one that cannot be", h.at);
		else
			ok = note(f, &one);
	}
	free(body);
	return ok;
}

int rec_more(struct rec_file *f, uint64_t size, struct err *e)
{
	f->source.size = MAX(size, f->source.size);
	size = f->source.size;
	while (f->next < size) {
		uint64_t n = f->next / REC_SEGMENT, end = (n + 1) * REC_SEGMENT, before = f->next;
		bool told = false, ok = true;
		if (f->next == n * REC_SEGMENT && end < size)
			ok = take_segment(f, n, &told);
		if (ok && told)
			f->next = end;
		else if (ok)
			ok = scan(f, f->next, MIN(end, size), end >= size);
		if (!ok)
			return err_set(e, "out of memory");
		if (f->next == before || (end >= size && f->next < end))
			break;
	}
	f->scanned = MIN(f->next, size);
	return 0;
}

int rec_open(struct rec_file *f, const struct rec_source *s, struct err *e)
{
	struct rec_head h;

	*f = (struct rec_file){ .source = *s };
	uint8_t *body = segment_body(f, 0, &h);
	if (!body || !rec_get_info(body, h.raw, &f->info)) {
		free(body);
		return err_set(e, "this is no recording that can be read");
	}
	free(body);
	f->start = h.time;
	f->wall = f->info.wall;
	if (rec_more(f, s->size, e) == 0)
		return 0;
	rec_close(f);
	return -1;
}

void rec_close(struct rec_file *f)
{
	free(f->events.at);
	free(f->tables.at);
	free(f->data.at);
	*f = (struct rec_file){ 0 };
}

static const char *unpack(const struct rec_head *h, const uint8_t *stored, uint8_t *raw)
{
	size_t n = ZSTD_decompress(raw, h->raw, stored, h->stored);
	return ZSTD_isError(n) || n != h->raw ? "a chunk that cannot be unpacked" : NULL;
}

void *rec_body(const struct rec_file *f, const struct rec_head *h, const char **why)
{
	size_t n = REC_HEAD_SIZE + (size_t)h->stored;
	uint8_t *p = malloc(n), *body = malloc(h->raw ? h->raw : 1);

	if (!p || !body)
		*why = "out of memory";
	else if (f->source.read(f->source.owner, p, n, h->at))
		*why = "it cannot be read";
	else if (!rec_check_body(p, p + REC_HEAD_SIZE, h->stored))
		*why = "a chunk does not match its checksum";
	else if (h->pack == REC_ZSTD)
		*why = unpack(h, p + REC_HEAD_SIZE, body);
	else
		*why = h->raw ? (memcpy(body, p + REC_HEAD_SIZE, h->raw), NULL) : NULL;
	free(p);
	if (!*why)
		return body;
	free(body);
	return NULL;
}

size_t rec_chunk_of_event(const struct rec_file *f, uint64_t n)
{
	size_t low = 0, high = f->events.count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (f->events.at[mid].first <= n)
			low = mid + 1;
		else
			high = mid;
	}
	return low - 1;
}

size_t rec_chunk_of_time(const struct rec_file *f, uint64_t time)
{
	size_t low = 0, high = f->events.count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (f->events.at[mid].time <= time)
			low = mid + 1;
		else
			high = mid;
	}
	return low - 1;
}

const char *rec_damage(const struct rec_file *f, bool goes_on, char *text)
{
	uint64_t at = f->trouble ? f->trouble_at : f->scanned, bytes = f->trouble ? f->skipped : f->source.size - f->scanned;
	const char *what = f->trouble ? f->trouble : "cut off", *last = f->trouble ? "" : "the last ";

	if (!f->trouble && f->scanned >= f->source.size)
		return NULL;
	if (goes_on)
		snprintf(text, REC_DAMAGE_ROOM, "%s at byte %" PRIu64 ": going on without %s%" PRIu64 " bytes", what, at, last, bytes);
	else
		snprintf(text, REC_DAMAGE_ROOM, "%s at byte %" PRIu64 ": %s%" PRIu64 " bytes are left out%s", what, at, last, bytes,
			 f->trouble ? " in all" : "");
	return text;
}
