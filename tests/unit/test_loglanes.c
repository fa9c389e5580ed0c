/* SPDX-License-Identifier: BSD-2-Clause */
/* Lanes of log lines: the order of what comes out, what is kept, what is lost. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "filters/loglanes.h"
#include "unit/test.h"

/* And what is taken goes to out. */
static struct loglanes *lanes_new(struct buf *out)
{
	struct loglanes *l = aligned_alloc(_Alignof(struct loglanes), sizeof *l);
	if (!l)
		abort();
	memset(l, 0, sizeof *l);
	loglanes_init(l, true);
	buf_init(out, LOGLANES_MAX);
	return l;
}

static void lanes_end(struct loglanes *l, struct buf *out)
{
	loglanes_free(l);
	buf_free(out);
	free(l);
}

static enum loglane_news add(struct loglanes *l, const char *text, size_t limit)
{
	char *p;
	struct loglane *lane = loglanes_open(l, strlen(text), limit, &p);
	return loglane_close(l, lane, logline_text(p, text));
}

struct job {
	struct loglanes *l;
	const char *text;
	atomic_bool go_on;
};

static void *add_one(void *arg)
{
	struct job *j = arg;
	add(j->l, j->text, LOGLANE_HARD);
	return NULL;
}

static void add_elsewhere(struct loglanes *l, const char *text)
{
	struct job j = { .l = l, .text = text };
	pthread_t th;
	CHECK(pthread_create(&th, NULL, add_one, &j) == 0);
	pthread_join(th, NULL);
}

TEST(lines_of_many_threads_come_out_in_the_order_they_were_added)
{
	struct buf out;
	struct loglanes *l = lanes_new(&out);
	uint64_t lost;
	char name[8];

	for (int i = 0; i < 100; i++) { /* each by a thread of its own: more than lanes */
		snprintf(name, sizeof name, "n%d", i);
		add_elsewhere(l, name);
	}
	CHECK(!loglanes_take(l, false, &out, &lost));
	CHECK_EQ_U(lost, 0);
	const char *p = buf_str(&out);
	for (int i = 0; i < 100; i++) {
		char *end;
		CHECK(p[LOGSTAMP_LEN] == ' ' && p[LOGSTAMP_LEN + 1] == 'n');
		CHECK_EQ_U(strtoul(p + LOGSTAMP_LEN + 2, &end, 10), i);
		CHECK(*end == '\n');
		p = end + 1;
	}
	CHECK(*p == '\0');
	lanes_end(l, &out);
}

TEST(a_line_tells_when_its_lane_was_empty_when_there_is_plenty_and_when_it_is_full)
{
	struct buf out;
	struct loglanes *l = lanes_new(&out);
	uint64_t lost;
	unsigned first = 0, plenty = 0, lines = 0;

	while (!loglanes_full(l)) {
		enum loglane_news n = add(l, "0123456789", LOGLANE_HARD);
		first += n == LOGLANE_FIRST;
		plenty += n == LOGLANE_PLENTY;
		lines++;
	}
	CHECK_EQ_U(first, 1);
	CHECK_EQ_U(plenty, 1);
	CHECK_EQ_U(lines, LOGLANE_SOFT / (LOGSTAMP_LEN + 12) + 1);
	CHECK(add(l, "one too many", LOGLANE_SOFT) == LOGLANE_LOST);
	CHECK(!loglanes_take(l, false, &out, &lost));
	CHECK_EQ_U(lost, 0);
	CHECK_EQ_U(out.len, lines * (LOGSTAMP_LEN + 12));
	CHECK(!loglanes_full(l));
	CHECK(add(l, "first again", LOGLANE_HARD) == LOGLANE_FIRST);
	lanes_end(l, &out);
}

static void shift(struct buf *marks, uint64_t ns)
{
	for (size_t at = 0; at < marks->len; at += sizeof(struct logmark))
		((struct logmark *)(void *)(marks->p + at))->ns += ns;
}

/* As if the lines had been added an hour from now: they are kept. */
static void from_the_future(struct loglanes *l)
{
	for (unsigned i = 0; i < LOGLANES; i++)
		shift(&l->at[i].fill.marks, 3600 * NS_PER_S);
}

