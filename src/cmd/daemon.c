/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/daemon.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* One byte: ready.  End of file: the child failed, and has said why. */
static _Noreturn void wait_for_child(pid_t child, int fd)
{
	char byte;
	int status = 0;
	ssize_t n;
	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(EXIT_SUCCESS);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

int daemon_fork(struct daemon *d, struct err *e)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(e, "pipe: %s", strerror(errno));
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_set(e, "fork: %s", strerror(errno));
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(pid, fds[0]);
	}
	close(fds[0]);
	d->ready_fd = fds[1];
	d->forked = true;
	say_debug("forked into background (new pid = %ld)", (long)getpid());
	return 0;
}

static void leave_terminal(bool keep_stderr)
{
	setsid(); /* not before: a plug-in may ask for a password */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= (keep_stderr ? STDOUT_FILENO : STDERR_FILENO); fd++)
		dup2(null, fd);
	close(null);
}

/* sd_notify(3): a datagram to a socket whose name may begin with '@', then it is abstract. */
static void tell_systemd(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	char text[64];
	if (len > 1 && len < sizeof to.sun_path) {
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		int n = snprintf(text, sizeof text, "READY=1\nMAINPID=%ld\n", (long)getpid());
		memcpy(to.sun_path, path, len);
		if (*path == '@')
			to.sun_path[0] = '\0';
		if (fd < 0 || sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&to,
				     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
			say_debug("NOTIFY_SOCKET %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	unsetenv("NOTIFY_SOCKET");
}

void daemon_ready(struct daemon *d, bool keep_stderr)
{
	tell_systemd();
	if (!d->forked)
		return;
	leave_terminal(keep_stderr);
	if (write(d->ready_fd, "R", 1) < 0)
		say_debug("the starting process is gone: %s", strerror(errno));
	close(d->ready_fd);
	d->ready_fd = -1;
}

void daemon_leave_directory(const struct daemon *d)
{
	if (d->forked && chdir("/") < 0)
		say_debug("chdir /: %s", strerror(errno));
}

int daemon_write_pid(const char *path, struct err *e)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return err_set(e, "-P %s: %s", path, strerror(errno));
	int rc = write(fd, text, (size_t)n) == n ? 0 : err_set(e, "-P %s: %s", path, strerror(errno));
	close(fd);
	if (rc == 0)
		say_debug("written pidfile %s", path);
	return rc;
}

/* Root's way back must be shut: a saved number, a capability that was kept (securebits), or groups of the starter's. */
static int stays_so(uid_t user, gid_t gid, struct err *e)
{
	uid_t r, eff, saved;
	gid_t gr, geff, gsaved;

	if (getresuid(&r, &eff, &saved) < 0 || getresgid(&gr, &geff, &gsaved) < 0 || r != user || eff != user || saved != user
	    || (gid != (gid_t)-1 && (gr != gid || geff != gid || gsaved != gid)))
		return err_set(e, "user or group are not what they were changed to");
	if (user == 0)
		return 0;
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { 0 };
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* an old kernel has none */
	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(e, "cannot give up capabilities: %s", strerror(errno));
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || (gid != 0 && gid != (gid_t)-1 && setresgid((gid_t)-1, 0, (gid_t)-1) == 0))
		return err_set(e, "the rights of root can be had again");
	return 0;
}

int daemon_become(const struct args *a, struct err *e)
{
	gid_t gid = a->has_group ? a->group : a->has_user ? a->user_group : (gid_t)-1;
	uid_t user = a->has_user ? a->user : geteuid();
	bool privileged = geteuid() == 0 || user != geteuid() || (gid != (gid_t)-1 && gid != getegid());

	if (!a->has_user && !a->has_group)
		return 0;
	if (gid != (gid_t)-1 && setresgid(gid, gid, gid) < 0)
		return err_set(e, "cannot change group to %u: %s", gid, strerror(errno));
	/* The starter's other groups go; a user brings his own.  Who only asks to stay what he is need not be able to. */
	int rc = !privileged ? 0 : a->user_name ? initgroups(a->user_name, getegid()) : setgroups(1, &(gid_t){ getegid() });
	if (rc < 0)
		return err_set(e, "cannot change the supplementary groups: %s", strerror(errno));
	if (a->has_user && setresuid(user, user, user) < 0)
		return err_set(e, "cannot change user to %u: %s", user, strerror(errno));
	return a->has_user ? stays_so(user, gid, e) : 0;
}

void daemon_allow_dumps(void)
{
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int daemon_lock_memory(struct err *e)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	setrlimit(RLIMIT_MEMLOCK, &all); /* if we may: what comes later is locked, too, as another user */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return err_set(e, "--swap: cannot lock memory: %s", strerror(errno));
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "-1000\n", 6) < 0)
		say_debug("--swap: oom_score_adj stays as it is: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return 0;
}

void daemon_raise_limits(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

int daemon_follow_parent(pid_t parent, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return err_set(e, "--exit-with-parent: %s", strerror(errno));
	if (getppid() != parent)
		raise(SIGTERM); /* it ended before we asked */
	return 0;
}
