/* SPDX-License-Identifier: BSD-2-Clause */
/* The API of miniexpect, as its manual has it and as virt-p2v uses it. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include "unit/expect_rig.h"

TEST(macros_and_fields_are_those_of_the_manual)
{
	char *argv[] = { (char *)"cat", NULL };
	mexp_h *h = mexp_spawnv("cat", argv);
	CHECK(h);
	CHECK_IS(mexp_get_fd(h), h->fd);
	CHECK(mexp_get_pid(h) == h->pid && h->pid > 0 && kill(h->pid, 0) == 0);
	CHECK_IS(mexp_get_timeout_ms(h), 60000);
	CHECK_IS(mexp_get_read_size(h), 1024);
	CHECK(!mexp_get_debug_file(h) && !h->user1 && !h->user2 && !h->user3);
	CHECK(h->len == 0 && h->next_match == -1);
	mexp_set_timeout_ms(h, 1234);
	CHECK_IS(h->timeout, 1234);
	mexp_set_timeout(h, 5);
	CHECK_IS(mexp_get_timeout_ms(h), 5000);
	mexp_set_read_size(h, 10);
	CHECK_IS(h->read_size, 10);
	h->user1 = h->user2 = h->user3 = argv;
	CHECK_IS(mexp_printf(h, "%s %d\n", "hello", 42), 9);
	CHECK_IS(mexp_expect(h, FOR("hel+o \\d+\n"), NULL), 100);
	CHECK(h->user1 == argv && h->len >= 9 && h->alloc >= h->len && h->next_match == 9);
	CHECK_IS(mexp_get_pcre_error(h), 1);
	int status = mexp_close(h);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
	CHECK(MEXP_SPAWN_KEEP_SIGNALS == 1 && MEXP_SPAWN_KEEP_FDS == 2 && MEXP_SPAWN_COOKED_MODE == 4 && MEXP_SPAWN_RAW_MODE == 0);
	CHECK(MEXP_EOF == 0 && MEXP_ERROR == -1 && MEXP_PCRE_ERROR == -2 && MEXP_TIMEOUT == -3);
}

/* 26 */
TEST(a_timeout_in_seconds_does_not_overflow)
{
	struct talk t;
	CHECK(talk_open(&t));
	mexp_set_timeout(t.h, -1);
	CHECK_IS(mexp_get_timeout_ms(t.h), -1);
	mexp_set_timeout(t.h, -7);
	CHECK_IS(mexp_get_timeout_ms(t.h), -1);
	mexp_set_timeout(t.h, INT_MAX);
	CHECK_IS(mexp_get_timeout_ms(t.h), INT_MAX);
	mexp_set_timeout(t.h, INT_MAX / 1000);
	CHECK_IS(mexp_get_timeout_ms(t.h), INT_MAX / 1000 * 1000);
	talk_close(&t);
}

TEST(the_master_side_blocks_and_one_may_read_from_it_until_eio)
{
	char text[64];
	size_t len = 0;
	mexp_h *h = sh(0, "sleep 0.1; echo one; sleep 0.1; echo two");
	CHECK(h && !(fcntl(mexp_get_fd(h), F_GETFL) & O_NONBLOCK));
	CHECK_IS(mexp_expect(h, FOR("one\n"), NULL), 100);
	CHECK(!(fcntl(mexp_get_fd(h), F_GETFL) & O_NONBLOCK));
	ssize_t n;
	while ((n = read(mexp_get_fd(h), text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	CHECK(n < 0 && errno == EIO);
	CHECK(len == 4 && memcmp(text, "two\n", 4) == 0);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_close(h), 0);
}

static atomic_bool caught_all;

/* On a busy machine several become one. */
static void *interrupt(void *arg)
{
	for (int i = 0; i < 10000 && !caught_all; i++) {
		pause_ms(5);
		if (mexp_send_interrupt(arg) != 1)
			test_failed(__FILE__, __LINE__, "no ^C: %s", strerror(errno));
	}
	return NULL;
}

TEST(one_thread_may_send_an_interrupt_while_another_expects)
{
	pthread_t thread;
	mexp_h *h = sh(MEXP_SPAWN_COOKED_MODE, "n=0; trap 'n=$((n+1)); echo caught $n' INT; echo ready; "
					       "while [ $n -lt 3 ]; do sleep 0.01; done; trap '' INT; echo bye; sleep 0.3");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("ready"), NULL), 100);
	caught_all = false;
	CHECK(pthread_create(&thread, NULL, interrupt, h) == 0);
	int r = mexp_expect(h, FOR("caught 2\r\n"), NULL), r2 = mexp_expect(h, FOR("bye"), NULL);
	caught_all = true;
	pthread_join(thread, NULL);
	CHECK_IS(r, 100);
	CHECK_IS(r2, 100);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_close(h), 0);
}

TEST(a_timeout_of_two_seconds_in_a_loop_gets_there)
{
	int timeouts = 0, r;
	mexp_h *h = sh(0, "printf 'pass'; sleep 0.3; printf 'word: '; read x; echo; printf '%s# ' \"$x\"; sleep 60");
	CHECK(h);
	mexp_set_timeout_ms(h, 50); /* as ssh.c of virt-p2v, but for our time */
	const mexp_regexp regexps[] = { { 100, .re = re("password: ") }, { 101, .re = re("# $") }, { 0 } };
	while ((r = mexp_expect(h, regexps, NULL)) == MEXP_TIMEOUT && timeouts < 1000)
		timeouts++;
	CHECK_IS(r, 100);
	CHECK(timeouts > 0);
	CHECK_IS(mexp_printf_password(h, "%s", "secret"), 6);
	CHECK_IS(mexp_printf(h, "\n"), 1);
	mexp_set_timeout_ms(h, 500);
	CHECK_IS(mexp_expect(h, regexps, NULL), 101);
	CHECK_MATCH(h, 0, "# ");
	CHECK_IS(kill(mexp_get_pid(h), SIGHUP), 0);
	int status = mexp_close(h);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
}

