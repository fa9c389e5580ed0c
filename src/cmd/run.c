/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/run.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/say.h"

static _Noreturn void child(int fd, const char *script, mode_t mask)
{
	char byte;
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the server is killed */
	signal(SIGINT, SIG_DFL); /* a shell's background job has these ignored; the command has not asked for that */
	signal(SIGQUIT, SIG_DFL);
	umask(mask);
	if (read(fd, &byte, 1) != 1)
		_exit(EXIT_FAILURE); /* the server did not come up */
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	say_error("--run: cannot run /bin/sh: %s", strerror(errno));
	_exit(127);
}

int run_fork(struct run *r, const char *script, mode_t mask, struct err *e)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(e, "--run: pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[1]); /* or the child would keep itself waiting */
		child(fds[0], script, mask);
	}
	close(fds[0]);
	if (pid < 0) {
		close(fds[1]);
		return err_set(e, "--run: fork: %s", strerror(errno));
	}
	r->pid = pid;
	r->go_fd = fds[1];
	return 0;
}

static void stop_watching(struct run *r)
{
	int fd = r->watch.fd;
	if (fd < 0)
		return;
	watch_stop(server_loop(r->server), &r->watch);
	close(fd);
}

static void ended(struct watch *w, uint32_t events)
{
	struct run *r = container_of(w, struct run, watch);
	if (waitpid(r->pid, &r->status, WNOHANG) != r->pid)
		return;
	r->pid = 0;
	stop_watching(r);
	server_stop(r->server);
}

int run_go(struct run *r, struct server *s, struct err *e)
{
	if (r->pid == 0)
		return 0;
	int fd = pidfd_open(r->pid, 0);
	if (fd < 0)
		return err_set(e, "--run: pidfd_open: %s", strerror(errno));
	r->server = s;
	r->watch.ready = ended;
	if (watch_start(server_loop(s), &r->watch, fd, EPOLLIN) < 0) {
		err_set(e, "--run: cannot watch the command: %s", strerror(errno));
		close(fd);
		r->watch.fd = -1;
		return -1;
	}
	if (write(r->go_fd, "G", 1) != 1)
		return err_set(e, "--run: the command is gone: %s", strerror(errno));
	close(r->go_fd);
	r->go_fd = -1;
	return 0;
}

bool run_alive(const struct run *r)
{
	return r->pid != 0;
}

int run_end(struct run *r)
{
	bool began = r->go_fd < 0;
	if (!began)
		close(r->go_fd);
	r->go_fd = -1;
	stop_watching(r);
	if (r->pid) {
		kill(r->pid, SIGTERM);
		kill(r->pid, SIGCONT); /* a stopped one must hear it */
		while (waitpid(r->pid, &r->status, 0) < 0 && errno == EINTR)
			;
		r->pid = 0;
	}
	if (began && WIFSIGNALED(r->status)) {
		say_error("external command was killed by signal %d", WTERMSIG(r->status));
		return 128 + WTERMSIG(r->status);
	}
	return began ? WEXITSTATUS(r->status) : EXIT_FAILURE;
}
