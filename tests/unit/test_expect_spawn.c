/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting programs: what they get, what they do not get, and what happens when they cannot be started. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "unit/expect_rig.h"

/* What script prints, whose lines end with \n in either mode; in a buffer of ours. */
static const char *says(const struct mexp_spawn_opts *opts, const char *script)
{
	static char text[65536];
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	mexp_h *h = mexp_spawn_opts(opts, "/bin/sh", argv);
	text[0] = 0;
	if (!h)
		return strerror(errno);
	if (mexp_expect(h, NULL, NULL) == MEXP_EOF && h->len < sizeof(text))
		memcpy(text, h->buffer, h->len + 1);
	mexp_close(h);
	return text;
}

#define OPTS(...) (&(struct mexp_spawn_opts){ .struct_size = sizeof(struct mexp_spawn_opts), __VA_ARGS__ })

static bool no_children(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

/* 14 */
TEST(a_program_that_cannot_be_executed_is_an_error_of_spawn)
{
	size_t fds = open_fds();
	errno = 0;
	CHECK(!mexp_spawnl("no-such-program-anywhere", "x", NULL) && errno == ENOENT);
	CHECK(!mexp_spawnl("/no/such/program", "x", NULL) && errno == ENOENT);
	CHECK(!mexp_spawnl("/etc/passwd", "x", NULL) && errno == EACCES);
	CHECK(!mexp_spawnl("/etc/passwd/x", "x", NULL) && errno == ENOTDIR);
	CHECK(!mexp_spawnl("/", "x", NULL) && errno == EACCES);
	CHECK_STR(says(OPTS(.cwd = "/no/such/directory"), "pwd"), strerror(ENOENT));
	CHECK_IS(open_fds(), fds);
	CHECK(no_children());
}

/* 13 */
TEST(without_descriptors_spawn_fails_once_and_in_the_parent)
{
	struct rlimit before, few;
	size_t fds = open_fds();
	pid_t self = getpid();
	int failed = 0, started = 0, wrong = 0;
	CHECK_IS(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t n = 3; n < fds + 20; n++) {
		few = (struct rlimit){ .rlim_cur = n, .rlim_max = before.rlim_max };
		setrlimit(RLIMIT_NOFILE, &few);
		mexp_h *h = mexp_spawnl("true", "true", NULL);
		int error = errno;
		setrlimit(RLIMIT_NOFILE, &before);
		if (getpid() != self)
			_exit(1);
		if (h) {
			started++;
			wrong += mexp_expect(h, NULL, NULL) != MEXP_EOF || mexp_close(h) != 0;
		} else {
			failed++;
			wrong += error != EMFILE;
		}
	}
	CHECK(failed > 0 && started > 0);
	CHECK_IS(wrong, 0);
	CHECK_IS(open_fds(), fds);
	CHECK(no_children());
}

/* In a child with a devpts of its own, for three terminals: 0, the number of a check that failed, or 77 and why. */
static int spawn_too_many(void)
{
	mexp_h *h[4];
	int n = 0;
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,max=3") < 0 ||
	    mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) < 0)
		return 77;
	while (n < 4 && (h[n] = mexp_spawnl("cat", "cat", NULL)))
		n++;
	if (n != 3 || errno != ENOSPC)
		return 1;
	for (int i = 0; i < n; i++)
		if (mexp_printf(h[i], "%d\n", i) != 2 || mexp_close(h[i]) < 0)
			return 2;
	h[0] = mexp_spawnl("true", "true", NULL);
	return !h[0] || mexp_expect(h[0], NULL, NULL) != MEXP_EOF || mexp_close(h[0]) ? 3 : 0;
}

TEST(when_terminals_are_exhausted_spawn_fails_and_those_that_are_there_go_on)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(spawn_too_many());
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("skip terminals_are_exhausted: no devpts of our own\n");
	else
		CHECK_IS(WEXITSTATUS(status), 0);
}

static atomic_uint forks;

static void count_fork(void)
{
	forks++;
}

/* 16, 18: what fork() costs with much memory, and what it breaks with many threads, does not happen without it. */
TEST(to_spawn_is_not_to_fork)
{
	CHECK(pthread_atfork(count_fork, NULL, NULL) == 0);
	forks = 0;
	mexp_h *h = mexp_spawnl("true", "true", NULL);
	CHECK(h);
	CHECK_IS(forks, 0);
	mexp_close(h);
}

/* Of a program of its own, no shell: that would change some of it.  blocked and ignored are bits, the first for signal 1. */
static bool signals_of_a_program(unsigned flags, unsigned long long *blocked, unsigned long long *ignored)
{
	mexp_h *h = mexp_spawnlf(flags, "grep", "grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status", NULL);
	bool good = h && mexp_expect(h, NULL, NULL) == MEXP_EOF && sscanf(h->buffer, "SigBlk: %llx SigIgn: %llx", blocked, ignored) == 2;
	if (h)
		mexp_close(h);
	return good;
}

