/* SPDX-License-Identifier: BSD-2-Clause */
/* Timeouts, silence and signals.  Nothing here asks whether something was fast, only whether it ended, and not too early. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "unit/expect_rig.h"

/* 1 */
TEST(a_timeout_of_minus_1_waits_until_there_is_an_answer)
{
	mexp_h *h = sh(0, "sleep 0.3; echo done");
	CHECK(h);
	mexp_set_timeout_ms(h, -1);
	CHECK_IS(mexp_expect(h, FOR("done"), NULL), 100);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	mexp_close(h);
}

/* 2 */
TEST(a_program_that_never_stops_printing_does_not_defeat_the_timeout)
{
	static const char *const chatty[] = { "exec tr '\\0' x </dev/zero", "exec yes" };
	for (size_t i = 0; i < ARRAY_LEN(chatty) * 2; i++) {
		mexp_h *h = sh(0, chatty[i / 2]);
		CHECK(h);
		mexp_set_timeout_ms(h, 200);
		uint64_t start = monotonic_ns();
		CHECK_IS(mexp_expect(h, FOR(i % 2 ? ".*NEVER" : "(?s)y.*NEVER"), NULL), MEXP_TIMEOUT);
		CHECK(ms_since(start) >= 200 && ms_since(start) < 30000);
		CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_TIMEOUT);
		mexp_close(h);
	}
}

/* 2 */
TEST(who_always_has_more_to_say_does_not_defeat_the_timeout_either)
{
	mexp_h *h = mexp_attach(open("/dev/zero", O_RDONLY | O_CLOEXEC), 0, 0);
	CHECK(h);
	mexp_set_timeout_ms(h, 100);
	CHECK_IS(mexp_expect(h, FOR("x"), NULL), MEXP_TIMEOUT);
	CHECK(h->state->store_size <= 8 << 20); /* it was looked at, and dropped, meanwhile */
	mexp_close(h);
}

/* 3 */
TEST(a_timeout_is_never_early)
{
	struct talk t;
	CHECK(talk_open(&t));
	for (int ms = 1; ms < 400; ms = ms * 2 + 1) {
		uint64_t start = monotonic_ns();
		mexp_set_timeout_ms(t.h, ms);
		CHECK_IS(mexp_expect(t.h, FOR("x"), NULL), MEXP_TIMEOUT);
		CHECK(monotonic_ns() - start >= (uint64_t)ms * NS_PER_MS);
	}
	talk_close(&t);
}

TEST(with_a_timeout_of_0_what_is_there_is_looked_at)
{
	struct talk t;
	CHECK(talk_open(&t) && talk_say(&t, "12", 2));
	mexp_set_timeout_ms(t.h, 0);
	CHECK_IS(mexp_expect(t.h, FOR("[a-z]"), NULL), MEXP_TIMEOUT);
	CHECK_IS(mexp_expect(t.h, FOR("[0-9]+"), NULL), 100);
	CHECK_MATCH(t.h, 0, "12");
	CHECK_IS(mexp_expect(t.h, NULL, NULL), MEXP_TIMEOUT);
	talk_close(&t);
}

TEST(a_stopped_program_times_out_and_goes_on_where_it_was)
{
	mexp_h *h = sh(0, "read x; echo got $x");
	CHECK(h);
	CHECK_IS(kill(mexp_get_pid(h), SIGSTOP), 0);
	mexp_set_timeout_ms(h, 100);
	CHECK_IS(mexp_printf(h, "text\n"), 5);
	CHECK_IS(mexp_expect(h, FOR("got text\n"), NULL), MEXP_TIMEOUT);
	CHECK_IS(mexp_wait(h, 50, NULL), MEXP_TIMEOUT);
	CHECK_IS(kill(mexp_get_pid(h), SIGCONT), 0);
	mexp_set_timeout_ms(h, 20000);
	CHECK_IS(mexp_expect(h, FOR("got text\n"), NULL), 100);
	CHECK_IS(kill(mexp_get_pid(h), SIGSTOP), 0);
	mexp_close_timeout(h, 50); /* and it is no obstacle to the end */
}

/* --- silence --- */