TEST(to_expect_nothing_is_to_wait_for_the_end_or_the_timeout)
{
	mexp_h *h = sh(0, "echo text; sleep 0.2; exit 3");
	CHECK(h);
	mexp_set_timeout_ms(h, 20);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_TIMEOUT);
	mexp_set_timeout_ms(h, -1);
	CHECK_IS(mexp_expect(h, (mexp_regexp[]){ { 0 } }, NULL), MEXP_EOF);
	CHECK_STR(h->buffer, "text\n");
	int status = mexp_close(h);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

/* 9 */
TEST(match_data_may_be_null)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(talk_pieces(&t, FOR("(a)(b)?(c)"), NULL, "xac", NULL), 100);
	CHECK_MATCH(t.h, 0, "ac");
	CHECK_MATCH(t.h, 1, "a");
	CHECK(!mexp_match(t.h, 2, NULL));
	CHECK_MATCH(t.h, 3, "c");
	CHECK(!mexp_match(t.h, 4, NULL));
	CHECK_IS(talk_pieces(&t, FOR("((((((((((z))))))))))"), NULL, "z", NULL), 100); /* needs more room than before */
	CHECK_MATCH(t.h, 10, "z");
	talk_close(&t);
}

TEST(captures_are_in_the_callers_match_data_and_its_offsets_index_the_buffer)
{
	struct talk t;
	pcre2_code *code = re("(\\w+)=(\\w+);");
	pcre2_match_data *md = pcre2_match_data_create_from_pattern(code, NULL);
	PCRE2_UCHAR *value;
	PCRE2_SIZE len;
	CHECK(md && talk_open(&t));
	static const char *const text[] = { "noise a=1;", "b=22;c=", "333;", NULL }, *const want[] = { "a", "1", "b", "22", "c", "333" };
	for (size_t i = 0, piece = 0; i < 3; i++) {
		int r;
		while ((r = mexp_try_expect(t.h, LIST({ 100, .re = code }), md)) == MEXP_AGAIN && text[piece]) {
			CHECK(talk_say(&t, text[piece], strlen(text[piece])));
			piece++;
		}
		CHECK_IS(r, 100);
		CHECK_IS(pcre2_substring_get_bynumber(md, 2, &value, &len), 0);
		CHECK_STR((char *)value, want[i * 2 + 1]);
		pcre2_substring_free(value);
		const PCRE2_SIZE *o = pcre2_get_ovector_pointer(md);
		CHECK(strncmp(t.h->buffer + o[2], want[i * 2], o[3] - o[2]) == 0);
		CHECK_IS(t.h->next_match, o[1]);
		CHECK_MATCH(t.h, 1, want[i * 2]);
	}
	pcre2_match_data_free(md);
	talk_close(&t);
}

TEST(options_of_the_list_are_for_pcre2_match)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(talk_pieces(&t, LIST({ 1, .re = re("b"), .options = PCRE2_ANCHORED }, { 2, .re = re("ab") }), NULL, "ab", NULL), 2);
	CHECK_IS(talk_pieces(&t, LIST({ 1, .re = re("x*"), .options = PCRE2_NOTEMPTY }), NULL, "ab", "xx.", NULL), 1);
	CHECK_MATCH(t.h, 0, "xx");
	CHECK_IS(talk_pieces(&t, LIST({ 1, .re = re("^c"), .options = PCRE2_NOTBOL }, { 2, .re = re("d") }), NULL, "cd", NULL), 2);
	talk_close(&t);
}

TEST(next_match_may_be_set_to_match_again_or_to_drop_the_rest)
{
	struct talk t;
	CHECK(talk_open(&t) && talk_say(&t, "one two three", 13));
	CHECK_IS(mexp_try_expect(t.h, FOR("two"), NULL), 100);
	CHECK_IS(t.h->next_match, 7);
	t.h->next_match = 0;
	CHECK_IS(mexp_try_expect(t.h, FOR("^one"), NULL), 100);
	t.h->next_match = 4;
	CHECK_IS(mexp_try_expect(t.h, FOR("^two"), NULL), 100);
	CHECK_STR(t.h->buffer, "two three");
	t.h->next_match = -1;
	CHECK_IS(talk_pieces(&t, FOR("t"), NULL, "four t", NULL), 100);
	CHECK_BEFORE(t.h, "four ");
	t.h->next_match = 1000; /* not in the buffer: nothing is left */
	CHECK_IS(talk_pieces(&t, FOR("."), NULL, "5", NULL), 100);
	CHECK_BEFORE(t.h, "");
	talk_close(&t);
}

TEST(next_match_may_also_be_set_after_a_timeout)
{
	struct talk t;
	CHECK(talk_open(&t) && talk_say(&t, "one two", 7));
	mexp_set_timeout_ms(t.h, 1);
	CHECK_IS(mexp_expect(t.h, FOR("three"), NULL), MEXP_TIMEOUT);
	t.h->next_match = 4;
	CHECK_IS(mexp_expect(t.h, FOR("^two"), NULL), 100);
	talk_close(&t);
}
