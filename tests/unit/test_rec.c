/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a recording: both ways, and what is refused. */
#include <stdlib.h>
#include "trace/rec.h"
#include "trace/rec_flight.h"
#include "trace/rec_read.h"
#include "trace/rec_table.h"
#include "unit/test.h"

static uint64_t random64(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

TEST(a_head_comes_back_as_it_was_and_no_bit_of_it_may_change)
{
	const char body[] = "twelve bytes";
	struct rec_head got, h = { .kind = REC_TABLE, .level = 3, .stored = 12, .raw = 12, .at = 4096, .first = 77, .count = 5 };
	uint8_t p[REC_HEAD_SIZE];

	h.time = 99;
	rec_put_head(p, &h, body);
	CHECK(!rec_get_head(p, 4096, 1000, &got));
	CHECK(got.kind == h.kind && got.level == 3 && got.stored == 12 && got.raw == 12 && got.first == 77 && got.count == 5);
	CHECK(got.at == 4096 && got.time == 99 && rec_next(&got) == 4096 + REC_HEAD_SIZE + 16);
	CHECK(rec_check_body(p, body, 12) && !rec_check_body(p, "Twelve bytes", 12));
	CHECK(rec_get_head(p, 4104, 1000, &got));
	CHECK(rec_get_head(p, 4096, REC_HEAD_SIZE + 11, &got) && rec_get_head(p, 4096, REC_HEAD_SIZE - 1, &got));
	for (size_t bit = 0; bit < 8 * REC_HEAD_SIZE; bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(rec_get_head(p, 4096, 1000, &got));
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static bool same_run(const struct rec_run *a, const struct rec_run *b)
{
	return a->off == b->off && a->len == b->len && a->addr == b->addr;
}

TEST(events_come_back_as_they_were)
{
	struct rec_encoder enc = { .time = 1000 };
	struct rec_decoder dec = { .time = 1000 };
	struct buf body = { .limit = REC_BODY_MAX }, runs = { .limit = REC_BODY_MAX };
	const struct rec_run made[] = { { 5000, 3192, 1 << 20, NULL }, { 8192, 8192, REC_ZEROES, NULL }, { 16384, 100, 7, NULL } };
	struct rec_event got;
	uint64_t addr = 0;

	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		CHECK(rec_put_run(&runs, &addr, &made[i]));
	const struct rec_event events[] = {
		{ .type = REC_CARRY, .time = 10, .conn = 3, .id = 9, .op = REC_READ, .off = 1, .len = 2 },
		{ .type = REC_CONNECT, .time = 1000, .conn = 1, .len = 1 << 30, .text = (const uint8_t *)"x\0who", .text_len = 5 },
		{ .type = REC_BEGIN, .time = 2000, .conn = 1, .id = 1, .op = REC_WRITE, .flags = REC_FUA, .off = 5000, .len = 11484,
		  .runs = (const uint8_t *)runs.p, .runs_len = (uint32_t)runs.len },
		{ .type = REC_BEGIN, .time = 2000, .conn = 1, .id = 2, .op = REC_FLUSH },
		{ .type = REC_END, .time = 5000000000, .conn = 1, .id = 1, .err = 28 },
		{ .type = REC_MARK, .time = 5000000001, .text = (const uint8_t *)"mkfs", .text_len = 4 },
		{ .type = REC_LOSS, .time = 5000000001, .len = 12345 },
		{ .type = REC_DISCONNECT, .time = UINT64_MAX, .conn = UINT64_MAX },
	};
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		CHECK(rec_encode(&enc, &body, &events[i]));
	dec.p = (const uint8_t *)body.p;
	dec.end = dec.p + body.len;
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		const struct rec_event *e = &events[i];
		CHECK(rec_decode(&dec, &got));
		CHECK(got.type == e->type && got.time == e->time && got.conn == e->conn && got.id == e->id && got.off == e->off);
		CHECK(got.len == e->len && got.err == e->err && got.op == e->op && got.flags == e->flags);
		CHECK(got.text_len == e->text_len && (!e->text || memcmp(got.text, e->text, e->text_len) == 0));
		if (e->runs_len) {
			struct rec_runs w;
			struct rec_run r;
			rec_runs(&w, &got);
			for (size_t k = 0; k < ARRAY_LEN(made); k++)
				CHECK(rec_next_run(&w, &r) && same_run(&r, &made[k]));
			CHECK(!rec_next_run(&w, &r) && !w.left);
		}
	}
	CHECK(!rec_decode(&dec, &got) && !dec.bad);
	/* cut off anywhere, it ends in time or tells */
	for (size_t n = 0; n < body.len; n++) {
		uint8_t *copy = malloc(n + 1); /* of its own, so that a sanitizer sees a byte too many */
		memcpy(copy, body.p, n);
		dec = (struct rec_decoder){ .p = copy, .end = copy + n, .time = 1000 };
		while (rec_decode(&dec, &got))
			;
		free(copy);
	}
	buf_free(&body);
	buf_free(&runs);
}

enum { DISK = 4096 };

/* Extents laid over each other, against a disk of bytes that remember who wrote them last, and what. */
TEST(a_cover_is_what_the_last_writers_left)
{
	for (int round = 0; round < 300; round++) {
		struct rec_extent in[64];
		uint64_t event[DISK] = { 0 }, addr[DISK] = { 0 };
		struct buf out = { .limit = SIZE_MAX };
		size_t n = random64() % ARRAY_LEN(in);

		for (size_t i = 0; i < n; i++) {
			uint64_t off = random64() % DISK, len = 1 + random64() % (round % 2 ? 40 : DISK);
			in[i] = (struct rec_extent){ off, MIN(len, DISK - off), random64() % 3 ? 1000 * i + 7 : REC_ZEROES, i + 1 };
			for (uint64_t k = off; k < off + in[i].len; k++) {
				event[k] = i + 1;
				addr[k] = in[i].addr == REC_ZEROES ? REC_ZEROES : in[i].addr + (k - off);
			}
		}
		CHECK(rec_cover(in, n, &out));
		const struct rec_extent *x = (const void *)out.p;
		size_t count = out.len / sizeof *x;
		uint64_t at = 0;
		for (size_t i = 0; i < count; i++) {
			for (; at < x[i].off; at++)
				CHECK_EQ_U(event[at], 0);
			for (; at < x[i].off + x[i].len; at++) {
				CHECK_EQ_U(event[at], x[i].event);
				CHECK_EQ_U(addr[at], x[i].addr == REC_ZEROES ? REC_ZEROES : x[i].addr + (at - x[i].off));
			}
		}
		for (; at < DISK; at++)
			CHECK_EQ_U(event[at], 0);
		/* to bytes and back; a search finds what it should */
		uint8_t *bytes = malloc(count * REC_EXTENT_SIZE + 1);
		struct rec_extent *back = malloc((count + 1) * sizeof *back);
		rec_put_extents(bytes, x, count);
		CHECK(rec_get_extents(bytes, count, back));
		CHECK(count == 0 || memcmp(back, x, count * sizeof *back) == 0);
		for (uint64_t off = 0; off < DISK; off += 97) {
			size_t i = rec_find_extent(x, count, off);
			CHECK(i == count || x[i].off + x[i].len > off);
			CHECK(i == 0 || x[i - 1].off + x[i - 1].len <= off);
		}
		if (count > 1) { /* overlapping ones are refused */
			rec_put_extents(bytes + REC_EXTENT_SIZE, x, 1);
			CHECK(!rec_get_extents(bytes, 2, back));
		}
		free(bytes);
		free(back);
		buf_free(&out);
	}
}

TEST(requests_under_way_are_found_whatever_came_and_went)
{
	struct rec_flight f = { 0 };
	bool there[8][512] = { { false } };

	for (int i = 0; i < 100000; i++) {
		uint64_t conn = random64() % 8, id = random64() % 512;
		struct rec_event e = { .conn = conn, .id = id, .off = conn * 1000 + id };
		struct rec_open *o = rec_flight_find(&f, conn, id);
		CHECK(!!o == there[conn][id]);
		if (o) {
			CHECK_EQ_U(o->event.off, conn * 1000 + id);
			CHECK(!rec_flight_add(&f, &e, 0));
			rec_flight_drop(&f, o);
		} else {
			CHECK(rec_flight_add(&f, &e, 0));
		}
		there[conn][id] = !o;
		if (i % 5000 == 0) {
			size_t n = 0;
			for (size_t k = 0; k < 512; k++) {
				n += there[conn][k];
				there[conn][k] = false;
			}
			CHECK_EQ_U(rec_flight_drop_conn(&f, conn), n);
		}
	}
	rec_flight_free(&f);
}

static int read_memory(void *owner, void *to, size_t n, uint64_t at)
{
	memcpy(to, (const uint8_t *)owner + at, n);
	return 0;
}

/* A chunk at at; where the next one lies. */
static uint64_t put_chunk(uint8_t *file, uint64_t at, enum rec_kind kind, uint64_t first, uint64_t count, const uint8_t *body, uint32_t n)
{
	struct rec_head h = { .kind = (uint8_t)kind, .stored = n, .raw = n, .at = at, .first = first, .count = count, .time = 5 };
	rec_put_head(file + at, &h, body);
	if (n)
		memcpy(file + at + REC_HEAD_SIZE, body, n);
	return rec_next(&h);
}

TEST(a_file_that_grows_by_a_byte_at_a_time_is_found_whole_and_every_cut_is_told)
{
	uint8_t *file = calloc(1, REC_SEGMENT + 4096), body[REC_INFO_SIZE + 3 * REC_HEAD_SIZE] = { 0 };
	struct rec_source source = { .read = read_memory, .owner = file };
	struct rec_file grown;
	struct err e;
	uint64_t first, second, third, pad, last, end;

	rec_put_info(body, &(struct rec_info){ .data = REC_DATA_NO });
	first = put_chunk(file, 0, REC_SEGMENT_CHUNK, 0, 0, body, REC_INFO_SIZE);
	second = put_chunk(file, first, REC_EVENTS, 0, 2, (const uint8_t *)"eleven byte", 11);
	third = put_chunk(file, second, REC_EVENTS, 2, 1, (const uint8_t *)"three", 5);
	pad = put_chunk(file, third, REC_EVENTS, 3, 1, (const uint8_t *)"8 bytes.", 8);
	put_chunk(file, pad, REC_PAD, 0, 0, NULL, 0);
	memcpy(body + REC_INFO_SIZE, file + first, REC_HEAD_SIZE);
	memcpy(body + REC_INFO_SIZE + REC_HEAD_SIZE, file + second, REC_HEAD_SIZE);
	memcpy(body + REC_INFO_SIZE + 2 * REC_HEAD_SIZE, file + third, REC_HEAD_SIZE);
	last = put_chunk(file, REC_SEGMENT, REC_SEGMENT_CHUNK, 0, 3, body, sizeof body);
	end = put_chunk(file, last, REC_EVENTS, 4, 1, (const uint8_t *)"four", 4);

	source.size = first;
	CHECK(!rec_open(&grown, &source, &e));
	for (uint64_t size = first + 1; size <= end; size = size == pad + 200 ? REC_SEGMENT - 70 : size + 1) {
		struct rec_file cut;
		CHECK(!rec_more(&grown, size, &e) && !grown.trouble && !grown.skipped);
		source.size = size;
		CHECK(!rec_open(&cut, &source, &e) && !cut.trouble && cut.count == grown.count);
		/* a body may be there before the zeroes behind it */
		const struct rec_head *h = cut.events.count ? &cut.events.at[cut.events.count - 1] : NULL;
		bool whole = size == first || (h && size >= h->at + REC_HEAD_SIZE + h->stored && size <= rec_next(h))
			|| (size >= pad + REC_HEAD_SIZE && size <= REC_SEGMENT) || size == last;
		CHECK((cut.scanned == size) == whole && cut.scanned <= size && grown.scanned <= size);
		rec_close(&cut);
	}
	CHECK(grown.count == 5 && grown.events.count == 4 && grown.scanned == end);
	rec_close(&grown);
	free(file);
}
