/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "unit/test.h"
#include "view/play.h"

static struct filter f;
static struct err e;

static bool passes(enum ev_op op, uint64_t conn, uint64_t off, uint64_t len)
{
	return filter_passes(&f, &(struct event){ .kind = EV_BEGIN, .op = (uint8_t)op, .conn = conn, .off = off, .len = len });
}

TEST(an_empty_filter_lets_everything_pass)
{
	f = (struct filter){ 0 };
	filter_ready(&f);
	CHECK(passes(EV_READ, 1, 0, 1) && passes(EV_FLUSH, 2, 0, 0) && passes(EV_EXTENTS, 0, UINT64_MAX, UINT64_MAX));
}

TEST(a_filter_knows_operations_connections_and_places)
{
	f = (struct filter){ .ops = 1u << EV_WRITE | 1u << EV_FLUSH };
	CHECK(filter_add_conn(&f, 7) && filter_add_conn(&f, 3));
	CHECK(filter_add_range(&f, 5000, 1000) && filter_add_range(&f, 100, 100) && filter_add_range(&f, 150, 50));
	CHECK(filter_add_range(&f, 200, 100) && filter_add_range(&f, 9000, 0) && filter_add_range(&f, UINT64_MAX - 1, UINT64_MAX));
	filter_ready(&f);
	CHECK_EQ_U(f.ranges, 3);
	CHECK(passes(EV_WRITE, 3, 299, 1) && passes(EV_WRITE, 7, 0, 101) && passes(EV_WRITE, 7, 300, 4701));
	CHECK(!passes(EV_WRITE, 7, 300, 4700) && !passes(EV_WRITE, 7, 0, 100) && !passes(EV_WRITE, 7, 5500, 0));
	CHECK(!passes(EV_READ, 7, 100, 1) && !passes(EV_WRITE, 5, 100, 1));
	CHECK(passes(EV_FLUSH, 7, 0, 0));
	CHECK(passes(EV_WRITE, 7, 8999, UINT64_MAX));
	filter_free(&f);
}

/* ---- in a player ---- */

static char path[200];
static unsigned us;

static void line(FILE *to, const char *text)
{
	us += 1000;
	fprintf(to, "2026-01-01 00:00:%02u.%06u %s\n", us / 1000000, us % 1000000, text);
}

/* The same session at random, with what passes only, or whole. */
static void write_log(bool all)
{
	FILE *to = fopen(path, "w");
	unsigned open[8] = { 0 };
	char text[200];

	CHECK(to != NULL);
	srand(5);
	us = 0;
	line(to, "connection=1 Connect export=\"\" tls=0 size=0x100000 write=1");
	for (unsigned i = 1; i < 2000; i++) {
		unsigned conn = 1 + (unsigned)rand() % 3, block = (unsigned)rand() % 256, op = (unsigned)rand() % 4, n = (unsigned)rand() % 8;
		static const char *const ops[] = { "Read", "Write", "Trim", "Flush" };
		bool fails = rand() % 7 == 0, shown = conn == 2 && (op == 1 || op == 3) && (op == 3 || block >= 100);
		if (open[n]) { /* answer that one first */
			unsigned was = open[n];
			open[n] = 0;
			snprintf(text, sizeof text, "connection=%u ...%s id=%u %s", was & 3, ops[was >> 2 & 3], (was & ~(1u << 31)) >> 4,
				fails ? "return=-1 error=EIO" : "return=0");
			if (all || was & 1u << 31)
				line(to, text);
			else
				us += 1000;
		}
		if (op == 3)
			snprintf(text, sizeof text, "connection=%u Flush id=%u ...", conn, i);
		else
			snprintf(text, sizeof text, "connection=%u %s id=%u offset=0x%x count=0x1000%s ...", conn, ops[op], i, block * 4096,
				op ? " fua=0" : "");
		open[n] = conn | op << 2 | i << 4 | (shown ? 1u << 31 : 0);
		if (all || shown)
			line(to, text);
		else
			us += 1000;
		if (rand() % 50 == 0) { /* of a request that nobody saw */
			snprintf(text, sizeof text, "connection=2 ...Write id=%u return=0", 100000 + i);
			line(to, text);
		}
	}
	fclose(to);
}

static void check_same(const struct play *a, const struct play *b)
{
	const struct totals *x = &a->model.total, *y = &b->model.total;

	CHECK(memcmp(x, y, sizeof *x) == 0);
	CHECK_EQ_U(model_in_flight(&a->model), model_in_flight(&b->model));
	CHECK_EQ_U(a->model.last_flush, b->model.last_flush);
	CHECK_EQ_U(a->model.last_error, b->model.last_error);
	for (uint32_t i = 0; i < a->model.map.cells; i++)
		CHECK(memcmp(&a->model.map.cell[i], &b->model.map.cell[i], sizeof(struct cell)) == 0);
	CHECK_EQ_U(x->op[EV_READ].ops, 0);
	CHECK(x->op[EV_WRITE].ops > 20);
	CHECK(x->unmatched > 10);
	CHECK(x->errors > 0);
}

TEST(a_player_with_a_filter_shows_what_a_log_of_it_would)
{
	struct play whole, part;
	const char *dir = getenv("TMPDIR");

	snprintf(path, sizeof path, "%s/filter.%d.log", dir ? dir : "/tmp", getpid());
	f = (struct filter){ .ops = 1u << EV_WRITE | 1u << EV_FLUSH };
	CHECK(filter_add_conn(&f, 2) && filter_add_range(&f, 100 * 4096, MIB(1)));
	filter_ready(&f);
	write_log(false);
	CHECK(play_open(&part, path, NULL, false, &e) == 0);
	CHECK(play_want_heat(&part, &e) == 0);
	CHECK(play_scan_all(&part, &e) == 0);
	CHECK(play_to(&part, part.end, PLAY_ALL, &e) == 0);
	unlink(path);
	write_log(true);
	CHECK(play_open(&whole, path, NULL, false, &e) == 0);
	CHECK(play_want_heat(&whole, &e) == 0);
	whole.scan_filter = &f;
	whole.ride = true;
	CHECK(play_scan_all(&whole, &e) == 0);
	CHECK(whole.model.total.op[EV_READ].ops > 0);
	play_filter(&whole, &f); /* the model goes with it from here on */
	CHECK(play_to(&whole, whole.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(whole.model.events, whole.events);
	check_same(&whole, &part);
	CHECK(play_to(&whole, whole.start + NS_PER_S, PLAY_ALL, &e) == 0); /* there and back */
	CHECK(play_to(&whole, whole.end, PLAY_ALL, &e) == 0);
	check_same(&whole, &part);
	for (unsigned i = 0; i < TIMELINE_BINS; i++)
		CHECK(memcmp(whole.timeline.n[i], part.timeline.n[i], sizeof part.timeline.n[i]) == 0);
	for (unsigned i = 0; i < part.heat.bins; i++)
		CHECK(memcmp(&whole.heat.at[i], &part.heat.at[i], sizeof part.heat.at[i]) == 0);
	play_filter(&whole, NULL);
	CHECK(play_to(&whole, whole.end, PLAY_ALL, &e) == 0);
	CHECK(whole.model.total.op[EV_READ].ops > 0);
	play_close(&whole);
	play_close(&part);
	filter_free(&f);
	unlink(path);
}
