/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/parse.h"
#include "unit/test.h"

#define UNTOUCHED 0xdeadbeefull

/* A refusal names the parameter and the value, in one line, and writes nothing. */
static bool names_both(const struct err *e, const char *what, const char *value)
{
	return strstr(e->msg, what) && strstr(e->msg, value) && !strchr(e->msg, '\n');
}

TEST(sizes_mean_what_nbdkit_parse_size_says)
{
	static const struct { const char *str; uint64_t bytes; } good[] = {
		{ "0", 0 }, { "1", 1 }, { "512", 512 }, { "64M", MIB(64) }, { "64m", MIB(64) }, { "1k", 1024 },
		{ "1K", 1024 }, { "7b", 7 }, { "7B", 7 }, { "1s", 512 }, { "512s", 262144 }, { "3S", 1536 },
		{ "1G", 1ull << 30 }, { "1T", 1ull << 40 }, { "1p", 1ull << 50 }, { "7E", 7ull << 60 },
		{ "010", 10 }, { "08", 8 }, { "0M", 0 },
		{ "9223372036854775807", INT64_MAX }, { "18014398509481983s", (uint64_t)INT64_MAX - 511 },
		{ "8388607T", 8388607ull << 40 },
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err e = { "" };
		uint64_t n = UNTOUCHED;
		CHECK_EQ_U(parse_size("size", good[i].str, &n, &e), 0);
		CHECK_STR(e.msg, "");
		CHECK_EQ_U(n, good[i].bytes);
	}
}

TEST(bad_sizes_are_refused_in_one_line)
{
	static const char *const bad[] = {
		"1.5", "1.5M", "-1", "-0", "+1", " 1", "1 ", "M", "64MB", "64Mi", "64MM", "1x", "1z", "abc", "0x", "0xg", "0x10", "0x1k",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "8E", "9223372036854775807k",
		"99999999999999999999999999", "8388608T", "18014398509481984s", "1e3", "64M\n", "\xff", "1\xc2\xb5",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { "" };
		uint64_t n = UNTOUCHED;
		if (parse_size("size", bad[i], &n, &e) != -1)
			test_failed(__FILE__, __LINE__, "\"%s\" was taken for a size", bad[i]);
		CHECK_EQ_U(n, UNTOUCHED);
		CHECK(strstr(e.msg, "size") && !strchr(e.msg, '\n'));
	}
	struct err e = { "" };
	uint64_t n = UNTOUCHED;
	CHECK_EQ_U(parse_size("size", "", &n, &e), -1);
	CHECK(strstr(e.msg, "size"));
	parse_size("size", "1.5", &n, &e);
	CHECK(names_both(&e, "size", "1.5"));
	parse_size("size", "-7", &n, &e);
	CHECK(names_both(&e, "size", "-7"));
	CHECK_EQ_U(n, UNTOUCHED);
}

TEST(durations_are_seconds_unless_a_unit_says_otherwise)
{
	static const struct { const char *str; uint64_t ns; } good[] = {
		{ "0", 0 }, { "2", 2 * NS_PER_S }, { "1.5", 1500 * NS_PER_MS }, { "40ms", 40 * NS_PER_MS },
		{ "100us", 100 * NS_PER_US }, { "100\xc2\xb5s", 100 * NS_PER_US }, { "7ns", 7 }, { "3s", 3 * NS_PER_S },
		{ "1m", 60 * NS_PER_S }, { "1h", 3600 * NS_PER_S }, { "0.5ms", 500 * NS_PER_US }, { ".5", 500 * NS_PER_MS },
		{ "2.", 2 * NS_PER_S }, { "0.000000001", 1 }, { "0.0000000019", 1 }, { "1.000000001", NS_PER_S + 1 },
		{ "9223372036854775807ns", INT64_MAX }, { "9223372036", 9223372036 * NS_PER_S },
		{ "0.1h", 360 * NS_PER_S }, { "010", 10 * NS_PER_S },
	};
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct err e = { "" };
		uint64_t ns = UNTOUCHED;
		CHECK_EQ_U(parse_duration("rdelay", good[i].str, &ns, &e), 0);
		CHECK_EQ_U(ns, good[i].ns);
	}
}

TEST(bad_durations_are_refused_in_one_line)
{
	static const char *const bad[] = {
		"-1", "-0", "+1", " 1", "1 ", "ms", ".", ".ms", "1.5.2", "1e3", "0x10", "inf", "nan", "1,5", "40MS", "40 ms",
		"1d", "1sm", "1.s.", "9223372037", "9223372036854775808ns", "99999999999999999999", "2562048h",
		"18446744073709551616ns", "40ms\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { "" };
		uint64_t ns = UNTOUCHED;
		if (parse_duration("rdelay", bad[i], &ns, &e) != -1)
			test_failed(__FILE__, __LINE__, "\"%s\" was taken for a duration", bad[i]);
		CHECK_EQ_U(ns, UNTOUCHED);
		CHECK(strstr(e.msg, "rdelay") && !strchr(e.msg, '\n'));
	}
	struct err e = { "" };
	uint64_t ns = UNTOUCHED;
	CHECK_EQ_U(parse_duration("rdelay", "", &ns, &e), -1);
	CHECK_EQ_U(parse_duration("wdelay", "soon", &ns, &e), -1);
	CHECK(names_both(&e, "wdelay", "soon"));
}

TEST(booleans_are_words_in_either_case)
{
	static const char *const yes[] = { "1", "true", "TRUE", "True", "t", "T", "yes", "YES", "y", "on", "oN", "enable" };
	static const char *const no[] = { "0", "false", "FALSE", "f", "F", "no", "No", "n", "off", "OFF", "disable" };
	static const char *const bad[] = { "", "2", "00", "01", "-1", "yess", "ye", "tru", "o", " 1", "1 ", "maybe", "10" };
	struct err e = { "" };
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		bool b = false;
		CHECK_EQ_U(parse_bool("logappend", yes[i], &b, &e), 0);
		CHECK(b);
	}
	for (size_t i = 0; i < ARRAY_LEN(no); i++) {
		bool b = true;
		CHECK_EQ_U(parse_bool("logappend", no[i], &b, &e), 0);
		CHECK(!b);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		bool b = i % 2;
		if (parse_bool("logappend", bad[i], &b, &e) != -1)
			test_failed(__FILE__, __LINE__, "\"%s\" was taken for a boolean", bad[i]);
		CHECK(b == i % 2);
		CHECK(names_both(&e, "logappend", bad[i]));
	}
}

TEST(whole_numbers_keep_to_their_range)
{
	struct err e = { "" };
	uint64_t n = UNTOUCHED;
	unsigned u = 7;
	CHECK_EQ_U(parse_u64("n", "18446744073709551615", 0, UINT64_MAX, &n, &e), 0);
	CHECK_EQ_U(n, UINT64_MAX);
	CHECK_EQ_U(parse_u64("n", "10", 10, 10, &n, &e), 0);
	CHECK_EQ_U(n, 10);
	CHECK_EQ_U(parse_unsigned("threads", "0x20", 1, 100, &u, &e), 0);
	CHECK_EQ_U(u, 32);

	static const char *const bad[] = { "", "-1", "9", "101", "1.5", "20k", "20 ", "x", "18446744073709551616" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (parse_unsigned("threads", bad[i], 10, 100, &u, &e) != -1)
			test_failed(__FILE__, __LINE__, "\"%s\" was taken for a number from 10 to 100", bad[i]);
		CHECK_EQ_U(u, 32);
		CHECK(names_both(&e, "threads", bad[i]));
	}
}
