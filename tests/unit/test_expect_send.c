/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing to a program, with and without a terminal in cooked mode. */
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include "unit/expect_rig.h"

static char *text_of(size_t len, char c)
{
	char *text = malloc(len + 1);
	if (text) {
		memset(text, c, len);
		text[len] = 0;
	}
	return text;
}

/* 11 */
TEST(a_program_that_answers_while_it_is_written_to_does_not_block_us)
{
	enum { LEN = 1000000 };
	size_t len;
	char *text = text_of(LEN, 'x');
	mexp_h *h = mexp_spawnl("cat", "cat", NULL);
	CHECK(h && text);
	CHECK_IS(mexp_printf(h, "%s\n", text), LEN + 1);
	CHECK_IS(mexp_expect(h, FOR("^(x+)\n"), NULL), 100);
	const char *got = mexp_match(h, 1, &len);
	CHECK(got && len == LEN && memcmp(got, text, LEN) == 0);
	free(text);
	mexp_close(h);
}

TEST(what_a_program_printed_before_the_first_write_is_there_after_it)
{
	mexp_h *h = sh(0, "echo hello; exec cat");
	CHECK(h);
	pause_ms(100);
	CHECK_IS(mexp_printf(h, "x\n"), 2);
	mexp_set_timeout_ms(h, 5000);
	CHECK_IS(mexp_expect(h, FOR("hello\n"), NULL), 100);
	CHECK_IS(mexp_expect(h, FOR("x\n"), NULL), 100);
	mexp_close(h);
}

TEST(a_program_that_does_not_read_makes_a_write_time_out)
{
	char *text = text_of(1000000, 'x');
	mexp_h *h = mexp_spawnl("sleep", "sleep", "60", NULL);
	CHECK(h && text);
	mexp_set_timeout_ms(h, 100);
	uint64_t start = monotonic_ns();
	CHECK_IS(mexp_write(h, text, 1000000), -1);
	CHECK_IS(errno, ETIMEDOUT);
	CHECK(ms_since(start) >= 100);
	free(text);
	mexp_close(h);
}

/* 20 */
TEST(a_line_that_the_terminal_would_cut_off_is_refused)
{
	static const size_t lens[] = { 4094, 4095, 4096, 6000 };
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		char *text = text_of(lens[i], 'x');
		mexp_h *h = sh(MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO, "while read x; do echo got ${#x}; done");
		CHECK(h && text);
		ssize_t n = mexp_printf(h, "%s\n", text);
		if (lens[i] + 1 > 4095) {
			CHECK_IS(n, -1);
			CHECK_IS(errno, EMSGSIZE);
			CHECK_IS(mexp_printf(h, "ab\n"), 3); /* nothing of the long one was written */
			CHECK_IS(mexp_expect(h, FOR("got (\\d+)\r\n"), NULL), 100);
			CHECK_MATCH(h, 1, "2");
		} else {
			CHECK_IS(n, lens[i] + 1);
			CHECK_IS(mexp_expect(h, FOR("got (\\d+)\r\n"), NULL), 100);
			CHECK_MATCH(h, 1, "4094");
		}
		free(text);
		mexp_close(h);
	}
}

TEST(a_line_is_refused_too_when_it_is_sent_in_parts)
{
	char *text = text_of(3000, 'x');
	mexp_h *h = sh(MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO, "while read x; do echo got ${#x}; done");
	CHECK(h && text);
	CHECK_IS(mexp_write(h, text, 3000), 3000);
	CHECK_IS(mexp_write(h, text, 3000), -1);
	CHECK_IS(errno, EMSGSIZE);
	CHECK_IS(mexp_printf(h, "\n%s\n%s\n", text, text), 6003); /* many lines are no long line */
	for (int i = 0; i < 3; i++)
		CHECK_IS(mexp_expect(h, FOR("got 3000\r\n"), NULL), 100);
	free(text);
	mexp_close(h);
}

