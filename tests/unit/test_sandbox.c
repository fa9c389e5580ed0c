/* SPDX-License-Identifier: BSD-2-Clause */
/* What can still be done in a process that confined itself: each attempt in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cmd/sandbox.h"
#include "unit/test.h"

enum { DIED = 1000, NOT_CONFINED = 255 };

static unsigned wanted;            /* the module's needs */
static char dir[64], told[128];    /* a folder; a file in it that the module names */

static void needs(const struct stage *s, struct needs *n)
{
	(void)s;
	n->what |= wanted;
	if (wanted & NEED_FILES)
		needs_path(n, AT_FDCWD, told, PATH_READ | PATH_WRITE);
}

static const struct module mod = { .name = "test", .needs = needs };
static struct stage stage = { .mod = &mod };
static const struct stages stages = { .at = &stage, .count = 1 };

static bool confine(struct sandbox s)
{
	struct err e;
	s.stages = &stages;
	return sandbox_enter(&s, &e) == 0 && sandbox_seal(&s, &e) == 0;
}

/* What comes of act() when what is needed is left: 0, an errno; DIED + the signal. */
static int outcome(unsigned what, struct sandbox s, int (*act)(void))
{
	int status;
	wanted = what;
	pid_t pid = fork();
	if (pid == 0)
		_exit(confine(s) ? act() : NOT_CONFINED);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : DIED + WTERMSIG(status);
}

static const struct sandbox PLAIN;
#define TRY(name, call) static int name(void) { return (call) < 0 ? errno : 0; }

TRY(opens_passwd, open("/etc/passwd", O_RDONLY))
TRY(opens_told, open(told, O_RDWR))
TRY(reads_told, open(told, O_RDONLY))
TRY(makes_file, openat(AT_FDCWD, "new", O_CREAT | O_WRONLY, 0600))
TRY(makes_socket, socket(AF_INET, SOCK_STREAM, 0))
TRY(makes_unix_socket, socket(AF_UNIX, SOCK_DGRAM, 0))
TRY(runs, execl("/bin/true", "true", (char *)NULL))
TRY(forks, (int)syscall(SYS_clone, 17 /* SIGCHLD */, 0, 0, 0, 0))
TRY(clones_3, (int)syscall(SYS_clone3, NULL, 0))
TRY(traces, (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL))
TRY(reads_others, (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
TRY(signals_parent, kill(getppid(), 0))
TRY(signals_itself, kill(getpid(), 0))
TRY(rings, (int)syscall(SYS_io_uring_setup, 0, NULL))
TRY(becomes_root, setresuid(0, 0, 0))
TRY(calls_the_future, (int)syscall(900))
TRY(preads, (int)pread(STDIN_FILENO, NULL, 0, 0) < 0 && errno != EPERM ? 0 : -1)
TRY(unlinks, unlink(told))

static int maps_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int makes_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NOT_CONFINED : mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}

static int binds(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return fd < 0 ? NOT_CONFINED : bind(fd, (struct sockaddr *)&to, sizeof to) < 0 ? errno : 0;
}

static void *nothing(void *arg)
{
	return arg;
}

/* What all servers do. */
static int works(void)
{
	pthread_t t;
	int fds[2] = { STDIN_FILENO, STDERR_FILENO };
	void *p = malloc(64 << 20);
	if (!p || pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL))
		return 1;
	free(p);
	return write(fds[1], "", 0) < 0 || fcntl(fds[0], F_GETFL) < 0 ? errno : 0;
}

