/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/logwriter.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/say.h"
#include "filters/logcrash.h"
#include "filters/lanethread.h"

enum { SCRIPTS_MAX = 64 << 20 }; /* bytes that wait for a shell */
#define LOG_RETRY_NS (200 * NS_PER_MS) /* after a failed write */

struct logwriter {
	const char *path, *script;
	int fd;                        /* -1: no file */
	struct lanethread thread;      /* the lanes of lines that wait, and who writes them; full: many scripts wait, too */
	_Atomic uint64_t lost;         /* lines, not yet told in the file */
	struct buf scripts;            /* NUL-ended scripts, being added to; under the thread's lock */
	struct buf drain, running;     /* the thread's own */
};

/* --- adding lines --- */

bool logwriter_full(struct logwriter *w)
{
	return w->script || loglanes_full(&w->thread.lanes);
}

bool logwriter_wait(struct logwriter *w, struct lanewait *wait)
{
	return lanethread_wait(&w->thread, wait);
}

char *logwriter_open(struct logwriter *w, size_t len, struct loglane **lane)
{
	bool failing = atomic_load_explicit(&w->thread.unbound, memory_order_relaxed);
	size_t limit = w->fd < 0 ? 0 : failing ? LOGLANE_SOFT : LOGLANE_HARD;
	char *p;
	*lane = loglanes_open(&w->thread.lanes, len, limit, &p);
	return p;
}

void logwriter_close(struct logwriter *w, struct loglane *lane, char *end)
{
	enum loglane_news news = loglane_close(&w->thread.lanes, lane, end);
	lanethread_news(&w->thread, news);
	if (unlikely(news == LOGLANE_LOST) && w->fd >= 0)
		atomic_fetch_add(&w->lost, 1);
}

void logwriter_line(struct logwriter *w, const char *text, size_t len)
{
	struct loglane *lane;
	char *p = logwriter_open(w, len, &lane);
	if (p)
		memcpy(p, text, len);
	logwriter_close(w, lane, p ? p + len : NULL);
}

void logwriter_script(struct logwriter *w, const char *assignments, size_t len)
{
	pthread_mutex_lock(&w->thread.lock);
	size_t script = strlen(w->script);
	if (buf_reserve(&w->scripts, len + script + 1)) {
		buf_add(&w->scripts, assignments, len);
		buf_add(&w->scripts, w->script, script + 1);
	}
	w->thread.full = w->scripts.len > LOGLANE_SOFT;
	pthread_mutex_unlock(&w->thread.lock);
	lanethread_tell(&w->thread, false);
}

/* --- getting them out: the thread, or main before and after it --- */