/* 17 */
TEST(a_program_does_not_inherit_ignored_and_blocked_signals_unless_asked)
{
	enum { INT_AND_TERM = 1 << (SIGINT - 1) | 1 << (SIGTERM - 1), USR1_AND_PIPE = 1 << (SIGUSR1 - 1) | 1 << (SIGPIPE - 1) };
	unsigned long long blocked = 0, ignored = 0, kept_blocked = 0, kept_ignored = 0;
	sigset_t block, before;
	struct sigaction usr1, pipe_before, ignore = { .sa_handler = SIG_IGN };
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaction(SIGUSR1, &ignore, &usr1);
	sigaction(SIGPIPE, &ignore, &pipe_before);
	sigprocmask(SIG_BLOCK, &block, &before);
	bool good = signals_of_a_program(0, &blocked, &ignored) &&
		    signals_of_a_program(MEXP_SPAWN_KEEP_SIGNALS, &kept_blocked, &kept_ignored);
	sigprocmask(SIG_SETMASK, &before, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGPIPE, &pipe_before, NULL);
	CHECK(good);
	CHECK_EQ_U(blocked, 0);
	CHECK_EQ_U(ignored & 0x7fffffff, 0); /* 32 and 33 are glibc's own */
	CHECK_EQ_U(kept_blocked & INT_AND_TERM, INT_AND_TERM);
	CHECK_EQ_U(kept_ignored & USR1_AND_PIPE, USR1_AND_PIPE);
}

/* 19 */
TEST(a_terminal_has_a_size_before_the_program_starts)
{
	CHECK_STR(says(NULL, "stty size"), "24 80\n");
	CHECK_STR(says(OPTS(.rows = 50), "stty size"), "50 80\n");
	CHECK_STR(says(OPTS(.rows = 50, .cols = 132), "stty size"), "50 132\n");
}

TEST(a_program_is_told_of_a_new_size)
{
	mexp_h *h = sh(0, "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done");
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("ready\n"), NULL), 100);
	CHECK_IS(mexp_set_winsize(h, 33, 99), 0);
	CHECK_IS(mexp_expect(h, FOR("33 99\n"), NULL), 100);
	mexp_close(h);
	struct talk t;
	CHECK(talk_open(&t));
	CHECK_IS(mexp_set_winsize(t.h, 1, 1), -1); /* no terminal */
	talk_close(&t);
}

TEST(the_environment_is_ours_or_the_one_that_was_given)
{
	char *some[] = { (char *)"A=1", (char *)"TERM=vt100", NULL };
	setenv("EXPECT_SECRET", "secret", 1);
	setenv("LD_AUDIT_NOT", "x", 1);
	CHECK_STR(says(NULL, "echo $EXPECT_SECRET"), "secret\n");
	CHECK_STR(says(OPTS(.envp = some), "echo $A.$TERM.$EXPECT_SECRET"), "1.vt100.\n");
	CHECK_STR(says(OPTS(.envp = some, .term = "xterm"), "env | grep TERM="), "TERM=xterm\n");
	char *argv[] = { (char *)"env", NULL };
	mexp_h *h = mexp_spawn_opts(OPTS(.envp = some, .term = "xterm"), "env", argv); /* no shell, which would tidy up */
	CHECK(h);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_STR(h->buffer, "A=1\nTERM=xterm\n");
	mexp_close(h);
	CHECK_STR(says(OPTS(.term = "linux"), "echo $TERM $EXPECT_SECRET"), "linux secret\n");
	CHECK_STR(says(OPTS(.flags = MEXP_SPAWN_CLEAN_ENV), "env | grep -Ev '^(PATH|HOME|USER|LANG|TERM|PWD|OLDPWD|_|SHLVL)='"), "");
	CHECK_STR(says(OPTS(.flags = MEXP_SPAWN_CLEAN_ENV), "echo $LANG $TERM; test -n \"$PATH\" || echo no PATH"), "C.UTF-8 dumb\n");
	CHECK_STR(says(OPTS(.flags = MEXP_SPAWN_CLEAN_ENV, .term = "ansi"), "echo $TERM"), "ansi\n");
	unsetenv("EXPECT_SECRET");
	unsetenv("LD_AUDIT_NOT");
}

TEST(a_program_runs_in_the_directory_that_was_given)
{
	CHECK_STR(says(OPTS(.cwd = "/usr"), "pwd"), "/usr\n");
}

TEST(options_of_a_newer_or_an_older_version_are_understood)
{
	struct {
		struct mexp_spawn_opts o;
		char more[64];
	} newer = { .o = { .struct_size = sizeof(newer), .rows = 11, .cols = 22, .cwd = "/usr" } };
	memset(newer.more, 0xff, sizeof(newer.more));
	CHECK_STR(says(&newer.o, "stty size; pwd"), "11 22\n/usr\n");
	struct mexp_spawn_opts older = { .struct_size = offsetof(struct mexp_spawn_opts, cwd), .rows = 11, .cwd = "/no/such/directory" };
	CHECK_STR(says(&older, "stty size"), "11 80\n");
}

