/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/recfile.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include "base/say.h"

enum {
	HEADS_MAX = REC_BODY_MAX - 64,
	PACK_LEVEL = 1,
	PACK_MIN = 256,
	SAMPLE = 2 << 10, SAMPLES = 8, /* bytes from so many places tell whether it is worth to pack all */
};
#define RETRY_NS (200 * NS_PER_MS)

int recfile_open(struct recfile *f, const char *path, enum rec_data data, struct err *e)
{
	*f = (struct recfile){ .path = path, .data = data };
	buf_init(&f->heads, HEADS_MAX);
	buf_init(&f->packed, ZSTD_compressBound(REC_BODY_MAX));
	f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (f->fd < 0)
		return err_set(e, "record: cannot open %s: %s", path, strerror(errno));
	if (!(f->zstd = ZSTD_createCCtx())) {
		close(f->fd);
		return err_set(e, "record: out of memory");
	}
	return 0;
}

/* All of it at f->at; false: given up. */
static bool put(struct recfile *f, const void *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t put = pwrite(f->fd, p, n, (off_t)at);
		if (put > 0) {
			p = (const char *)p + put;
			n -= (size_t)put;
			at += (size_t)put;
			continue;
		}
		if (put < 0 && errno == EINTR)
			continue;
		if (!f->failing)
			say_error("record: cannot write to %s: %s: requests %s until it can", f->path, strerror(put < 0 ? errno : ENOSPC),
				  f->drop ? "go on without it" : "wait");
		f->failing = true;
		if (f->give_up(f->owner))
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = RETRY_NS }, NULL);
	}
	f->failing = false;
	return true;
}

static bool put_chunk(struct recfile *f, struct rec_head *h, const void *body)
{
	static const uint8_t zeroes[8];
	uint8_t head[REC_HEAD_SIZE];
	size_t fill = -h->stored & 7u;

	h->at = f->at;
	rec_put_head(head, h, body);
	if (!put(f, head, sizeof head, f->at) || !put(f, body, h->stored, f->at + sizeof head)
	    || !put(f, zeroes, fill, f->at + sizeof head + h->stored)) {
		if (ftruncate(f->fd, (off_t)f->at) < 0) /* else a reader stops at the torn chunk as well */
			say_debug("record: ftruncate %s: %s", f->path, strerror(errno));
		f->fails++;
		return false;
	}
	f->at = rec_next(h);
	return h->kind == REC_SEGMENT_CHUNK || h->kind == REC_PAD || buf_add(&f->heads, head, sizeof head);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return timespec_ns(&ts);
}

/* The first chunk of a segment: what is known of the recording, and the heads of the segment before. */
static bool begin_segment(struct recfile *f)
{
	struct rec_head h = { .kind = REC_SEGMENT_CHUNK, .first = f->segment ? f->segment - 1 : 0, .count = f->heads.len / REC_HEAD_SIZE,
			      .time = f->foreign ? 0 : clock_ns(CLOCK_MONOTONIC),
			      .stored = (uint32_t)(REC_INFO_SIZE + f->heads.len) };
	struct rec_info info = { .wall = f->foreign ? f->wall : clock_ns(CLOCK_REALTIME), .data = f->data };
	struct buf body = { .limit = REC_BODY_MAX };
	uint8_t bytes[REC_INFO_SIZE];

	h.raw = h.stored;
	rec_put_info(bytes, &info);
	bool ok = buf_add(&body, bytes, sizeof bytes) && buf_add(&body, f->heads.p, f->heads.len) && put_chunk(f, &h, body.p);
	buf_free(&body);
	if (ok)
		f->heads.len = 0;
	return ok;
}

/* So that the chunk lies within one segment, and its head in the list that the next one has. */
static bool make_room(struct recfile *f, uint64_t size)
{
	uint64_t end = (f->segment + 1) * REC_SEGMENT;
	if (!f->at)
		return begin_segment(f);
	if (f->at + size <= end && f->heads.len + REC_HEAD_SIZE <= HEADS_MAX) {
		/* now: no chunk may be in the file that is not in the list */
		if (buf_reserve(&f->heads, REC_HEAD_SIZE))
			return true;
		f->fails++;
		return false;
	}
	if (end - f->at >= REC_HEAD_SIZE) {
		struct rec_head pad = { .kind = REC_PAD };
		if (!put_chunk(f, &pad, NULL))
			return false;
	}
	f->at = end;
	f->segment++;
	if (begin_segment(f))
		return true;
	f->segment--;
	return false;
}

int recfile_begin(struct recfile *f, struct err *e)
{
	return make_room(f, 0) ? 0 : err_set(e, "record: cannot write to %s", f->path);
}

/* What was encrypted or packed before does not shrink at all, and finding that out takes longer than all the rest. */
static bool may_shrink(struct recfile *f, const uint8_t *body, size_t n)
{
	uint8_t sample[SAMPLES * SAMPLE];
	if (n < 4 * sizeof sample)
		return true;
	for (size_t i = 0; i < SAMPLES; i++)
		memcpy(sample + i * SAMPLE, body + i * (n / SAMPLES), SAMPLE);
	size_t packed = ZSTD_compressCCtx(f->zstd, f->packed.p, f->packed.room, sample, sizeof sample, PACK_LEVEL);
	return ZSTD_isError(packed) || packed < sizeof sample - sizeof sample / 64;
}

bool recfile_append(struct recfile *f, struct rec_head *h, const void *body, bool pack)
{
	h->stored = h->raw;
	h->pack = REC_RAW;
	if (pack && h->raw >= PACK_MIN && buf_reserve(&f->packed, ZSTD_compressBound(h->raw)) && may_shrink(f, body, h->raw)) {
		size_t n = ZSTD_compressCCtx(f->zstd, f->packed.p, f->packed.room, body, h->raw, PACK_LEVEL);
		if (!ZSTD_isError(n) && n < h->raw - h->raw / 8) {
			h->stored = (uint32_t)n;
			h->pack = REC_ZSTD;
			body = f->packed.p;
		}
	}
	return make_room(f, REC_HEAD_SIZE + ((h->stored + 7ull) & ~7ull)) && put_chunk(f, h, body);
}

int recfile_close(struct recfile *f, struct err *e)
{
	int rc = 0;
	if (f->fd >= 0 && close(f->fd) < 0)
		rc = err_set(e, "record: closing %s: %s", f->path, strerror(errno));
	f->fd = -1;
	ZSTD_freeCCtx(f->zstd);
	f->zstd = NULL;
	buf_free(&f->heads);
	buf_free(&f->packed);
	return rc;
}