TEST(an_interrupt_empties_the_line)
{
	char *text = text_of(4000, 'x');
	mexp_h *h = sh(MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO, "trap '' INT; echo ready; while read x; do echo got ${#x}; done");
	CHECK(h && text);
	CHECK_IS(mexp_expect(h, FOR("ready\r\n"), NULL), 100);
	CHECK_IS(mexp_write(h, text, 4000), 4000);
	CHECK_IS(mexp_send_interrupt(h), 1);
	CHECK_IS(mexp_printf(h, "%.200s\n", text), 201);
	CHECK_IS(mexp_expect(h, FOR("got (\\d+)\r\n"), NULL), 100);
	CHECK_MATCH(h, 1, "200");
	free(text);
	mexp_close(h);
}

TEST(in_raw_mode_no_line_is_too_long)
{
	char *text = text_of(60000, 'x');
	mexp_h *h = mexp_spawnl("cat", "cat", NULL);
	CHECK(h && text);
	CHECK_IS(mexp_printf(h, "%s\n", text), 60001);
	CHECK_IS(mexp_expect(h, FOR("^x{60000}\n"), NULL), 100);
	free(text);
	mexp_close(h);
}

/* 25 */
TEST(to_write_to_a_program_that_has_exited_is_an_error)
{
	mexp_h *h = mexp_spawnl("true", "true", NULL);
	CHECK(h);
	CHECK_IS(mexp_wait(h, 10000, NULL), 0);
	CHECK_IS(mexp_printf(h, "hello\n"), -1);
	CHECK_IS(errno, EPIPE);
	CHECK_IS(mexp_send_line(h, "hello"), -1);
	CHECK_IS(mexp_send_password(h, "hello", 1000), -1);
	CHECK_IS(errno, EPIPE);
	CHECK_IS(mexp_close(h), 0);
}

TEST(to_write_to_a_program_that_has_closed_its_terminal_is_an_error)
{
	mexp_h *h = sh(0, "exec sleep 60 <&- >&- 2>&-");
	CHECK(h);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_printf(h, "hello\n"), -1);
	CHECK_IS(errno, EPIPE);
	CHECK_IS(mexp_wait(h, 10, NULL), MEXP_TIMEOUT); /* it lives */
	mexp_close_timeout(h, 10);
}

TEST(to_write_to_a_socket_that_is_closed_is_an_error_and_no_signal)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(shutdown(t.far, SHUT_RD), 0);
	CHECK_IS(mexp_write(t.h, "x", 1), -1);
	CHECK_IS(errno, EPIPE);
	CHECK_IS(mexp_send_interrupt(t.h), -1);
	CHECK_IS(errno, EPIPE);
	talk_end(&t);
	CHECK_IS(mexp_write(t.h, "x", 1), -1);
	CHECK_IS(errno, EPIPE);
	talk_close(&t);
}

TEST(any_byte_can_be_sent)
{
	char all[256], got[256];
	struct talk t;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	CHECK(talk_open(&t));
	CHECK_IS(mexp_write(t.h, all, 256), 256);
	CHECK_IS(read(t.far, got, sizeof(got)), 256);
	CHECK(memcmp(all, got, 256) == 0);
	talk_close(&t);
	mexp_h *h = mexp_spawnl("cat", "cat", NULL);
	CHECK(h);
	CHECK_IS(mexp_write(h, all, 256), 256);
	CHECK_IS(mexp_expect(h, FOR("(?s)^.{256}"), NULL), 100);
	CHECK(memcmp(h->buffer, all, 256) == 0);
	mexp_close(h);
}

TEST(to_send_nothing_is_no_error)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(mexp_write(t.h, "", 0), 0);
	CHECK_IS(mexp_printf(t.h, "%s", ""), 0);
	talk_close(&t);
}