TEST(the_terminal_is_raw_or_cooked_and_controls_the_program)
{
	CHECK_STR(says(NULL, "stty -a | grep -o -- '-icanon\\|-echo \\|-isig\\|-opost' | sort; echo x >/dev/tty"),
		  "-echo \n-icanon\n-isig\n-opost\nx\n");
	CHECK_STR(says(OPTS(.flags = MEXP_SPAWN_COOKED_MODE), "stty -a | grep -o -- '-icanon\\|-echo \\|-isig\\|-opost'; echo x"),
		  "x\r\n");
	CHECK_STR(says(OPTS(.flags = MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO), "stty -a | grep -o -- '-icanon\\|-echo '"), "-echo \r\n");
}

TEST(descriptors_are_inherited_only_when_asked)
{
	int fds[2];
	CHECK_IS(pipe(fds), 0); /* not close-on-exec */
	char kept[16];
	snprintf(kept, sizeof(kept), "%d", fds[0]);
	char script[100];
	snprintf(script, sizeof(script), "test -e /proc/self/fd/%d && echo there; :", fds[0]);
	CHECK_STR(says(NULL, script), "");
	CHECK_STR(says(OPTS(.flags = MEXP_SPAWN_KEEP_FDS), script), "there\n");
	CHECK_STR(says(NULL, "exec ls -1 /proc/self/fd"), "0\n1\n2\n3\n"); /* 3 is that of ls */
	close(fds[0]);
	close(fds[1]);
}

/* In a child whose first three descriptors are free for others. */
static int spawn_without_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	mexp_h *h = sh(0, "read x; echo got $x; echo error >&2");
	if (!h || mexp_printf(h, "text\n") != 5)
		return 1;
	if (mexp_expect(h, NULL, NULL) != MEXP_EOF || strcmp(h->buffer, "got text\nerror\n") != 0)
		return 2;
	return mexp_close(h) ? 3 : 0;
}

TEST(a_process_without_standard_descriptors_can_spawn)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(spawn_without_standard_descriptors());
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK_IS(status, 0);
}

TEST(a_script_without_an_interpreter_is_run_by_the_shell)
{
	char path[] = "/tmp/expect-script-XXXXXX";
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	dprintf(fd, "echo script $1; exit 3\n");
	fchmod(fd, 0700);
	close(fd);
	mexp_h *h = mexp_spawnl(path, "name", "arg", NULL);
	int r = h ? mexp_expect(h, FOR("script arg\n"), NULL) : MEXP_ERROR;
	unlink(path);
	CHECK_IS(r, 100);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	CHECK_IS(mexp_close(h), 3 << 8);
}

TEST(argv_0_is_the_callers)
{
	mexp_h *h = mexp_spawnl("sh", "another-name", "-c", "echo $0", NULL);
	CHECK(h);
	CHECK_IS(mexp_expect(h, FOR("another-name\n"), NULL), 100);
	mexp_close(h);
}

/* --- many threads --- */

enum { SPAWNERS = 8, FORKERS = 3 };
static atomic_bool stop_forking;

static void *spawn_many(void *arg)
{
	(void)arg;
	for (int i = 0; i < (PLAIN ? 25 : 6); i++) {
		mexp_h *h = mexp_spawnl("ls", "ls", "-1", "/proc/self/fd", NULL);
		int r = h ? mexp_expect(h, NULL, NULL) : MEXP_ERROR;
		if (r != MEXP_EOF || strcmp(h->buffer, "0\n1\n2\n3\n") != 0)
			test_failed(__FILE__, __LINE__, "%d, \"%s\", %s", r, h ? h->buffer : "", strerror(errno));
		if (h && mexp_close(h) != 0)
			test_failed(__FILE__, __LINE__, "ls fails");
	}
	return NULL;
}

/* As somebody else's code would, who knows nothing of terminals. */
static void *fork_many(void *arg)
{
	static const char script[] = "for f in /proc/$$/fd/*; do case `readlink $f` in *ptmx*|*pidfd*) exit 9;; esac; done; exit 0";
	(void)arg;
	while (!stop_forking) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0) {
			execl("/bin/sh", "sh", "-c", script, NULL);
			_exit(1);
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (status != 0)
			test_failed(__FILE__, __LINE__, "a descriptor leaked, or no sh: %x", status);
	}
	return NULL;
}

/* 15, 16 */
TEST(threads_that_spawn_while_others_fork_leak_no_descriptor)
{
	pthread_t spawner[SPAWNERS], forker[FORKERS];
	size_t fds = open_fds();
	stop_forking = false;
	for (int i = 0; i < FORKERS; i++)
		CHECK(pthread_create(&forker[i], NULL, fork_many, NULL) == 0);
	for (int i = 0; i < SPAWNERS; i++)
		CHECK(pthread_create(&spawner[i], NULL, spawn_many, NULL) == 0);
	for (int i = 0; i < SPAWNERS; i++)
		pthread_join(spawner[i], NULL);
	stop_forking = true;
	for (int i = 0; i < FORKERS; i++)
		pthread_join(forker[i], NULL);
	CHECK_IS(open_fds(), fds);
}
