/* SPDX-License-Identifier: BSD-2-Clause */
/* The end: of the output, of the program, of the handle. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include "unit/expect_rig.h"

extern char **environ;

/* 12 */
TEST(a_program_that_ignores_the_hangup_is_ended_all_the_same)
{
	mexp_h *h = sh(0, "trap '' HUP; echo ready; exec sleep 60");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("ready"), NULL), 100);
	mexp_set_timeout_ms(h, 50); /* as long as mexp_close() waits */
	uint64_t start = monotonic_ns();
	int status = mexp_close(h);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK(ms_since(start) >= 50 && ms_since(start) < 30000);
}

TEST(a_program_that_also_ignores_sigterm_is_killed)
{
	mexp_h *h = sh(0, "trap '' HUP TERM; echo ready; exec sleep 60");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("ready"), NULL), 100);
	pid_t pid = mexp_get_pid(h);
	int status = mexp_close_timeout(h, 10);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(waitpid(pid, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TEST(a_program_that_is_stopped_is_ended_too)
{
	struct talk t;
	int status;
	CHECK(talk_open(&t));
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(9);
	}
	CHECK(pid > 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	mexp_h *h = mexp_attach(dup(t.far), pid, 0); /* no terminal, no hangup */
	CHECK(h);
	status = mexp_close_timeout(h, 10);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	talk_close(&t);
}

TEST(a_program_that_takes_its_time_after_the_hangup_is_waited_for)
{
	mexp_h *h = sh(0, "trap 'sleep 0.3; exit 5' HUP; echo ready; while :; do sleep 0.05; done");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("ready"), NULL), 100);
	int status = mexp_close_timeout(h, -1);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

TEST(a_close_leaves_no_descriptor_and_no_zombie)
{
	size_t before = open_fds();
	for (int i = 0; i < 20; i++) {
		mexp_h *h = i % 2 ? mexp_spawnl("cat", "cat", NULL) : mexp_spawnl("true", "true", NULL);
		CHECK(h);
		pid_t pid = mexp_get_pid(h);
		CHECK(mexp_close(h) >= 0);
		CHECK(waitpid(pid, NULL, WNOHANG) < 0 && errno == ECHILD);
	}
	CHECK_IS(open_fds(), before);
}

TEST(a_close_after_somebody_else_has_reaped_the_program_is_an_error_and_no_hang)
{
	mexp_h *h = mexp_spawnl("true", "true", NULL);
	CHECK(h);
	CHECK_IS(waitpid(mexp_get_pid(h), NULL, 0), mexp_get_pid(h));
	CHECK_IS(mexp_close(h), -1);
	CHECK_IS(errno, ECHILD);
}

/* 24 */
TEST(a_daemon_that_keeps_the_terminal_does_not_keep_the_end_from_us)
{
	/* It speaks in its own session: before, it would be hung up with the shell. */
	mexp_h *h = sh(0, "setsid sh -c 'echo pid $$; exec sleep 60' & read x; exit 7");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("pid (\\d+)\n"), NULL), 100);
	pid_t daemon_pid = (pid_t)atoi(mexp_match(h, 1, NULL));
	mexp_set_timeout_ms(h, 20000);
	int sent = mexp_printf(h, "\n"), r = mexp_expect(h, NULL, NULL);
	errno = 0;
	int late = mexp_printf(h, "too late\n"), error = errno, status = mexp_close(h);
	kill(daemon_pid, SIGKILL);
	CHECK_IS(sent, 1);
	CHECK_IS(r, MEXP_EOF);
	CHECK(late == -1 && error == EPIPE); /* 25 */
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

TEST(with_tty_eof_the_end_is_when_the_last_has_closed_the_terminal)
{
	mexp_h *h = sh(MEXP_SPAWN_TTY_EOF, "setsid sh -c 'sleep 0.3; echo late' & sleep 0.1");
	CHECK(h);
	CHECK_IS(mexp_get_exit_fd(h), -1);
	CHECK_IS(mexp_expect(h, FOR("late\n"), NULL), 100);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_close(h), 0);
}