TEST(control_characters_have_their_effect_in_cooked_mode)
{
	int status;
	mexp_h *h = sh(MEXP_SPAWN_COOKED_MODE, "trap 'echo interrupted' INT; echo ready; cat; echo end of cat; exec cat");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("ready\r\n"), NULL), 100);
	pause_ms(50);
	CHECK_IS(mexp_send_interrupt(h), 1); /* ends the first cat */
	CHECK_IS(mexp_expect(h, FOR("\\^Cinterrupted\r\nend of cat\r\n"), NULL), 100);
	CHECK_IS(mexp_send_line(h, "line"), 5);
	CHECK_IS(mexp_expect(h, FOR("line\r\nline\r\n"), NULL), 100);
	CHECK_IS(mexp_send_eof(h), 1);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_wait(h, 10000, &status), 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	mexp_close(h);
}

TEST(a_control_character_is_named_by_its_letter)
{
	struct talk t;
	char got[8];
	CHECK(talk_open(&t));
	static const char letters[] = "cD[@?z";
	for (const char *c = letters; *c; c++)
		CHECK_IS(mexp_send_control(t.h, *c), 1);
	CHECK_IS(read(t.far, got, sizeof(got)), 6);
	CHECK(memcmp(got, "\003\004\033\000\177\032", 6) == 0);
	talk_close(&t);
}

/* --- passwords --- */

TEST(a_password_is_not_sent_before_the_terminal_stops_to_echo)
{
	for (int i = 0; i < 5; i++) {
		mexp_h *h = sh(MEXP_SPAWN_COOKED_MODE, "printf 'password: '; sleep 0.1; stty -echo; read p; stty echo; "
						       "echo; echo \"got $p.\"");
		CHECK(h);
		CHECK_IS(mexp_expect(h, FOR("password: "), NULL), 100);
		CHECK_IS(mexp_send_password(h, "secret", 10000), 7);
		CHECK_IS(mexp_expect(h, FOR("got secret.\r\n"), NULL), 100);
		size_t len;
		const char *before = mexp_before(h, &len);
		CHECK(!memmem(before, len, "secret", 6));
		mexp_close(h);
	}
}

TEST(a_password_is_not_sent_at_all_to_a_terminal_that_echoes)
{
	mexp_h *h = mexp_spawnlf(MEXP_SPAWN_COOKED_MODE, "cat", "cat", NULL);
	CHECK(h);
	CHECK_IS(mexp_send_password(h, "secret", 50), -1);
	CHECK_IS(errno, ETIMEDOUT);
	mexp_set_timeout_ms(h, 50);
	CHECK_IS(mexp_send_password(h, "secret", -1), -1);
	CHECK_IS(mexp_expect(h, FOR("secret"), NULL), MEXP_TIMEOUT);
	CHECK_IS(h->len, 0);
	mexp_close(h);
}

/* 26 */
TEST(the_debug_file_shows_every_byte_and_no_password)
{
	char *text = NULL;
	size_t size;
	FILE *fp = open_memstream(&text, &size);
	struct talk t;
	CHECK(fp && talk_open(&t));
	mexp_set_debug_file(t.h, fp);
	CHECK(mexp_get_debug_file(t.h) == fp);
	CHECK(talk_say(&t, "a\0b\xff\n\r", 6) && mexp_try_expect(t.h, NULL, NULL) == MEXP_AGAIN);
	CHECK_IS(mexp_write(t.h, "c\0d", 3), 3);
	CHECK_IS(mexp_printf_password(t.h, "%s", "secret1"), 7);
	CHECK_IS(mexp_send_password(t.h, "secret2", 1000), 8);
	CHECK_IS(mexp_send_interrupt(t.h), 1);
	mexp_set_debug_file(t.h, NULL);
	CHECK_IS(mexp_printf(t.h, "not shown"), 9);
	fclose(fp);
	CHECK(strstr(text, "read: a\\x00b\\xff\\n\\r\n"));
	CHECK(strstr(text, "wrote: c\\x00d\n") && strstr(text, "\\x03"));
	CHECK(strstr(text, "password: *") && !strstr(text, "secret") && !strstr(text, "not shown"));
	free(text);
	talk_close(&t);
}
