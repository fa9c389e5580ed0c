/* SPDX-License-Identifier: BSD-2-Clause */
/* without: preloaded under valgrind (3.19), which knows neither pidfd_open() nor what io_uring writes, and takes code that PCRE2's JIT
 * makes for a mistake.  The first is made of what it knows, the others are not there, as on a kernel or machine without them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

int pidfd_open(pid_t pid, unsigned flags);
int io_uring_queue_init_params(unsigned entries, void *ring, void *params);
int pcre2_jit_compile_8(void *code, uint32_t options);

struct child {
	pid_t pid;
	int tell;
};

static struct child watched; /* a server has one */

static void *watch(void *arg)
{
	struct child *c = arg;
	siginfo_t info;
	while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	close(c->tell);
	return NULL;
}

/* A pipe that ends with the child: as good to poll(). */
int pidfd_open(pid_t pid, unsigned flags)
{
	pthread_t thread;
	int fds[2];

	if (flags || watched.pid || pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	watched = (struct child){ pid, fds[1] };
	if (pthread_create(&thread, NULL, watch, &watched) != 0 || pthread_detach(thread) != 0)
		return -1;
	return fds[0];
}

int io_uring_queue_init_params(unsigned entries, void *ring, void *params)
{
	(void)entries;
	(void)ring;
	(void)params;
	return -ENOSYS;
}

int pcre2_jit_compile_8(void *code, uint32_t options)
{
	(void)code;
	(void)options;
	return -45; /* PCRE2_ERROR_JIT_BADOPTION: built without */
}
