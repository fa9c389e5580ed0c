/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "unit/test.h"
#include "view/play.h"

static char path[200], other[220];
static struct play p;
static struct err e;
static unsigned number; /* of the next request */

static void say(const char *file, const char *mode, const char *text)
{
	FILE *f = fopen(file, mode);
	CHECK(f != NULL);
	fputs(text, f);
	fclose(f);
}

/* A second after the one before, a write of one block. */
static void say_write(const char *file, unsigned block)
{
	char text[300];
	number++;
	snprintf(text, sizeof text,
		"2026-01-01 00:%02u:%02u.000000 connection=1 Write id=%u offset=0x%x count=0x1000 fua=0 ...\n"
		"2026-01-01 00:%02u:%02u.500000 connection=1 ...Write id=%u return=0\n", number / 60, number % 60,
			number,
		block * 4096, number / 60, number % 60, number);
	say(file, "a", text);
}

static void new_log(const char *file, const char *size)
{
	char text[200];
	number = 0;
	snprintf(text, sizeof text,
		"2026-01-01 00:00:00.000000 connection=1 Connect export=\"\" tls=0 size=%s write=1\n", size);
	say(file, "w", text);
}

static void start(void)
{
	const char *dir = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/play.%d.log", dir ? dir : "/tmp", getpid());
	snprintf(other, sizeof other, "%s.new", path);
	new_log(path, "0x100000");
	for (unsigned i = 0; i < 10; i++)
		say_write(path, i);
	CHECK(play_open(&p, path, NULL, false, &e) == 0);
	CHECK(play_scan_all(&p, &e) == 0);
}

static void stop(void)
{
	play_close(&p);
	unlink(path);
	unlink(other);
}

/* How many blocks of the first 20 are written; 99: no model. */
static unsigned written(void)
{
	unsigned n = 0;
	if (!p.has_model)
		return 99;
	for (unsigned i = 0; i < 20; i++)
		n += map_block_state(&p.model.map, i) == ST_WRITE;
	return n;
}

TEST(the_log_tells_size_and_times)
{
	start();
	CHECK_EQ_U(p.size, 0x100000);
	CHECK_EQ_U(p.events, 21);
	CHECK_EQ_U(p.end - p.start, 10 * NS_PER_S + 500 * NS_PER_MS);
	stop();
}

