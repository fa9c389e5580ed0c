/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "trace/read_log.h"
#include "unit/test.h"

#define STAMP "2018-01-27 20:38:22.959984 "
#define STAMP_NS (1517085502ull * NS_PER_S + 959984000ull) /* date -u -d '2018-01-27 20:38:22' +%s */

static struct event ev;

static bool parse(const char *line)
{
	struct log_reader r = { 0 };
	return log_parse_line(&r, line, strlen(line), &ev);
}

TEST(a_stamp_is_utc_nanoseconds)
{
	CHECK(parse(STAMP "connection=1 Read id=1 offset=0x0 count=0x100 ..."));
	CHECK_EQ_U(ev.time, STAMP_NS);
	CHECK(parse("1970-01-01 00:00:00.000001 Fork"));
	CHECK_EQ_U(ev.time, 1000);
	CHECK(parse("2024-02-29 23:59:59.999999 Fork"));
	CHECK_EQ_U(ev.time, 1709251199ull * NS_PER_S + 999999000);
}

TEST(every_begin_of_both_ages_is_read)
{
	static const struct { const char *line; enum ev_op op; uint64_t id, off, len; } lines[] = {
		{ "connection=7 Read id=1 offset=0x10 count=0x100 ...", EV_READ, 1, 0x10, 0x100 },
		{ "connection=7 Write id=2 offset=0x3ff0000 count=0x200 fua=0 ...", EV_WRITE, 2, 0x3ff0000, 0x200 },
		{ "connection=7 Flush id=3 ...", EV_FLUSH, 3, 0, 0 },
		{ "connection=7 Trim id=4 offset=0x0 count=0xffffffff fua=0 ...", EV_TRIM, 4, 0, 0xffffffff },
		{ "connection=7 Zero id=5 offset=0x1 count=0x2 trim=0 fua=0 ...", EV_ZERO, 5, 1, 2 },
		{ "connection=7 Zero id=6 offset=0x1 count=0x2 trim=1 fua=0 fast=1 ...", EV_ZERO, 6, 1, 2 },
		{ "connection=7 Extents id=7 offset=0x0 count=0x8000 req_one=0 ...", EV_EXTENTS, 7, 0, 0x8000 },
		{ "connection=7 Cache id=18446744073709551615 offset=0x0 count=0x1 ...", EV_CACHE, UINT64_MAX, 0, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[200];
		snprintf(text, sizeof text, STAMP "%s", lines[i].line);
		CHECK(parse(text));
		CHECK_EQ_U(ev.kind, EV_BEGIN);
		CHECK_EQ_U(ev.conn, 7);
		CHECK_EQ_U(ev.op, lines[i].op);
		CHECK_EQ_U(ev.id, lines[i].id);
		CHECK_EQ_U(ev.off, lines[i].off);
		CHECK_EQ_U(ev.len, lines[i].len);
	}
}

TEST(answers_of_both_ages_tell_success_and_failure)
{
	static const struct { const char *line; int err; } lines[] = {
		{ "connection=1 ...Read id=9 return=0 (Success)", 0 },
		{ "connection=1 ...Read id=9 return=0", 0 },
		{ "connection=1 ...Write id=9 return=-1 (EIO)", EIO },
		{ "connection=1 ...Write id=9 return=-1 (EROFS=>EPERM)", EPERM },
		{ "connection=1 ...Write id=9 return=-1 (EDQUOT=>ENOSPC)", ENOSPC },
		{ "connection=1 ...Write id=9 return=-1 (Other=>EINVAL)", EINVAL },
		{ "connection=1 ...Write id=9 return=-1 error=EIO", EIO },
		{ "connection=1 ...Zero id=9 return=-1 error=ENOTSUP", ENOTSUP },
		{ "connection=1 ...Trim id=9 return=-1 error=ESHUTDOWN", ESHUTDOWN },
		{ "connection=1 ...Flush id=9 return=-1 error=EWHATEVER", EINVAL },
		{ "connection=1 ...Extents id=9 extents=(0x0 0x8000 \"hole,zero\" 0x8000 0x8000 \"\") return=0", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[200];
		snprintf(text, sizeof text, STAMP "%s", lines[i].line);
		CHECK(parse(text));
		CHECK_EQ_U(ev.kind, EV_END);
		CHECK_EQ_U(ev.id, 9);
		CHECK_EQ_U(ev.err, lines[i].err);
	}
}

TEST(flags_of_a_request_are_read)
{
	static const struct { const char *line; unsigned flags; } lines[] = {
		{ "Write id=2 offset=0x0 count=0x200 fua=1 ...", EVF_FUA },
		{ "Write id=2 offset=0x0 count=0x200 fua=10 ...", 0 },
		{ "Read id=2 offset=0x0 count=0x200 fua=1 ...", 0 },
		{ "Trim id=4 offset=0x0 count=0x1 fua=1 ...", EVF_FUA },
		{ "Zero id=5 offset=0x1 count=0x2 trim=0 fua=0 ...", EVF_NO_HOLE },
		{ "Zero id=6 offset=0x1 count=0x2 trim=1 fua=1 fast=1 ...", EVF_FUA | EVF_FAST },
		{ "Extents id=7 offset=0x0 count=0x8000 req_one=1 ...", EVF_REQ_ONE },
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char line[200];
		snprintf(line, sizeof line, STAMP "connection=7 %s", lines[i].line);
		CHECK(parse(line));
		CHECK_EQ_U(ev.flags, lines[i].flags);
	}
}

TEST(the_export_of_a_connect_line_is_read)
{
	static const struct { const char *line, *name; } lines[] = {
		{ "Connect export=\"\" tls=0 size=0x1", "" },
		{ "Connect export=\"a \\\"b\\\" c\" tls=0 size=0x1", "a \"b\" c" },
		{ "Connect size=0x1 write=1", NULL },
		{ "Connect export=\"half", NULL },
		{ "Connect export=\"0123456789abcdef0123\"", "0123456789abcde" },
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char name[16];
		bool got = log_export(lines[i].line, strlen(lines[i].line), name, sizeof name);
		CHECK(got == (lines[i].name != NULL));
		if (got)
			CHECK(strcmp(name, lines[i].name) == 0);
	}
}

TEST(connect_of_both_ages_tells_the_size)
{
	CHECK(parse(STAMP "connection=1 Connect size=0x400 write=1 flush=1 rotational=0 trim=0 zero=1 fua=1"));
	CHECK_EQ_U(ev.kind, EV_CONNECT);
	CHECK_EQ_U(ev.sized, 1);
	CHECK_EQ_U(ev.len, 0x400);
	CHECK(parse(STAMP "connection=1 Connect export=\"\" tls=0 size=0x4000000 minsize=0x0 prefsize=0x0 maxsize=0x0 write=1"));
	CHECK_EQ_U(ev.len, 0x4000000);
}

TEST(a_name_that_looks_like_a_size_is_a_name)
{
	CHECK(parse(STAMP "connection=1 Connect export=\"a size=0x1 \\\" size=0x2\" tls=0 size=0x4000000 write=1"));
	CHECK_EQ_U(ev.len, 0x4000000);
	CHECK(parse(STAMP "connection=1 Connect export=\"never closed size=0x4000000 write=1"));
	CHECK_EQ_U(ev.sized, 0);
}

TEST(lines_without_a_request_are_understood)
{
	static const struct { const char *line; enum ev_kind kind; } lines[] = {
		{ "Ready thread_model=3", EV_START },
		{ "Fork", EV_NOTE },
		{ "ListExports id=1 readonly=0 tls=0 ...", EV_NOTE },
		{ "...ListExports id=1 exports=(\"\") return=0", EV_NOTE },
		{ "Preconnect id=1 readonly=0 ...", EV_NOTE },
		{ "...Preconnect id=1 return=0", EV_NOTE },
		{ "connection=1 Disconnect transactions=5", EV_DISCONNECT },
		{ "Lost lines=12", EV_LOST },
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[200];
		snprintf(text, sizeof text, STAMP "%s", lines[i].line);
		CHECK(parse(text));
		CHECK_EQ_U(ev.kind, lines[i].kind);
	}
	CHECK_EQ_U(ev.len, 12);
}

TEST(what_is_no_line_of_a_log_is_refused)
{
	static const char *const lines[] = {
		"", " ", "hello", STAMP, STAMP "connection=1 ", STAMP "connection= Read id=1 offset=0x0 count=0x1 ...",
		STAMP "connection=1 Read", STAMP "connection=1 Read id=1 offset=0x0 count=0x1",
		STAMP "connection=1 Read id=1 offset=0x0 ...", STAMP "connection=1 Read id=1 count=0x1 ...",
		STAMP "connection=1 Read id= offset=0x0 count=0x1 ...",
			STAMP "connection=1 Read id=x offset=0x0 count=0x1 ...",
		STAMP "connection=1 Read id=1 offset=0x count=0x1 ...",
		STAMP "connection=1 Read id=1 offset=0x10000000000000000 count=0x1 ...",
		STAMP "connection=1 Read id=1 offset=-1 count=0x1 ...",
		STAMP "connection=1 ...Read id=1", STAMP "connection=1 ...Read return=0",
			STAMP "connection=1 ...Read id=1 return=00",
		STAMP "connection=1 Reads id=1 offset=0x0 count=0x1 ...", STAMP "Read id=1 offset=0x0 count=0x1 ...",
		STAMP "Connect size=0x400", STAMP "Lost", STAMP "Lost lines=many", STAMP "Disconnect transactions=5",
		"2018-13-27 20:38:22.959984 Fork", "2018-01-27 24:38:22.959984 Fork", "2018-01-27T20:38:22.959984 Fork",
		"2018-01-27 20:38:22.95998 Fork", "9999-01-27 20:38:22.959984 Fork",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (parse(lines[i]))
			printf("taken: %s\n", lines[i]);
		CHECK(!parse(lines[i]));
	}
}

/* Feed text, keep what is left as a caller would. */
static size_t feed(struct log_reader *r, const char *text, size_t n, unsigned *events)
{
	const char *p = text;
	while (log_next(r, &p, text + n, &ev))
		(*events)++;
	return (size_t)(text + n - p);
}

TEST(a_torn_last_line_waits_for_its_newline)
{
	struct log_reader r = { 0 };
	const char *text = STAMP "Fork\n" STAMP "Fork\n";
	unsigned events = 0;
	size_t whole = strlen(text);

	for (size_t n = 0; n <= whole; n++) {
		struct log_reader one = { 0 };
		events = 0;
		size_t left = feed(&one, text, n, &events);
		CHECK_EQ_U(events, n == whole ? 2 : n >= whole / 2);
		CHECK_EQ_U(left, n - events * whole / 2);
		CHECK_EQ_U(one.bad, 0);
	}
	events = 0;
	CHECK_EQ_U(feed(&r, text, whole - 1, &events), whole / 2 - 1);
	CHECK_EQ_U(feed(&r, text + whole / 2, whole / 2, &events), 0);
	CHECK_EQ_U(events, 2);
}

TEST(bad_lines_are_counted_and_the_next_is_read)
{
	struct log_reader r = { 0 };
	const char text[] = "junk\n\0\1\2\xff\n" STAMP "Fork\n\n" STAMP "Spoon\n" STAMP "Fork\n";
	unsigned events = 0;

	CHECK_EQ_U(feed(&r, text, sizeof text - 1, &events), 0);
	CHECK_EQ_U(events, 2);
	CHECK_EQ_U(r.bad, 4);
	CHECK_EQ_U(r.lines, 6);
}

TEST(a_line_without_end_is_dropped_and_counted_once)
{
	struct log_reader r = { 0 };
	unsigned events = 0;
	char *x = malloc(LOG_LINE_MAX + 1);

	memset(x, 'x', LOG_LINE_MAX + 1);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ_U(feed(&r, x, LOG_LINE_MAX + 1, &events), 0);
	CHECK_EQ_U(r.overlong, 0); /* nobody knows yet whether it has an end */
	feed(&r, "xx\n" STAMP "Fork\n", 3 + strlen(STAMP "Fork\n"), &events);
	CHECK_EQ_U(r.overlong, 1);
	CHECK_EQ_U(r.lines, 2);
	CHECK_EQ_U(r.bad, 0);
	CHECK_EQ_U(events, 1);
	free(x);
}

TEST(an_overlong_line_is_counted_the_same_however_it_arrives)
{
	size_t n = 3 * LOG_LINE_MAX;
	char *x = malloc(n + 1);

	memset(x, 'x', n);
	x[n] = '\n';
	for (size_t piece = n / 7; piece <= n + 1; piece += n / 7) {
		struct log_reader r = { 0 };
		unsigned events = 0;
		size_t from = 0, to = 0;
		while (to <= n) {
			to = to + piece > n + 1 ? n + 1 : to + piece;
			from = to - feed(&r, x + from, to - from, &events);
			CHECK(to - from <= LOG_LINE_MAX);
		}
		CHECK_EQ_U(r.overlong, 1);
		CHECK_EQ_U(r.lines, 1);
	}
	free(x);
}

TEST(time_never_runs_backwards)
{
	struct log_reader r = { 0 };
	const char text[] = "2018-01-27 20:38:22.000500 Fork\n2018-01-27 20:38:22.000400 Fork\n"
		"2018-01-27 19:38:22.000000 Fork\n2018-01-27 19:38:25.000000 Fork\n";
	const char *p = text, *end = text + strlen(text);
	uint64_t t[4];

	for (int i = 0; i < 4; i++) {
		CHECK(log_next(&r, &p, end, &ev));
		t[i] = ev.time;
	}
	CHECK_EQ_U(t[1], t[0]);                 /* threads overtook each other: now */
	CHECK_EQ_U(t[2], t[0]);                 /* somebody set the clock: go on ... */
	CHECK_EQ_U(t[3], t[2] + 3 * NS_PER_S);  /* ... with the new one */
	CHECK_EQ_U(r.backwards, 2);
	CHECK_EQ_U(r.set_back, 1);
}

TEST(lost_lines_are_added_up_and_never_wrap)
{
	struct log_reader r = { 0 };
	const char text[] = STAMP "Lost lines=3\n" STAMP "Lost lines=4\n" STAMP "Lost lines=18446744073709551615\n";
	const char *p = text, *end = text + strlen(text);

	CHECK(log_next(&r, &p, end, &ev) && log_next(&r, &p, end, &ev));
	CHECK_EQ_U(r.lost, 7);
	CHECK(log_next(&r, &p, end, &ev));
	CHECK_EQ_U(r.lost, UINT64_MAX);
}
