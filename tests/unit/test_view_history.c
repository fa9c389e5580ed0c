/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "unit/test.h"
#include "view/history.h"
#include "view/names.h"
#include "view/play.h"

#define START 1767225600ull /* 2026-01-01, s */

static char path[200];
static struct history h;
static struct err e;
static unsigned number;

static void say(const char *text)
{
	FILE *f = fopen(path, "a");
	CHECK(f != NULL);
	fputs(text, f);
	fclose(f);
}

/* Begun at the full second, answered half a second later. */
static void request(const char *op, unsigned conn, unsigned off, unsigned len, const char *how)
{
	char text[400];
	number++;
	snprintf(text, sizeof text,
		"2026-01-01 00:00:%02u.000000 connection=%u %s id=%u offset=0x%x count=0x%x%s ...\n"
		"2026-01-01 00:00:%02u.500000 connection=%u ...%s id=%u %s\n", number, conn, op, number, off, len,
		*op == 'R' ? "" : " fua=1", number, conn, op, number, how);
	say(text);
}

static int begin(uint64_t off, uint64_t len, uint64_t time, uint64_t events)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = history_open(&h, fd, off, len, time, events, &e);
	if (fd >= 0)
		close(fd);
	return r;
}

static void start(void)
{
	const char *dir = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/history.%d.log", dir ? dir : "/tmp", getpid());
	unlink(path);
	number = 0;
	say("2026-01-01 00:00:00.000000 connection=1 Connect export=\"one\" tls=0 size=0x100000 write=1\n");
	request("Write", 1, 0x1000, 0x1000, "return=0");       /* events 2, 3 */
	request("Read", 2, 0x1800, 0x200, "return=0");         /* 4, 5 */
	request("Write", 1, 0x2000, 0x1000, "return=0");       /* 6, 7: behind it */
	request("Write", 1, 0x0, 0x10000, "return=-1 error=EIO"); /* 8, 9 */
	request("Trim", 3, 0x1fff, 1, "return=0");             /* 10, 11 */
	request("Read", 2, 0xfff, 1, "return=0");              /* before it */
}

TEST(history_tells_who_touched_a_range)
{
	start();
	CHECK(begin(0x1000, 0x1000, UINT64_MAX, UINT64_MAX) == 0);
	CHECK(history_walk(&h, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(h.count, 4);
	CHECK_EQ_U(history_kept(&h), 4);
	const struct touch *t = history_at(&h, 0);
	CHECK(t->op == EV_TRIM && t->conn == 3 && t->off == 0x1fff && t->len == 1 && t->flags == EVF_FUA && t->err == 0);
	CHECK_EQ_U(t->event, 11);
	CHECK_EQ_U(t->begun, (START + 5) * NS_PER_S);
	CHECK_EQ_U(t->time, (START + 5) * NS_PER_S + 500 * NS_PER_MS);
	CHECK(history_at(&h, 1)->op == EV_WRITE && history_at(&h, 1)->err);
	CHECK(history_at(&h, 2)->op == EV_READ && history_at(&h, 2)->conn == 2);
	CHECK(history_at(&h, 3)->event == 3);
	CHECK(h.has_writer && h.writer.op == EV_TRIM);
	CHECK(!h.has_next);
	history_close(&h);
	unlink(path);
}

TEST(history_ends_with_the_first_after_the_moment)
{
	start();
	CHECK(begin(0x1000, 0x1000, (START + 2) * NS_PER_S, UINT64_MAX) == 0); /* the read is under way */
	CHECK(history_walk(&h, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(h.count, 1);
	CHECK(h.has_writer && h.writer.event == 3);
	CHECK(h.has_next && h.next.op == EV_READ && h.next.event == 5);
	history_close(&h);
	CHECK(begin(0x1000, 0x1000, UINT64_MAX, 8) == 0);
	CHECK(history_walk(&h, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(h.count, 2);
	CHECK(h.has_next && h.next.err && h.next.event == 9);
	history_close(&h);
	unlink(path);
}

TEST(history_goes_on_in_steps_and_as_the_file_grows)
{
	unsigned steps = 0;
	start();
	CHECK(begin(0x1000, 0x1000, UINT64_MAX, UINT64_MAX) == 0);
	while (history_walk(&h, 2, &e) == 1)
		steps++;
	CHECK_EQ_U(steps, 6);
	CHECK_EQ_U(h.count, 4);
	request("Write", 9, 0x1000, 1, "return=0");
	CHECK(history_walk(&h, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(h.count, 5);
	CHECK_EQ_U(h.writer.conn, 9);
	history_close(&h);
	history_close(&h);
	unlink(path);
}

TEST(history_keeps_the_last_ones_and_counts_all)
{
	start();
	for (unsigned i = 0; i < HISTORY_MAX + 20; i++) {
		number = 10;
		request("Write", 20 + i, 0x1000, 0x1000, "return=0");
	}
	CHECK(begin(0x1000, 0x1000, UINT64_MAX, UINT64_MAX) == 0);
	CHECK(history_walk(&h, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(h.count, HISTORY_MAX + 24);
	CHECK_EQ_U(history_kept(&h), HISTORY_MAX);
	for (unsigned i = 0; i < HISTORY_MAX; i++)
		CHECK_EQ_U(history_at(&h, i)->conn, 20 + HISTORY_MAX + 19 - i);
	history_close(&h);
	unlink(path);
}

TEST(history_takes_no_answer_for_another_request)
{
	start();
	say("2026-01-01 00:00:30.000000 connection=1 Write id=70 offset=0x1000 count=0x1000 fua=0 ...\n"
	    "2026-01-01 00:00:31.000000 connection=1 Write id=70 offset=0x9000 count=0x1000 fua=0 ...\n"
	    "2026-01-01 00:00:32.000000 connection=1 ...Write id=70 return=0\n"
	    "2026-01-01 00:00:33.000000 connection=1 Write id=71 offset=0x1000 count=0x1000 fua=0 ...\n"
	    "2026-01-01 00:00:34.000000 connection=1 Disconnect\n"
	    "2026-01-01 00:00:35.000000 connection=1 ...Write id=71 return=0\n");
	CHECK(begin(0x1000, 0x1000, UINT64_MAX, UINT64_MAX) == 0);
	CHECK(history_walk(&h, PLAY_ALL, &e) == 0);
	CHECK_EQ_U(h.count, 4);
	history_close(&h);
	unlink(path);
}

TEST(connections_have_the_names_that_were_told)
{
	struct play p;

	start();
	say("2026-01-01 00:01:00.000000 Ready\n"
	    "2026-01-01 00:01:01.000000 connection=1 Connect export=\"two\" tls=0 size=0x100000 write=1\n");
	CHECK(play_open(&p, path, NULL, false, &e) == 0);
	CHECK(play_scan_all(&p, &e) == 0);
	CHECK_EQ_U(p.names.n, 2);
	const struct conn_name *n = names_find(&p.names, 1, (START + 60) * NS_PER_S);
	CHECK(n && strcmp(n->export, "one") == 0 && !n->client);
	n = names_find(&p.names, 1, (START + 61) * NS_PER_S);
	CHECK(n && strcmp(n->export, "two") == 0);
	CHECK(!names_find(&p.names, 2, UINT64_MAX));
	play_close(&p);
	unlink(path);
}