TEST(after_silence_what_is_there_is_all)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_set_settle_ms(t.h, 50);
	CHECK(talk_say(&t, "user$ ", 6));
	uint64_t start = monotonic_ns();
	CHECK_IS(mexp_expect(t.h, FOR("\\$ $"), NULL), 100);
	CHECK(ms_since(start) >= 49);
	CHECK(talk_say(&t, "12", 2));
	CHECK_IS(mexp_expect(t.h, FOR("[0-9]+"), NULL), 100);
	CHECK_MATCH(t.h, 0, "12");
	talk_close(&t);
}

TEST(silence_after_text_that_may_match_later_is_no_answer)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_set_settle_ms(t.h, 10);
	mexp_set_timeout_ms(t.h, 100);
	CHECK(talk_say(&t, "pass", 4));
	CHECK_IS(mexp_expect(t.h, FOR("password:"), NULL), MEXP_TIMEOUT);
	mexp_set_timeout_ms(t.h, 20000);
	CHECK(talk_say(&t, "word:", 5));
	CHECK_IS(mexp_expect(t.h, FOR("password:"), NULL), 100);
	talk_close(&t);
}

TEST(each_silence_settles_what_arrived_before_it)
{
	struct talk t;
	int r, deadline;
	CHECK(talk_open(&t));
	mexp_set_settle_ms(t.h, 10);
	mexp_set_timeout_ms(t.h, -1);
	CHECK_IS(talk_pieces(&t, FOR("password: $"), NULL, "pass", NULL), MEXP_AGAIN);
	pause_ms(20);
	CHECK_IS(mexp_try_expect(t.h, FOR("password: $"), NULL), MEXP_AGAIN);
	CHECK_IS(mexp_deadline_ms(t.h), -1); /* nothing more to settle */
	CHECK(talk_say(&t, "word: ", 6));
	while ((r = mexp_try_expect(t.h, FOR("password: $"), NULL)) == MEXP_AGAIN) {
		deadline = mexp_deadline_ms(t.h);
		CHECK(deadline >= 0 && deadline <= 10);
		pause_ms(deadline);
	}
	CHECK_IS(r, 100);
	talk_close(&t);
}

TEST(the_timeout_settles_what_silence_has_not)
{
	struct talk t;
	CHECK(talk_open(&t)); /* never by silence */
	CHECK(talk_say(&t, "12", 2));
	mexp_set_timeout_ms(t.h, 50);
	CHECK_IS(mexp_expect(t.h, FOR("[0-9]+"), NULL), 100);
	CHECK_MATCH(t.h, 0, "12");
	talk_close(&t);
}

TEST(a_prompt_settles_by_default_long_before_the_timeout)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_h *h = mexp_attach(t.h->fd, 0, 0);
	CHECK(h && talk_say(&t, "$ ", 2));
	CHECK_IS(h->state->settle_ms, 2000);
	uint64_t start = monotonic_ns();
	CHECK_IS(mexp_expect(h, FOR("\\$ $"), NULL), 100);
	CHECK(ms_since(start) >= 1999 && ms_since(start) < 30000);
	h->fd = -1; /* it is t's */
	mexp_close(h);
	talk_close(&t);
}

TEST(with_a_settle_time_of_0_every_look_is_final)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_set_settle_ms(t.h, 0);
	CHECK_IS(talk_pieces(&t, FOR("[0-9]+"), NULL, "12", NULL), 100);
	CHECK_MATCH(t.h, 0, "12");
	CHECK_IS(talk_pieces(&t, FOR("foo$"), NULL, "f", "oo", NULL), 100);
	talk_close(&t);
}

/* --- signals --- */

static atomic_uint alarms;

static void count_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* 1000 a second, or none. */
static void storm(bool on)
{
	struct sigaction sa = { .sa_handler = count_alarm }; /* no SA_RESTART */
	struct itimerval every = { .it_interval = { .tv_usec = on ? 1000 : 0 }, .it_value = { .tv_usec = on ? 1000 : 0 } };
	alarms = 0;
	if (on)
		sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	if (!on)
		signal(SIGALRM, SIG_DFL);
}