/* The kernel need not have it. */
static int landlock(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

static bool begin(void)
{
	snprintf(dir, sizeof dir, "%s/sandbox-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(dir))
		return false;
	snprintf(told, sizeof told, "%s/told", dir);
	int fd = open(told, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	unsetenv("BLKSCOPE_SANDBOX"); /* denied calls fail here, and do not end us */
	return fd >= 0 && close(fd) == 0;
}

static void end(void)
{
	unlink(told);
	rmdir(dir);
}

TEST(a_build_with_sanitizers_says_so)
{
	struct sandbox s = { .mode = SANDBOX_ON, .stages = &stages };
	struct err e;
	if (sandbox_built())
		return;
	wanted = 0;
	CHECK(sandbox_enter(&s, &e) == -1);
	CHECK(strstr(e.msg, "sanitizers"));
}

TEST(what_every_server_does_works)
{
	CHECK_EQ_U(outcome(0, PLAIN, works), 0);
	CHECK_EQ_U(outcome(0, PLAIN, signals_itself), 0);
	CHECK_EQ_U(outcome(NEED_ANYTHING, (struct sandbox){ .mode = SANDBOX_ON }, works), sandbox_built() ? 0 : NOT_CONFINED);
}

TEST(a_disk_in_memory_can_do_nothing_else)
{
	static int (*const acts[])(void) = {
		opens_passwd, makes_file, makes_socket, makes_unix_socket, runs, forks, traces, reads_others, signals_parent,
		rings, becomes_root, preads, unlinks, maps_code, makes_code,
	};
	if (!sandbox_built())
		return;
	CHECK(begin());
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (outcome(0, PLAIN, acts[i]) != EPERM)
			test_failed(__FILE__, __LINE__, "act %zu: %d", i, outcome(0, PLAIN, acts[i]));
	CHECK_EQ_U(outcome(0, PLAIN, clones_3), ENOSYS); /* libc asks in the old way, whose flags can be seen */
	CHECK_EQ_U(outcome(0, PLAIN, calls_the_future), ENOSYS);
	end();
}

TEST(off_is_off)
{
	const struct sandbox off = { .mode = SANDBOX_OFF };
	CHECK_EQ_U(outcome(0, off, opens_passwd), 0);
	CHECK_EQ_U(outcome(0, off, runs), 0);
	CHECK_EQ_U(outcome(NEED_ANYTHING, PLAIN, runs), 0);
}

TEST(files_are_those_that_were_named)
{
	int denied = landlock() > 0 ? EACCES : 0;
	if (!sandbox_built())
		return;
	CHECK(begin());
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, PLAIN, opens_told), 0);
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, PLAIN, preads), 0);
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, PLAIN, opens_passwd), denied);
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, (struct sandbox){ .readonly = true }, reads_told), 0);
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, (struct sandbox){ .readonly = true }, opens_told), denied);
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, PLAIN, runs), EPERM);
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, PLAIN, unlinks), EPERM);
	CHECK_EQ_U(outcome(NEED_DATA | NEED_FILES, PLAIN, rings), EPERM);
	CHECK_EQ_U(outcome(NEED_RING, PLAIN, rings), EFAULT);
	end();
}

TEST(sockets_are_for_who_connects)
{
	if (!sandbox_built())
		return;
	CHECK_EQ_U(outcome(NEED_SOCKETS, PLAIN, makes_socket), 0);
	CHECK_EQ_U(outcome(NEED_SOCKETS, PLAIN, opens_passwd), EPERM);
	CHECK_EQ_U(outcome(NEED_SOCKETS, PLAIN, binds), EPERM);
	CHECK_EQ_U(outcome(NEED_SOCKETS | NEED_NAMES, PLAIN, binds), landlock() >= 4 ? EACCES : 0);
	CHECK_EQ_U(outcome(NEED_SOCKETS | NEED_NAMES, PLAIN, opens_passwd), 0);
	CHECK_EQ_U(outcome(NEED_SOCKETS | NEED_NAMES, PLAIN, runs), EPERM);
	CHECK_EQ_U(outcome(0, (struct sandbox){ .syslog = true }, makes_unix_socket), 0);
	CHECK_EQ_U(outcome(0, (struct sandbox){ .syslog = true }, makes_socket), EPERM);
}

TEST(loaded_modules_are_kept_from_what_no_disk_needs)
{
	const struct sandbox on = { .mode = SANDBOX_ON };
	if (!sandbox_built())
		return;
	CHECK_EQ_U(outcome(NEED_ANYTHING, on, runs), 0);
	CHECK_EQ_U(outcome(NEED_ANYTHING, on, opens_passwd), 0);
	CHECK_EQ_U(outcome(NEED_ANYTHING, on, traces), EPERM);
	CHECK_EQ_U(outcome(NEED_ANYTHING, on, reads_others), EPERM);
}

#ifdef __x86_64__
TRY(calls_by_x32, (int)syscall(0x40000000 | SYS_getpid))

TEST(other_abis_end_it)
{
	if (sandbox_built())
		CHECK_EQ_U(outcome(0, PLAIN, calls_by_x32), DIED + SIGSYS);
}
#endif

TEST(trap_ends_it)
{
	if (!sandbox_built())
		return;
	setenv("BLKSCOPE_SANDBOX", "trap", 1);
	CHECK_EQ_U(outcome(0, PLAIN, runs), DIED + SIGSYS);
	CHECK_EQ_U(outcome(0, PLAIN, works), 0);
	unsetenv("BLKSCOPE_SANDBOX");
}

/* --- threads that run already --- */

static atomic_int go, came; /* came: errno + 1 */

static void *waits(void *arg)
{
	while (!atomic_load(&go))
		usleep(1000);
	atomic_store(&came, makes_socket() + 1);
	return arg;
}

static int thread_makes_socket(void)
{
	atomic_store(&go, 1);
	while (!atomic_load(&came))
		usleep(1000);
	return atomic_load(&came) - 1;
}

TEST(threads_that_run_already_are_confined_too)
{
	if (!sandbox_built())
		return;
	wanted = 0;
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t;
		int failed = pthread_create(&t, NULL, waits, NULL);
		_exit(failed || !confine(PLAIN) ? NOT_CONFINED : thread_makes_socket());
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	CHECK_EQ_U(WEXITSTATUS(status), EPERM);
}
