/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/test.h"
#include "view/fmt.h"
#include "view/steps.h"

static char out[FMT_ROOM];
static struct err e;

TEST(sizes_read_well)
{
	CHECK_STR(fmt_size(out, 0), "0 B");
	CHECK_STR(fmt_size(out, 1023), "1023 B");
	CHECK_STR(fmt_size(out, 4096), "4 KiB");
	CHECK_STR(fmt_size(out, 1536), "1.5 KiB");
	CHECK_STR(fmt_size(out, 67108864), "64 MiB");
	CHECK_STR(fmt_size(out, 17592186044416), "16 TiB");
	CHECK_STR(fmt_size(out, UINT64_MAX), "15.9 EiB");
	CHECK_STR(fmt_short(out, 0), "0");
	CHECK_STR(fmt_short(out, 524288), "512K");
	CHECK_STR(fmt_short(out, 1ull << 40), "1T");
	CHECK_STR(fmt_short(out, 1023ull << 30), "1023G"); /* the ruler has room for no more */
	CHECK_STR(fmt_short(out, 15376384), "14.66M");
}

TEST(counts_and_times_read_well)
{
	CHECK_STR(fmt_count(out, 0), "0");
	CHECK_STR(fmt_count(out, 999), "999");
	CHECK_STR(fmt_count(out, 1000), "1,000");
	CHECK_STR(fmt_count(out, UINT64_MAX), "18,446,744,073,709,551,615");
	CHECK_STR(fmt_clock(out, 0), "0:00.000");
	CHECK_STR(fmt_clock(out, 61 * NS_PER_S + 5 * NS_PER_MS), "1:01.005");
	CHECK_STR(fmt_clock(out, 3723 * NS_PER_S), "1:02:03.000");
	CHECK_STR(fmt_tick(out, 5 * NS_PER_S), "0:05");
	CHECK_STR(fmt_tick(out, 500 * NS_PER_MS), "0:00.5");
	CHECK_STR(fmt_tick(out, 10 * NS_PER_S), "0:10");
}

static int parse(struct steps *s, const char *text)
{
	return steps_parse(s, "steps.txt", text, strlen(text), &e);
}

TEST(steps_are_relative_or_absolute_and_sorted)
{
	struct steps s;
	CHECK(parse(&s, "# a session\n\n@1012.5 third one\r\n 0 first\n10s  second  \n") == 0);
	steps_sort(&s, 1000 * NS_PER_S);
	CHECK_EQ_U(s.n, 3);
	CHECK_STR(s.step[0].text, "first");
	CHECK_STR(s.step[1].text, "second  ");
	CHECK_STR(s.step[2].text, "third one");
	CHECK_EQ_U(steps_begin(&s, 2, 1000 * NS_PER_S), 1012 * NS_PER_S + 500 * NS_PER_MS);
	CHECK_EQ_U(steps_at(&s, 1000 * NS_PER_S, 1000 * NS_PER_S), 0);
	CHECK_EQ_U(steps_at(&s, 1010 * NS_PER_S, 1000 * NS_PER_S), 1);
	CHECK_EQ_U(steps_at(&s, 1010 * NS_PER_S - 1, 1000 * NS_PER_S), 0);
	steps_free(&s);
}

TEST(a_step_before_the_log_begins_with_it)
{
	struct steps s;
	CHECK(parse(&s, "@5 early\n@2000.123456789 late") == 0);
	CHECK_EQ_U(steps_begin(&s, 0, 1000 * NS_PER_S), 1000 * NS_PER_S);
	CHECK_EQ_U(steps_begin(&s, 1, 1000 * NS_PER_S), 2000123456789);
	CHECK_EQ_U(steps_at(&s, 999 * NS_PER_S, 1000 * NS_PER_S), (unsigned long long)-1);
	steps_free(&s);
}

TEST(a_line_that_is_no_step_is_named)
{
	struct steps s;
	CHECK(parse(&s, "0 fine\nsoon something\n") < 0);
	CHECK(strstr(e.msg, "steps.txt: line 2") != NULL);
	CHECK(parse(&s, "-1 never\n") < 0);
	CHECK(parse(&s, "@ never\n") < 0);
}

TEST(a_caption_may_be_missing_or_utf8)
{
	struct steps s;
	CHECK(parse(&s, "1\n2 größer → kleiner") == 0);
	CHECK_STR(s.step[0].text, "");
	CHECK_STR(s.step[1].text, "größer → kleiner");
	steps_free(&s);
}
