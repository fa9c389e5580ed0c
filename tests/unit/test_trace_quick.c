/* SPDX-License-Identifier: BSD-2-Clause */
/* quick_line() and log_parse_line() say the same of every line, or the first says nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "trace/quick_line.h"
#include "unit/test.h"

static uint64_t seed;

static uint64_t draw(uint64_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % n;
}

/* Numbers of every length, now and then too long. */
static uint64_t number(void)
{
	uint64_t n = draw(1u << 31) << 33 ^ draw(1u << 31) << 2 ^ draw(4);
	return n >> draw(64);
}

static bool same_event(const struct event *a, const struct event *b)
{
	return a->time == b->time && a->conn == b->conn && a->id == b->id && a->off == b->off && a->len == b->len &&
	       a->kind == b->kind && a->op == b->op && a->sized == b->sized && a->flags == b->flags && a->err == b->err;
}

static struct log_reader reader;
static unsigned quick, both, known;

/* Line with a newline at text[n]; text has no room behind it, so that a sanitizer sees a step too far. */
static void compare(const char *line, size_t n)
{
	struct event a, b;
	char *text = malloc(n + 1);

	CHECK(text != NULL);
	memcpy(text, line, n);
	text[n] = '\n';
	bool fast = quick_line(&reader, text, n, &a);
	bool slow = log_parse_line(&reader, text, n, &b);
	if (fast && (!slow || !same_event(&a, &b)))
		printf("differs: %.*s\n", (int)n, text);
	free(text);
	quick += fast;
	known += slow;
	both++;
	CHECK(!fast || slow);
	CHECK(!fast || same_event(&a, &b));
}

static int usual_line(char *p, size_t room)
{
	static const char *const ops[] = { "Read", "Write", "Trim", "Zero", "Flush" };
	unsigned op = (unsigned)draw(ARRAY_LEN(ops)), conn = (unsigned)draw(300), second = (unsigned)draw(2);
	uint64_t id = number() / 20;
	int n = snprintf(p, room, "2026-02-28 23:59:5%u.%06u connection=%u ", second, (unsigned)draw(1000000), conn);

	p += n;
	room -= (size_t)n;
	if (draw(2))
		return n + snprintf(p, room, "...%s id=%" PRIu64 " return=0", ops[op], id);
	if (op == 4)
		return n + snprintf(p, room, "Flush id=%" PRIu64 " ...", id);
	return n + snprintf(p, room, "%s id=%" PRIu64 " offset=0x%" PRIx64 " count=0x%" PRIx64 "%s%s%s ...", ops[op], id,
		number(), number(), op == 3 ? draw(2) ? " trim=0" : " trim=1" : "", op ? draw(2) ? " fua=0" : " fua=1" : "",
		op == 3 && draw(2) ? " fast=0" : "");
}

/* Put other bytes in, take some out, double or join parts. */
static size_t mutate(char *p, size_t n, size_t room)
{
	static const char *const pieces[] = {
		" ", "...", "id=1", "0x", "x", "return=0", "return=-1", " error=EIO", "fua=1 ", "fua=2", "offset=0x5 ",
		"count=0x7 ", "\"", "(", ")", "9", "99999999999999999999", "ffffffffffffffffff", "F", "Cache", "Extents",
		"connection=", "", "-", "\xff", "\1", ".", "Read ", "trim=1 ", "00000000000000000000",
	};
	for (uint64_t times = 1 + draw(3); times--;) {
		size_t at = draw(n + 1), cut = draw(3) ? draw(4) : draw(n + 1);
		const char *s = pieces[draw(ARRAY_LEN(pieces))];
		size_t len = strlen(s) ? strlen(s) : 1; /* "": a NUL */

		cut = MIN(cut, n - at);
		if (n - cut + len > room)
			continue;
		memmove(p + at + len, p + at + cut, n - at - cut);
		memcpy(p + at, s, len);
		n = n - cut + len;
	}
	return n;
}

TEST(usual_lines_are_understood_without_the_parser)
{
	char line[400];

	seed = 1;
	quick = both = known = 0;
	for (unsigned i = 0; i < 50000; i++)
		compare(line, (size_t)usual_line(line, sizeof line));
	CHECK_EQ_U(known, both);
	CHECK(quick > both * 4 / 10); /* every other begins a second */
}

TEST(odd_lines_are_left_to_the_parser_or_understood_as_it_does)
{
	char line[400];

	seed = 2;
	quick = both = known = 0;
	for (unsigned i = 0; i < 300000; i++) {
		size_t n = (size_t)usual_line(line, sizeof line);
		compare(line, n); /* so that the second is known */
		compare(line, mutate(line, n, sizeof line));
	}
	CHECK(known < both * 3 / 4);
	CHECK(quick > both / 4);
}

TEST(nothing_is_known_of_a_second_before_the_first)
{
	char zeros[100] = { 0 };
	struct event ev;

	reader = (struct log_reader){ 0 };
	memcpy(zeros + 19, ".123456 connection=1 Flush id=1 ...\n", 36);
	CHECK(!quick_line(&reader, zeros, 54, &ev));
	compare(zeros, 54);
}

TEST(six_digits_are_a_number)
{
	char text[16];
	uint32_t us;

	for (unsigned i = 0; i < 1000000; i += 7) {
		snprintf(text, sizeof text, ".%06u ", i);
		CHECK(quick_micros(text, &us));
		CHECK_EQ_U(us, i);
	}
	memcpy(text, ".999999 ", 8);
	for (unsigned at = 0; at < 8; at++) {
		char right = text[at];
		for (int c = 0; c < 256; c++) {
			text[at] = (char)c;
			bool fits = at == 0 ? c == '.' : at == 7 ? c == ' ' : c >= '0' && c <= '9';
			CHECK_EQ_U(quick_micros(text, &us), fits);
		}
		text[at] = right;
	}
}
