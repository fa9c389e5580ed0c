/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/tale.h"
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/read_fd.h"

#define NICE 10
static const char cannot[] = "its story cannot be told; `blkscope story' says why";

extern char **environ;

/* ---- the program ---- */

/* It keeps nothing of ours but its output: signals as usual, no blocked ones. */
static int run(pid_t *pid, char **argv, int fd)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, usual;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&how);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &usual);
	int rc = posix_spawn(pid, argv[0], &files, &how, argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

static void bound(pid_t pid)
{
	const struct rlimit time = { TALE_SECONDS, TALE_SECONDS }, room = { TALE_MAX, TALE_MAX };

	prlimit(pid, RLIMIT_CPU, &time, NULL);
	prlimit(pid, RLIMIT_FSIZE, &room, NULL);
	setpriority(PRIO_PROCESS, (id_t)pid, NICE);
}

/* With the lock; nothing runs. */
static void begin(struct tales *t, struct tale *of, const char *path, const char *disk)
{
	char steps[8 + 4096], image[7 + 4096], *argv[8] = { (char *)t->program, (char *)"--json" };
	size_t n = 2;

	if (t->steps && snprintf(steps, sizeof steps, "--steps=%s", t->steps) < (int)sizeof steps)
		argv[n++] = steps;
	if (disk && snprintf(image, sizeof image, "--disk=%s", disk) < (int)sizeof image)
		argv[n++] = image;
	argv[n++] = (char *)"--";
	argv[n] = (char *)path;
	t->began = monotonic_ns();
	t->runs = of;
	t->fd = memfd_create("story", MFD_CLOEXEC);
	if (t->fd >= 0 && run(&t->pid, argv, t->fd) == 0) {
		bound(t->pid);
		return;
	}
	if (t->fd >= 0)
		close(t->fd);
	t->pid = 0;
	t->next.why = "its story cannot be told: the program blkscope-story does not start";
	t->next.ended = monotonic_ns();
	tale_free(of);
	*of = t->next;
}

/* What it wrote, all of it. */
static char *take(int fd, size_t *len)
{
	struct stat st;
	char *text =
		fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= TALE_MAX ? malloc((size_t)st.st_size) : NULL;

	*len = text ? (size_t)st.st_size : 0;
	if (text && read_fd(&fd, text, *len, 0) == 0)
		return text;
	free(text);
	return NULL;
}

/* With the lock: has it ended? */
static void look(struct tales *t)
{
	int status = 0;
	struct tale now = t->next;

	if (!t->pid || waitpid(t->pid, &status, WNOHANG) == 0)
		return;
	t->pid = 0;
	now.ended = monotonic_ns();
	now.took = now.ended - t->began;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		now.text = take(t->fd, &now.len);
	now.why = now.text ? NULL : cannot;
	close(t->fd);
	tale_free(t->runs);
	*t->runs = now;
}

/* ---- asking ---- */

void tales_ask(struct tales *t, struct tale *of, struct feed *d, const char *disk, bool *ready, bool *current)
{
	feed_lock(d);
	uint64_t events = d->ahead.events;
	unsigned restarts = d->ahead.restarts;
	bool whole = d->whole && events && !d->trouble[0];
	feed_unlock(d);

	pthread_mutex_lock(&t->lock);
	look(t);
	bool any = of->text || of->why;
	*ready = any && of->restarts == restarts;
	*current = *ready && of->events == events;
	/* a session that goes on is told again and again, the more seldom the longer that takes */
	bool rested = !any || monotonic_ns() - of->ended > MAX(TALE_REST, 10 * of->took);
	if (!t->pid && whole && !*current && rested) {
		t->next = (struct tale){ .events = events, .restarts = restarts };
		begin(t, of, d->path, disk);
	}
}

void tales_done(struct tales *t) { pthread_mutex_unlock(&t->lock); }

/* ---- life ---- */

void tales_init(struct tales *t, const char *program, const char *steps)
{
	*t = (struct tales){ .program = program, .steps = steps };
	pthread_mutex_init(&t->lock, NULL);
}

void tales_free(struct tales *t)
{
	if (t->pid) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
		close(t->fd);
	}
	pthread_mutex_destroy(&t->lock);
}

void tale_free(struct tale *of)
{
	free(of->text);
	*of = (struct tale){ 0 };
}