/* 10 */
TEST(a_storm_of_signals_disturbs_nothing)
{
	enum { LEN = 300000 };
	char *text = malloc(LEN + 1);
	CHECK(text);
	memset(text, 'x', LEN);
	text[LEN] = 0;
	storm(true);
	uint64_t start = monotonic_ns();
	mexp_h *h = sh(0, "sleep 0.2; echo ready; exec cat");
	int r1 = h ? mexp_expect(h, FOR("ready\n"), NULL) : MEXP_ERROR;
	int r2 = h ? mexp_printf(h, "%s!\n", text) : -1;
	int r3 = h ? mexp_expect(h, FOR("x!\n"), NULL) : MEXP_ERROR;
	mexp_set_timeout_ms(h, 100);
	uint64_t before = monotonic_ns();
	int r4 = h ? mexp_expect(h, FOR("more"), NULL) : MEXP_ERROR;
	bool early = ms_since(before) < 100;
	int r5 = h ? mexp_wait(h, 50, NULL) : MEXP_ERROR;
	int status = h ? mexp_close(h) : -1;
	h = sh(0, "trap '' HUP; echo ready; exec sleep 60"); /* closes slowly */
	int r6 = h ? mexp_expect(h, FOR("ready\n"), NULL) : MEXP_ERROR;
	int slow = h ? mexp_close_timeout(h, 100) : -1;
	uint64_t ms = ms_since(start);
	unsigned n = alarms;
	storm(false);
	free(text);
	CHECK_IS(r1, 100);
	CHECK_IS(r2, LEN + 2);
	CHECK_IS(r3, 100);
	CHECK_IS(r4, MEXP_TIMEOUT);
	CHECK(!early);
	CHECK_IS(r5, MEXP_TIMEOUT);
	CHECK_IS(r6, 100);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
	CHECK(WIFSIGNALED(slow) && WTERMSIG(slow) == SIGTERM);
	CHECK(n > 20 && ms < 60000);
}

/* --- without waiting --- */

TEST(a_try_is_again_until_there_is_an_answer_and_tells_how_long_to_wait)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_set_timeout_ms(t.h, -1);
	CHECK_IS(mexp_try_expect(t.h, FOR("x"), NULL), MEXP_AGAIN);
	CHECK_IS(mexp_deadline_ms(t.h), -1);
	CHECK_IS(mexp_poll_events(t.h), POLLIN);
	CHECK_IS(mexp_get_exit_fd(t.h), -1);
	CHECK_IS(talk_pieces(&t, FOR("x"), NULL, "x", NULL), 100);
	mexp_set_timeout_ms(t.h, 30000);
	CHECK_IS(mexp_try_expect(t.h, FOR("x"), NULL), MEXP_AGAIN);
	int left = mexp_deadline_ms(t.h);
	CHECK(left > 0 && left <= 30000);
	talk_close(&t);
}

TEST(the_clock_of_tries_starts_with_the_first_of_them)
{
	struct talk t;
	int r, tries = 0;
	CHECK(talk_open(&t));
	mexp_set_timeout_ms(t.h, 100);
	uint64_t start = monotonic_ns();
	while ((r = mexp_try_expect(t.h, FOR("x"), NULL)) == MEXP_AGAIN && tries++ < 10000) {
		struct pollfd p = { .fd = mexp_get_fd(t.h), .events = mexp_poll_events(t.h) };
		poll(&p, 1, mexp_deadline_ms(t.h) / 2 + 1);
	}
	CHECK_IS(r, MEXP_TIMEOUT);
	CHECK(ms_since(start) >= 100 && tries > 1);
	CHECK_IS(mexp_try_expect(t.h, FOR("x"), NULL), MEXP_AGAIN); /* a new one */
	talk_close(&t);
}

TEST(a_program_can_be_driven_from_a_poll_loop)
{
	mexp_h *h = sh(0, "for i in 1 2 3; do sleep 0.05; printf $i; done; sleep 0.05; echo; exit 4");
	const mexp_regexp *list = LIST({ 1, .re = re("123\n") });
	int r = MEXP_AGAIN, status = 0;
	CHECK(h && mexp_get_exit_fd(h) >= 0);
	for (int want = 1; want >= 0; want--) {
		while ((r = mexp_try_expect(h, want ? list : NULL, NULL)) == MEXP_AGAIN) {
			struct pollfd p[] = {
				{ .fd = mexp_get_fd(h), .events = mexp_poll_events(h) },
				{ .fd = mexp_get_exit_fd(h), .events = POLLIN },
			};
			CHECK(poll(p, 2, mexp_deadline_ms(h)) > 0);
		}
		CHECK_IS(r, want);
	}
	CHECK_IS(mexp_wait(h, 5000, &status), 0);
	CHECK_IS(mexp_close(h), status);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
}