/* An hour later. */
static void the_future_comes(struct loglanes *l)
{
	for (unsigned i = 0; i < LOGLANES; i++)
		shift(&l->at[i].kept.marks, 0 - 3600 * NS_PER_S);
}

TEST(lines_that_are_kept_come_out_the_next_time_before_those_that_came_meanwhile)
{
	struct buf out;
	struct loglanes *l = lanes_new(&out);
	uint64_t lost;

	add(l, "one", LOGLANE_HARD);
	add(l, "two", LOGLANE_HARD);
	from_the_future(l);
	CHECK(loglanes_take(l, false, &out, &lost));
	CHECK_EQ_U(out.len, 0);
	the_future_comes(l);
	add(l, "three", LOGLANE_HARD);
	CHECK(!loglanes_take(l, false, &out, &lost));
	const char *text = buf_str(&out), *one = strstr(text, " one\n"), *two = strstr(text, " two\n"), *three = strstr(text, " three\n");
	CHECK(one && two && three && one < two && two < three);
	CHECK_EQ_U(lost, 0);
	out.len = 0;
	CHECK(!loglanes_take(l, false, &out, &lost));
	CHECK_EQ_U(out.len, 0);
	lanes_end(l, &out);
}

TEST(the_last_take_keeps_nothing)
{
	struct buf out;
	struct loglanes *l = lanes_new(&out);
	uint64_t lost;

	add(l, "one", LOGLANE_HARD);
	add_elsewhere(l, "two");
	from_the_future(l);
	CHECK(!loglanes_take(l, true, &out, &lost));
	CHECK(strstr(buf_str(&out), " one\n") && strstr(buf_str(&out), " two\n"));
	lanes_end(l, &out);
}

static void *add_until(void *arg)
{
	struct job *j = arg;
	char text[32];
	for (unsigned i = 0; i < 20000 && (atomic_load(&j->go_on) || i == 0); i++) {
		snprintf(text, sizeof text, "%s %u", j->text, i);
		add(j->l, text, LOGLANE_HARD);
	}
	return NULL;
}

static void take_while_threads_add(unsigned threads)
{
	static const char names[][2] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
		"k", "l", "m", "n", "o", "p", "q", "r", "s", "t" };
	struct buf out;
	struct loglanes *l = lanes_new(&out);
	struct job jobs[ARRAY_LEN(names)];
	pthread_t th[ARRAY_LEN(names)];
	uint64_t lost;
	unsigned next[ARRAY_LEN(names)] = { 0 };
	char last[LOGSTAMP_LEN + 1] = "";

	for (unsigned i = 0; i < threads; i++) {
		jobs[i] = (struct job){ .l = l, .text = names[i], .go_on = true };
		CHECK(pthread_create(&th[i], NULL, add_until, &jobs[i]) == 0);
	}
	for (int round = 0; round < 200; round++) {
		if (round == 199)
			for (unsigned i = 0; i < threads; i++) {
				atomic_store(&jobs[i].go_on, false);
				pthread_join(th[i], NULL);
			}
		loglanes_take(l, round == 199, &out, &lost);
		CHECK_EQ_U(lost, 0);
		const char *p = buf_str(&out), *end = p + out.len;
		while (p < end) {
			unsigned who = (unsigned)(p[LOGSTAMP_LEN + 1] - 'a');
			char *after;
			CHECK(who < threads && p[LOGSTAMP_LEN + 2] == ' ');
			CHECK_EQ_U(strtoul(p + LOGSTAMP_LEN + 3, &after, 10), next[who]++);
			CHECK(*after == '\n');
			CHECK(memcmp(p, last, LOGSTAMP_LEN) >= 0);
			memcpy(last, p, LOGSTAMP_LEN);
			p = after + 1;
		}
		out.len = 0;
	}
	for (unsigned i = 0; i < threads; i++)
		CHECK(next[i] > 0);
	lanes_end(l, &out);
}

TEST(what_is_taken_while_threads_add_is_in_order_and_whole)
{
	take_while_threads_add(3);
	biased_start();
	take_while_threads_add(3);
	take_while_threads_add(20); /* more than there are lanes */
}