TEST(a_job_in_the_background_ends_with_its_shell)
{
	mexp_h *h = sh(0, "sleep 60 & echo done; exit 7");
	CHECK(h);
	mexp_set_timeout_ms(h, 20000);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_STR(h->buffer, "done\n");
	int status = mexp_close(h);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

TEST(what_a_program_printed_before_its_end_is_never_lost)
{
	for (int i = 0; i < (PLAIN ? 100 : 20); i++) {
		mexp_h *h = sh(i % 3 == 2 ? MEXP_SPAWN_TTY_EOF : 0, "exec head -c 65536 /dev/zero");
		CHECK(h);
		if (i % 2) { /* it may exit first, if the terminal takes as much */
			struct pollfd p = { .fd = mexp_get_exit_fd(h), .events = POLLIN };
			poll(&p, 1, i < 6 ? 100 : 2);
		}
		CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
		CHECK_IS(h->len, 65536);
		CHECK_IS(mexp_close(h), 0);
	}
	for (int i = 0; i < 20; i++) {
		mexp_h *h = sh(0, "head -c 3000 /dev/zero; exit 3");
		CHECK(h);
		CHECK(poll(&(struct pollfd){ .fd = mexp_get_exit_fd(h), .events = POLLIN }, 1, 10000) > 0);
		CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
		CHECK_IS(h->len, 3000);
		mexp_close(h);
	}
}

TEST(a_program_that_closes_its_output_is_at_its_end_and_lives)
{
	mexp_h *h = sh(0, "echo text; exec sleep 60 <&- >&- 2>&-");
	CHECK(h);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_STR(h->buffer, "text\n");
	CHECK_IS(mexp_wait(h, 50, NULL), MEXP_TIMEOUT);
	CHECK_IS(kill(mexp_get_pid(h), 0), 0);
	mexp_close(h);
}

/* 15 */
TEST(nobody_else_inherits_the_terminal)
{
	pid_t other;
	char *argv[] = { (char *)"sleep", (char *)"60", NULL };
	mexp_h *h = mexp_spawnl("cat", "cat", NULL);
	CHECK(h);
	CHECK(fcntl(mexp_get_fd(h), F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(mexp_get_exit_fd(h), F_GETFD) & FD_CLOEXEC);
	CHECK_IS(posix_spawnp(&other, "sleep", NULL, NULL, argv, environ), 0);
	int status = mexp_close(h);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP); /* by the hangup, and at once */
}

/* --- mexp_wait() --- */

TEST(a_wait_gives_the_status_and_leaves_it_to_close)
{
	static const char *const ends[] = { "exit 0", "exit 41", "kill -9 $$", "kill -TERM $$" };
	static const int want[] = { 0, 41 << 8, 9, 15 };
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		int status = -1;
		mexp_h *h = sh(0, ends[i]);
		CHECK(h);
		CHECK_IS(mexp_wait(h, 20000, &status), 0);
		CHECK_IS(status, want[i]);
		CHECK_IS(mexp_wait(h, 0, &status), 0);
		CHECK_IS(status, want[i]);
		CHECK_IS(mexp_close(h), want[i]);
	}
}

TEST(a_wait_reads_what_the_program_prints_so_that_it_can_exit)
{
	int status;
	mexp_h *h = sh(0, "head -c 400000 /dev/zero; echo END");
	CHECK(h);
	CHECK_IS(mexp_wait(h, 20000, &status), 0);
	CHECK_IS(status, 0);
	CHECK_IS(mexp_expect(h, FOR("END\n"), NULL), 100);
	CHECK_IS(mexp_lost(h) + (size_t)h->next_match, 400004);
	mexp_close(h);
}

TEST(a_wait_says_when_the_program_prints_more_than_the_buffer_takes)
{
	mexp_h *h = sh(0, "exec yes");
	CHECK(h);
	mexp_set_max_buffer(h, 100000);
	CHECK_IS(mexp_wait(h, -1, NULL), MEXP_FULL);
	CHECK_IS(h->len, 100000);
	mexp_close(h);
}

TEST(without_a_pidfd_the_end_is_found_all_the_same)
{
	int status = -1;
	for (int i = 0; i < 3; i++) {
		mexp_h *h = sh(0, i == 0 ? "sleep 0.05; exit 3" : i == 1 ? "exec sleep 60" : "trap '' HUP; echo ready; exec sleep 60");
		CHECK(h);
		close(h->state->pidfd);
		h->state->pidfd = -1; /* as on an old kernel */
		if (i == 0) {
			CHECK_IS(mexp_wait(h, 20000, &status), 0);
			CHECK_IS(status, 3 << 8);
			CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
			CHECK_IS(mexp_printf(h, "x"), -1);
			CHECK_IS(errno, EPIPE);
			CHECK_IS(mexp_close(h), 3 << 8);
		} else {
			CHECK_IS(mexp_wait(h, 20, &status), MEXP_TIMEOUT);
			CHECK_IS(mexp_close_timeout(h, i == 1 ? 20000 : 20), i == 1 ? SIGHUP : SIGTERM);
		}
	}
}

TEST(there_is_nothing_to_wait_for_without_a_program)
{
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(mexp_wait(t.h, 1000, NULL), MEXP_ERROR);
	CHECK_IS(errno, ECHILD);
	talk_end(&t);
	CHECK_IS(mexp_close(t.h), 0);
}

TEST(an_attached_child_is_waited_for_by_close)
{
	struct talk t;
	CHECK(talk_open(&t));
	pid_t pid = fork();
	if (pid == 0)
		_exit(9);
	CHECK(pid > 0);
	t.h->pid = 0;
	mexp_h *h = mexp_attach(dup(t.far), pid, 0);
	CHECK(h);
	int status = mexp_close(h);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	talk_close(&t);
	CHECK(!mexp_attach(-1, 0, 0) && errno == EBADF);
}
