/* SPDX-License-Identifier: BSD-2-Clause */
/* test: the whole unit test harness.
 * A test is TEST(a_sentence_that_can_be_false) { ... }: it registers itself, and the
 * main() in test_main.c runs every test of the program in the order of the file, or
 * those whose names contain the first argument.  A failed CHECK says where and what,
 * and returns from the function it stands in (which must return void).
 * CHECKs are for the main thread; other threads may call test_failed(). */
#pragma once
#include <stdbool.h>
#include <string.h>
#include "base/util.h"

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

#define TEST(id)                                                                         \
	static void test_##id(void);                                                     \
	static struct test test_entry_##id = { .name = #id, .run = test_##id };          \
	__attribute__((constructor)) static void test_add_##id(void)                     \
	{                                                                                \
		test_add(&test_entry_##id);                                              \
	}                                                                                \
	static void test_##id(void)

#define CHECK(cond)                                                                      \
	do {                                                                             \
		if (!(cond)) {                                                           \
			test_failed(__FILE__, __LINE__, "%s", #cond);                    \
			return;                                                          \
		}                                                                        \
	} while (0)

#define CHECK_EQ_U(a, b)                                                                 \
	do {                                                                             \
		unsigned long long check_a_ = (unsigned long long)(a);                   \
		unsigned long long check_b_ = (unsigned long long)(b);                   \
		if (check_a_ != check_b_) {                                              \
			test_failed(__FILE__, __LINE__, "%s == %s: %llu (0x%llx) is not %llu (0x%llx)", #a, #b, \
				    check_a_, check_a_, check_b_, check_b_);             \
			return;                                                          \
		}                                                                        \
	} while (0)

/* NULL equals only NULL. */
#define CHECK_STR(a, b)                                                                  \
	do {                                                                             \
		const char *check_a_ = (a), *check_b_ = (b);                             \
		if (!test_same_str(check_a_, check_b_)) {                                \
			test_failed(__FILE__, __LINE__, "%s == %s: \"%s\" is not \"%s\"", #a, #b, \
				    check_a_ ? check_a_ : "(null)", check_b_ ? check_b_ : "(null)"); \
			return;                                                          \
		}                                                                        \
	} while (0)

void test_add(struct test *t);
/* Print `FILE:LINE: text` and mark the running test as failed.  Any thread. */
void test_failed(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

static inline bool test_same_str(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}