static uint64_t count_lines(const char *p, size_t len)
{
	uint64_t n = 0;
	for (const char *end = p + len; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n;
}

/* Requests go on without their lines rather than wait for a disk that does not take them. */
static void set_failing(struct logwriter *w, bool failing, int err)
{
	if (lanethread_unbind(&w->thread, failing) && failing)
		say_error("log: cannot write to %s: %s: keeping what fits in memory, trying again", w->path, strerror(err));
}

static void tell_lost(struct logwriter *w)
{
	char line[64];
	uint64_t lost = atomic_exchange(&w->lost, 0);
	if (!lost)
		return;
	say_error("log: %s: %" PRIu64 " lines were lost", w->path, lost);
	logwriter_line(w, line, (size_t)snprintf(line, sizeof line, "Lost lines=%" PRIu64, lost));
}

/* Write all of drain; while it fails, try again until the end comes. */
static void write_out(struct logwriter *w)
{
	size_t at = 0;
	while (at < w->drain.len) {
		ssize_t n = write(w->fd, w->drain.p + at, w->drain.len - at);
		if (n >= 0) {
			at += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		set_failing(w, true, errno);
		if (lanethread_stopping(&w->thread) || !w->thread.has_thread) {
			atomic_fetch_add(&w->lost, count_lines(w->drain.p + at, w->drain.len - at));
			break;
		}
		struct timespec ts = { .tv_nsec = LOG_RETRY_NS };
		nanosleep(&ts, NULL);
	}
	if (at == w->drain.len) {
		set_failing(w, false, 0);
		tell_lost(w);
	}
	w->drain.len = 0;
}

/* Each in a shell of its own, one after the other, in the order of the lines; what they return is ignored. */
static void run_scripts(struct logwriter *w)
{
	const char *shell = access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh"; /* lists are bash arrays */
	posix_spawnattr_t attr;
	sigset_t none, pipe_only;

	sigemptyset(&none);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe_only);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	for (char *p = w->running.p, *end = p + w->running.len; p < end; p += strlen(p) + 1) {
		char *argv[] = { (char *)shell, (char *)"-c", p, NULL };
		pid_t pid;
		int status;
		int err = posix_spawn(&pid, shell, NULL, &attr, argv, environ);
		if (err)
			say_error("log: cannot run the script: %s", strerror(err));
		else
			while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
				;
	}
	posix_spawnattr_destroy(&attr);
	w->running.len = 0;
}

static void turn(struct lanethread *t)
{
	struct logwriter *w = container_of(t, struct logwriter, thread);
	uint64_t lost;

	bool more = loglanes_take(&t->lanes, !t->has_thread, &w->drain, &lost);
	atomic_fetch_add(&w->lost, lost);
	pthread_mutex_lock(&t->lock);
	t->some |= more;
	buf_swap(&w->scripts, &w->running);
	t->full = false;
	pthread_mutex_unlock(&t->lock);
	lanethread_let_go(t);
	if (w->drain.len)
		write_out(w);
	if (w->running.len)
		run_scripts(w);
}

void logwriter_flush(struct logwriter *w)
{
	turn(&w->thread);
}

/* --- start and stop --- */

/* What is appended to may end in half a line, as of a full disk: then ours would be no line, either. */
static void end_line(int fd, const char *path)
{
	int in = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char last;

	if (in >= 0 && fstat(in, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && pread(in, &last, 1, st.st_size - 1) == 1
	    && last != '\n' && write(fd, "\n", 1) < 0)
		say_debug("log: %s: %s", path, strerror(errno));
	if (in >= 0)
		close(in);
}

struct logwriter *logwriter_start(const char *path, bool append, const char *script, struct err *e)
{
	struct logwriter *w = aligned_alloc(_Alignof(struct logwriter), sizeof *w);

	if (!w) {
		err_set(e, "log: out of memory");
		return NULL;
	}
	memset(w, 0, sizeof *w);
	w->path = path;
	w->script = script;
	w->fd = -1;
	if (path) {
		w->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : O_TRUNC), 0666);
		if (w->fd < 0) {
			err_set(e, "log: cannot open %s: %s", path, strerror(errno));
			free(w);
			return NULL;
		}
		if (append)
			end_line(w->fd, path);
	}
	lanethread_init(&w->thread, turn);
	loglanes_init(&w->thread.lanes, true);
	buf_init(&w->drain, LOGLANES_MAX);
	buf_init(&w->scripts, SCRIPTS_MAX);
	buf_init(&w->running, SCRIPTS_MAX);
	for (unsigned i = 0; i < LOGLANES && w->fd >= 0; i++)
		logcrash_guard(&w->thread.lanes.at[i].fill.text, w->fd);
	return w;
}

int logwriter_forked(struct logwriter *w, struct err *e)
{
	return lanethread_start(&w->thread, e);
}

void logwriter_stop(struct logwriter *w)
{
	if (!w)
		return;
	lanethread_stop(&w->thread);
	for (unsigned i = 0; i < LOGLANES; i++)
		logcrash_release(&w->thread.lanes.at[i].fill.text);
	logwriter_flush(w);
	logwriter_flush(w); /* the line that tells of lost ones */
	if (w->lost)
		say_error("log: %s: %" PRIu64 " lines were lost", w->path, w->lost);
	if (w->fd >= 0 && close(w->fd) < 0)
		say_error("log: closing %s: %s", w->path, strerror(errno));
	lanethread_free(&w->thread);
	buf_free(&w->drain);
	buf_free(&w->scripts);
	buf_free(&w->running);
	free(w);
}