TEST(a_moment_has_exactly_the_events_up_to_it)
{
	start();
	CHECK(play_to(&p, p.start + 5 * NS_PER_S + 499 * NS_PER_MS, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 4);
	CHECK_EQ_U(p.model.open.open, 1);
	CHECK(play_to(&p, p.start + 5 * NS_PER_S + 500 * NS_PER_MS, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 5);
	CHECK(play_to(&p, p.start, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 0);
	CHECK(play_to(&p, UINT64_MAX, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 10);
	stop();
}

TEST(single_events_can_be_stepped_back_and_forth)
{
	start();
	CHECK(play_to_event(&p, 3, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 1);
	CHECK(play_to_event(&p, 2, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 0);
	CHECK_EQ_U(p.model.events, 2);
	CHECK(play_to_event(&p, 21, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 10);
	stop();
}

TEST(work_is_done_in_bounded_pieces)
{
	unsigned turns = 0;
	start();
	while (play_to(&p, p.end, 3, &e) == 1)
		turns++;
	CHECK_EQ_U(turns, 6);
	CHECK_EQ_U(written(), 10);
	stop();
}

TEST(a_growing_log_is_followed)
{
	start();
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	say_write(path, 12);
	say(path, "a", "2026-01-01 00:00:30.000000 connection=1 Wri");
	CHECK_EQ_U(play_check(&p, &e), 0);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 11);
	say(path, "a",
		"te id=99 offset=0xd000 count=0x1 fua=0 ...\n2026-01-01 00:00:31.000000 connection=1 ...Write id=99 return=0\n");
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 12);
	CHECK_EQ_U(p.scan.reader.bad, 0);
	stop();
}

TEST(a_truncated_log_is_started_over)
{
	start();
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	new_log(path, "0x200000");
	say_write(path, 3);
	CHECK_EQ_U(play_check(&p, &e), 1);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(p.size, 0x200000);
	CHECK_EQ_U(written(), 1);
	CHECK_EQ_U(p.events, 3);
	CHECK_EQ_U(p.restarts, 1);
	stop();
}

TEST(a_log_that_was_emptied_and_outgrew_us_is_noticed_by_its_head)
{
	start();
	say(path, "w", "2027-01-01 00:00:00.000000 connection=1 Connect size=0x100000 write=1\n");
	for (unsigned i = 0; i < 20; i++)
		say_write(path, i);
	CHECK_EQ_U(play_check(&p, &e), 1);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK_EQ_U(p.events, 41);
	stop();
}

TEST(a_replaced_log_is_opened_anew)
{
	start();
	new_log(other, "0x100000");
	say_write(other, 0);
	say_write(other, 1);
	CHECK(rename(other, path) == 0);
	CHECK_EQ_U(play_check(&p, &e), 1);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 2);
	CHECK_EQ_U(play_check(&p, &e), 0);
	stop();
}

TEST(a_deleted_log_is_kept_until_there_is_another)
{
	start();
	unlink(path);
	CHECK_EQ_U(play_check(&p, &e), 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 10);
	stop();
}

TEST(a_log_may_appear_later)
{
	start();
	stop();
	CHECK(play_open(&p, path, NULL, false, &e) < 0);
	CHECK(play_open(&p, path, NULL, true, &e) == 0);
	CHECK_EQ_U(play_check(&p, &e), 0);
	CHECK(play_to(&p, 0, PLAY_ALL, &e) == 0);
	new_log(path, "0x100000");
	CHECK_EQ_U(play_check(&p, &e), 0);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(p.size_known);
	stop();
}

TEST(a_later_connection_may_know_a_larger_disk)
{
	start();
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	say(path, "a",
		"2026-01-01 00:01:00.000000 connection=2 Connect export=\"big\" tls=0 size=0x40000000 write=1\n");
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(p.model.map.size, 0x40000000);
	CHECK_EQ_U(written(), 10);
	stop();
}

TEST(a_size_on_the_command_line_is_the_size)
{
	uint64_t size = 8192;
	start();
	play_close(&p);
	CHECK(play_open(&p, path, &size, false, &e) == 0);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(p.model.map.size, 8192);
	CHECK_EQ_U(p.model.total.clipped, 8);
	stop();
}

/* The same log walked twice, into q. */
static void same_as_walked(const uint64_t *size)
{
	static struct play q;
	CHECK(play_open(&q, path, size, false, &e) == 0);
	CHECK(play_scan_all(&q, &e) == 0);
	CHECK(play_to(&q, q.end, PLAY_ALL, &e) == 0);
	CHECK(play_to(&p, p.end, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(p.model.events, q.model.events);
	CHECK_EQ_U(p.model.last, q.model.last);
	CHECK_EQ_U(p.model.open.open, q.model.open.open);
	CHECK_EQ_U(p.model.map.size, q.model.map.size);
	CHECK(memcmp(&p.model.total, &q.model.total, sizeof p.model.total) == 0);
	CHECK(memcmp(p.model.rate, q.model.rate, sizeof p.model.rate) == 0);
	for (uint64_t i = 0; i < q.model.map.blocks && i < 1000; i++)
		CHECK_EQ_U(map_block_state(&p.model.map, i), map_block_state(&q.model.map, i));
	play_close(&q);
}

static void ride_from(const char *first, const uint64_t *size)
{
	start();
	play_close(&p);
	say(path, "w", first);
	for (unsigned i = 0; i < 10; i++)
		say_write(path, i);
	CHECK(play_open(&p, path, size, false, &e) == 0);
	p.ride = true;
}

TEST(a_model_that_rides_with_the_scan_is_the_one_that_walks)
{
	static const char *const firsts[] = {
		"", "2026-01-01 00:00:00.000000 Ready thread_model=3\n",
		"2026-01-01 00:00:00.000000 connection=1 Connect size=0x4000 write=1\n",
		"2026-01-01 00:00:00.000000 connection=1 Connect size=0x4000\n"
		"2026-01-01 00:00:00.000000 connection=1 Write id=77 offset=0x0 count=0x1000 fua=0 ...\n"
		"2026-01-01 00:00:00.000000 connection=2 Connect size=0x40000\n",
	};
	uint64_t size = 12288;
	for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
		for (unsigned given = 0; given < 2; given++) {
			ride_from(firsts[i], given ? &size : NULL);
			CHECK(play_scan_all(&p, &e) == 0);
			CHECK_EQ_U(p.has_model, given || i > 1);
			if (p.has_model) {
				CHECK_EQ_U(p.model.events, p.events);
				same_as_walked(given ? &size : NULL);
			}
			stop();
		}
	}
}

TEST(a_size_told_late_or_again_and_again_is_walked_to)
{
	ride_from("", NULL);
	for (unsigned i = 1; i <= 20; i++) {
		char text[100];
		snprintf(text, sizeof text, "2026-01-01 00:01:00.000000 connection=%u Connect size=0x%x000\n", i, i);
		say(path, "a", text);
	}
	say_write(path, 12);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK(p.model.events < p.events);
	same_as_walked(NULL);
	CHECK_EQ_U(written(), 11);
	say_write(path, 13);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK_EQ_U(p.model.events, p.events); /* back on board */
	same_as_walked(NULL);
	stop();
}

TEST(a_rider_may_get_off_and_on_again)
{
	ride_from("2026-01-01 00:00:00.000000 connection=1 Connect size=0x40000\n", NULL);
	CHECK(play_scan_all(&p, &e) == 0);
	say_write(path, 11);
	p.ride = false;
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK_EQ_U(p.model.events, p.events - 2);
	CHECK(play_to_event(&p, p.events - 1, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 10);
	say_write(path, 12);
	p.ride = true;
	CHECK(play_scan_all(&p, &e) == 0);
	same_as_walked(NULL);
	CHECK_EQ_U(written(), 12);
	CHECK(play_to_event(&p, 3, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(written(), 1);
	same_as_walked(NULL);
	new_log(path, "0x200000");
	say_write(path, 3);
	CHECK_EQ_U(play_check(&p, &e), 1);
	CHECK(play_scan_all(&p, &e) == 0);
	same_as_walked(NULL);
	CHECK_EQ_U(written(), 1);
	stop();
}

/* Is p, wherever it came from, what is got by walking so far? */
static void same_as_walked_to(uint64_t n)
{
	static struct play q;
	struct outcome a, b;
	struct event end = { .kind = EV_END, .conn = 1, .time = UINT64_MAX };

	CHECK(play_open(&q, path, NULL, false, &e) == 0);
	CHECK(play_scan_all(&q, &e) == 0);
	CHECK(play_to_event(&q, n, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(p.model.events, n);
	CHECK_EQ_U(p.model.last, q.model.last);
	CHECK_EQ_U(p.model.last_flush, q.model.last_flush);
	CHECK(memcmp(&p.model.total, &q.model.total, sizeof p.model.total) == 0);
	CHECK(memcmp(p.model.rate, q.model.rate, sizeof p.model.rate) == 0);
	CHECK(memcmp(p.model.map.cell, q.model.map.cell, p.model.map.cells * sizeof *p.model.map.cell) == 0);
	CHECK_EQ_U(p.model.map.mixed, q.model.map.mixed);
	for (uint64_t i = 0; i < q.model.map.blocks; i++)
		CHECK_EQ_U(map_block_state(&p.model.map, i), map_block_state(&q.model.map, i));
	CHECK_EQ_U(p.model.open.open, q.model.open.open);
	while (q.model.open.open) { /* the same requests, of the same age */
		end.id = list_first(&q.model.open.by_age, struct open_request, age)->ev.id;
		CHECK_EQ_U(list_first(&p.model.open.by_age, struct open_request, age)->ev.id, end.id);
		model_event(&p.model, &end, &a);
		model_event(&q.model, &end, &b);
		CHECK(a.ended && b.ended && a.req.off == b.req.off && a.req.len == b.req.len && a.req.op == b.req.op);
	}
	play_close(&q);
}

/* 40000 events: requests of all kinds, four at a time. */
static void long_log(void)
{
	static const char *const ops[] = { "Write", "Read", "Trim", "Zero", "Flush", "Write" };
	const char *dir = getenv("TMPDIR");
	uint64_t us = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/play.%d.log", dir ? dir : "/tmp", getpid());
	new_log(path, "0x4000000");
	CHECK((f = fopen(path, "a")) != NULL);
	for (unsigned i = 1; i <= 20003; i++) {
		us += 700;
		if (i <= 20000)
			fprintf(f, "2026-01-01 00:00:%02u.%06u connection=1 %s id=%u offset=0x%x count=0x%x ...\n",
				(unsigned)(us / 1000000), (unsigned)(us % 1000000), ops[i % 6], i, i * 7919 % 16000 * 4096,
				i % 5 * 3000);
		if (i > 3)
			fprintf(f, "2026-01-01 00:00:%02u.%06u connection=1 ...%s id=%u return=0\n", (unsigned)(us / 1000000),
				(unsigned)(us % 1000000), ops[(i - 3) % 6], i - 3);
	}
	fclose(f);
	CHECK(play_open(&p, path, NULL, false, &e) == 0);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK_EQ_U(p.scan.reader.bad, 0);
	CHECK_EQ_U(p.events, 40001);
}

TEST(going_back_is_as_walking_there)
{
	static const uint64_t stops[] = { 40001, 39990, 39000, 17000, 16385, 16384, 16383, 30000, 8192, 8191, 1, 40001, 20000 };
	long_log();
	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		CHECK(play_to_event(&p, stops[i], PLAY_ALL, &e) == 0);
		same_as_walked_to(stops[i]);
		/* that took the open requests out: the next one walks from elsewhere */
		CHECK(play_to_event(&p, 3, PLAY_ALL, &e) == 0);
	}
	CHECK(p.keep->at[0] != NULL && p.keep->at[1] != NULL);
	stop();
}

TEST(going_back_walks_only_from_the_last_model_kept)
{
	long_log();
	CHECK(play_to_event(&p, 40001, PLAY_ALL, &e) == 0);
	CHECK(!p.keep->every);
	CHECK(play_to_event(&p, 40000, PLAY_ALL, &e) == 0); /* from the beginning, and keeps some */
	uint64_t every = p.keep->every;
	CHECK(every > 0 && every < 20000);
	CHECK(play_to_event(&p, 39999, 40000 % every, &e) == 0); /* with no more than these events */
	uint64_t t = p.model.last;
	CHECK(play_to(&p, t - 1000000, 40000 % every, &e) == 0);
	CHECK(p.model.events < 39999);
	same_as_walked_to(p.model.events);
	stop();
}

TEST(flushes_are_found_both_ways)
{
	uint64_t n = 0, last = 0, found = 0;
	long_log();
	while ((n = flushes_next(&p.flushes, n))) {
		CHECK_EQ_U(flushes_last(&p.flushes, n), last);
		CHECK_EQ_U(flushes_last(&p.flushes, n + 1), n);
		CHECK_EQ_U(flushes_next(&p.flushes, n - 1), n);
		last = n;
		found++;
	}
	CHECK_EQ_U(found, 3333);
	CHECK_EQ_U(flushes_last(&p.flushes, UINT64_MAX), last);
	CHECK(play_to_event(&p, last, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(p.model.last_flush, p.model.last);
	CHECK_EQ_U(p.model.total.op[EV_FLUSH].ops, 3333);
	stop();
}

TEST(what_is_no_file_is_refused)
{
	CHECK(play_open(&p, "/dev/null", NULL, true, &e) < 0);
	CHECK(play_open(&p, "/tmp", NULL, false, &e) < 0);
	CHECK(play_open(&p, "/no/such/file", NULL, false, &e) < 0);
	CHECK(strstr(e.msg, "/no/such/file") != NULL);
}

TEST(heat_is_kept_when_somebody_wants_it)
{
	start();
	CHECK_EQ_U(p.heat.bins, 0);
	play_close(&p);
	CHECK(play_open(&p, path, NULL, false, &e) == 0);
	CHECK(play_want_heat(&p, &e) == 0);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK_EQ_U(heat_rows(&p.heat), 128);
	unsigned n = 0, took = 0;
	for (unsigned i = 0; i < p.heat.bins; i++) {
		n += p.heat.at[i].at[HEAT_WRITE][0] + p.heat.at[i].at[HEAT_WRITE][1];
		took += p.heat.at[i].took[HEAT_WRITE][28]; /* half a second */
		CHECK_EQ_U(p.timeline.n[i][TL_WRITE], p.heat.at[i].ops[HEAT_WRITE]);
	}
	CHECK_EQ_U(n, 4);
	CHECK_EQ_U(took, 10);
	CHECK_EQ_U(p.timeline.bin, p.heat.bin);
	new_log(other, "0x200000"); /* replaced: it begins anew */
	say_write(other, 500);
	CHECK(rename(other, path) == 0);
	CHECK(play_check(&p, &e) == 1);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK_EQ_U(p.heat.row, 16384);
	CHECK_EQ_U(p.heat.at[0].at[HEAT_WRITE][0], 0);
	stop();
}
