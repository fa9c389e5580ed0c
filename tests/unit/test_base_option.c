/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/option.h"
#include "unit/test.h"
#include <stdlib.h>
#include <unistd.h>

struct block {
	uint64_t size, wait;
	bool flag;
	unsigned n;
	const char *name;
	char *path;
	char called[64];
};

static int set_call(void *block, const char *key, const char *value, struct err *e)
{
	struct block *b = block;
	if (strcmp(value, "refuse") == 0)
		return err_set(e, "%s: refused", key);
	strncpy(b->called, value, sizeof b->called - 1);
	return 0;
}

static const struct option table[] = {
	OPT_SIZE("size", struct block, size, "how large"),
	OPT_DURATION("wait", struct block, wait, "how long"),
	OPT_BOOL("flag", struct block, flag, "whether"),
	OPT_UNSIGNED("n", struct block, n, "how many"),
	OPT_STRING("name", struct block, name, "NAME", "who"),
	OPT_PATH("file", struct block, path, "FILE", "where"),
	{ .key = "call", .type = OPTION_CALL, .set = set_call, .magic = true },
	{ 0 }
};

static int set(struct block *b, const char *key, const char *value, struct err *e)
{
	const struct option *o = option_find(table, key);
	return o ? option_set(o, b, value, e) : err_set(e, "no %s", key);
}

TEST(a_table_is_searched_by_whole_key)
{
	CHECK(option_find(table, "size") == &table[0]);
	CHECK(option_find(table, "siz") == NULL);
	CHECK(option_find(table, "sizes") == NULL);
	CHECK(option_find(table, "") == NULL);
	CHECK(option_find(NULL, "size") == NULL);
}

TEST(a_bare_word_finds_the_magic_entry)
{
	static const struct option none[] = { OPT_SIZE("size", struct block, size, ""), { 0 } };
	CHECK(option_magic(table) == &table[6]);
	CHECK(option_magic(none) == NULL);
	CHECK(option_magic(NULL) == NULL);
}

TEST(each_type_fills_its_field)
{
	struct block b = { 0 };
	struct err e = { "" };
	CHECK_EQ_U(set(&b, "size", "64M", &e), 0);
	CHECK_EQ_U(set(&b, "wait", "40ms", &e), 0);
	CHECK_EQ_U(set(&b, "flag", "on", &e), 0);
	CHECK_EQ_U(set(&b, "n", "4294967295", &e), 0);
	CHECK_EQ_U(set(&b, "name", "somebody", &e), 0);
	CHECK_EQ_U(set(&b, "call", "me", &e), 0);
	CHECK_EQ_U(b.size, MIB(64));
	CHECK_EQ_U(b.wait, 40 * NS_PER_MS);
	CHECK(b.flag);
	CHECK_EQ_U(b.n, 4294967295u);
	CHECK_STR(b.name, "somebody");
	CHECK_STR(b.called, "me");
	option_free(table, &b);
}

TEST(a_bad_value_names_its_key_and_changes_nothing)
{
	static const char *const bad[][2] = {
		{ "size", "1.5" }, { "wait", "soon" }, { "flag", "maybe" }, { "n", "-1" }, { "n", "4294967296" }, { "call", "refuse" },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		union { /* compared with its padding: nothing at all is touched */
			struct block b;
			unsigned char bytes[sizeof(struct block)];
		} now, before;
		struct err e = { "" };
		memset(&now, 0, sizeof now);
		memset(&before, 0, sizeof before);
		CHECK(set(&now.b, bad[i][0], bad[i][1], &e) == -1);
		CHECK(strstr(e.msg, bad[i][0]));
		CHECK(memcmp(now.bytes, before.bytes, sizeof now.bytes) == 0);
	}
}

TEST(paths_become_absolute_and_the_last_one_counts)
{
	struct block b = { 0 };
	struct err e = { "" };
	CHECK_EQ_U(chdir("/usr"), 0);
	CHECK_EQ_U(set(&b, "file", "lib/x", &e), 0);
	CHECK_STR(b.path, "/usr/lib/x");
	CHECK_EQ_U(set(&b, "file", "/tmp/log", &e), 0);
	CHECK_STR(b.path, "/tmp/log");
	CHECK(set(&b, "file", "", &e) == -1);
	CHECK_STR(b.path, "/tmp/log");
	option_free(table, &b);
	CHECK(b.path == NULL);
	option_free(table, &b);
}

TEST(an_error_message_stays_one_bounded_line)
{
	struct err e;
	char longer[5000];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	CHECK(err_set(&e, "a\nb\tc\x1b[31m%s", longer) == -1);
	CHECK(strncmp(e.msg, "a?b?c?[31mxxx", 13) == 0);
	CHECK_EQ_U(strlen(e.msg), sizeof e.msg - 1);
}
