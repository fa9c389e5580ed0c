/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a recording: heads, lists, events, tables and data; and any moment of it as a disk.
 * So that bytes get past the checksums, these are made right where a head might be, before it is read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "trace/rec_at.h"
#include "trace/rec_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct file {
	uint8_t *bytes;
	size_t n;
};

static int read_bytes(void *owner, void *to, size_t n, uint64_t at)
{
	const struct file *f = owner;
	if (at > f->n || n > f->n - at)
		return EIO;
	memcpy(to, f->bytes + at, n);
	return 0;
}

/* Wherever the magic number stands, the head tells its place and has its checksums. */
static void repair(struct file *f)
{
	for (size_t at = 0; at + REC_HEAD_SIZE <= f->n; at += 8) {
		uint8_t *p = f->bytes + at;
		struct rec_head h = { .kind = p[4], .pack = p[5], .level = p[6], .at = at };
		if (memcmp(p, "REC1", 4) != 0)
			continue;
		memcpy(&h.stored, p + 8, 4);
		memcpy(&h.raw, p + 12, 4);
		memcpy(&h.first, p + 24, 8);
		memcpy(&h.count, p + 32, 8);
		memcpy(&h.time, p + 40, 8);
		if (h.stored <= f->n - at - REC_HEAD_SIZE)
			rec_put_head(p, &h, p + REC_HEAD_SIZE);
	}
}

static void look(const struct rec_file *f, uint64_t events)
{
	struct err e;
	struct rec_at *a = rec_at_open(f, events, &e);
	struct buf map = { .limit = 1 << 20 };
	uint8_t bytes[20000];

	if (!a)
		return;
	rec_at_map(a, 0, INT64_MAX, &map);
	uint64_t end = 0;
	for (size_t i = 0; i < map.len / sizeof(struct rec_extent); i++) {
		const struct rec_extent *x = (const struct rec_extent *)(const void *)map.p + i;
		if (x->off < end || !x->len)
			abort();
		end = x->off + x->len;
	}
	rec_at_read(a, 1000, sizeof bytes, bytes);
	buf_free(&map);
	rec_at_close(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct file f = { malloc(n + 1), n };
	const struct rec_source s = { .read = read_bytes, .owner = &f, .size = n / 2 };
	struct rec_marks marks = { .max = 10 };
	struct rec_file rec;
	struct rec_walk w;
	struct rec_event e;
	struct err err;
	uint64_t events;

	memcpy(f.bytes, data, n);
	repair(&f);
	if (rec_open(&rec, &s, &err) == 0) {
		if (rec_more(&rec, n, &err) < 0)
			abort();
		rec_walk_start(&w, &rec, 0);
		while (rec_walk_next(&w, &e, NULL))
			;
		rec_walk_end(&w);
		rec_list_marks(&rec, &marks);
		rec_free_marks(&marks);
		look(&rec, rec.count);
		look(&rec, rec.count / 2);
		if (rec_moment(&rec, "1ms", &events, &err) == 0)
			look(&rec, events);
		if (rec_moment(&rec, "mark=m", &events, &err) == 0)
			look(&rec, events);
		rec_close(&rec);
	}
	free(f.bytes);
	return 0;
}
