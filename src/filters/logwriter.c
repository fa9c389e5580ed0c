/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/logwriter.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/say.h"
#include "filters/logcrash.h"
#include "filters/loglanes.h"

enum { SCRIPTS_MAX = 64 << 20 }; /* bytes that wait for a shell */
#define LOG_LAZY_NS (20 * NS_PER_MS)   /* else a line waits this long for company */
#define LOG_RETRY_NS (200 * NS_PER_MS) /* after a failed write */

struct logwriter {
	const char *path, *script;
	int fd;                        /* -1: no file */
	struct loglanes lanes;         /* lines that wait */
	_Atomic uint64_t lost;         /* lines, not yet told in the file */
	atomic_bool failing;           /* the last write failed */
	pthread_mutex_t lock;          /* guards what follows; inside it no lane is locked */
	pthread_cond_t wake;           /* for the thread: lines, or the end */
	bool some, plenty;             /* lines or scripts wait; there are many */
	struct buf scripts;            /* NUL-ended scripts, being added to */
	struct list waiting;           /* struct logwait */
	bool stopping;
	/* the thread's own */
	struct buf drain, running;
	pthread_t thread;
	bool has_thread;
};

/* --- adding lines --- */

static bool too_much(struct logwriter *w)
{
	return loglanes_full(&w->lanes) || w->scripts.len > LOGLANE_SOFT;
}

bool logwriter_full(struct logwriter *w)
{
	return w->script || loglanes_full(&w->lanes);
}

bool logwriter_wait(struct logwriter *w, struct logwait *wait)
{
	pthread_mutex_lock(&w->lock);
	/* What takes lines says so to the lanes first, then lets go those that wait: whoever sees a full lane here is let go. */
	bool must = !atomic_load(&w->failing) && w->has_thread && too_much(w);
	if (must)
		list_add_tail(&w->waiting, &wait->link);
	pthread_mutex_unlock(&w->lock);
	return must;
}

/* The thread sleeps until there is something, then a little longer for company, unless there is plenty. */
static void tell_thread(struct logwriter *w, bool plenty)
{
	pthread_mutex_lock(&w->lock);
	w->some = true;
	w->plenty |= plenty;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

char *logwriter_open(struct logwriter *w, size_t len, struct loglane **lane)
{
	bool failing = atomic_load_explicit(&w->failing, memory_order_relaxed);
	size_t limit = w->fd < 0 ? 0 : failing ? LOGLANE_SOFT : LOGLANE_HARD;
	char *p;
	*lane = loglanes_open(&w->lanes, len, limit, &p);
	return p;
}

void logwriter_close(struct logwriter *w, struct loglane *lane, char *end)
{
	enum loglane_news news = loglane_close(lane, end);
	if (likely(news == LOGLANE_QUIET))
		return;
	if (news != LOGLANE_LOST)
		tell_thread(w, news == LOGLANE_PLENTY);
	else if (w->fd >= 0)
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
	pthread_mutex_lock(&w->lock);
	size_t script = strlen(w->script);
	if (buf_reserve(&w->scripts, len + script + 1)) {
		buf_add(&w->scripts, assignments, len);
		buf_add(&w->scripts, w->script, script + 1);
	}
	pthread_mutex_unlock(&w->lock);
	tell_thread(w, false);
}

/* --- getting them out: the thread, or main before and after it --- */

static uint64_t count_lines(const char *p, size_t len)
{
	uint64_t n = 0;
	for (const char *end = p + len; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	return n;
}

static bool stopping(struct logwriter *w)
{
	pthread_mutex_lock(&w->lock);
	bool stop = w->stopping;
	pthread_mutex_unlock(&w->lock);
	return stop;
}

/* The lock is not held: each request goes on as soon as it is posted. */
static void let_go(struct list *waits)
{
	list_for_each_safe(waits, link, next) {
		struct logwait *wait = list_entry(link, struct logwait, link);
		list_del(link);
		loop_post(wait->loop, &wait->task);
	}
}

/* Requests go on without their lines rather than wait for a disk that does not take them. */
static void set_failing(struct logwriter *w, bool failing, int err)
{
	struct list go;
	list_init(&go);
	pthread_mutex_lock(&w->lock);
	bool news = failing != atomic_exchange(&w->failing, failing);
	if (failing)
		list_splice(&go, &w->waiting);
	pthread_mutex_unlock(&w->lock);
	if (news && failing)
		say_error("log: cannot write to %s: %s: keeping what fits in memory, trying again", w->path, strerror(err));
	let_go(&go);
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
		if (stopping(w) || !w->has_thread) {
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

void logwriter_flush(struct logwriter *w)
{
	struct list go;
	uint64_t lost;

	list_init(&go);
	bool more = loglanes_take(&w->lanes, !w->has_thread, &w->drain, &lost);
	atomic_fetch_add(&w->lost, lost);
	pthread_mutex_lock(&w->lock);
	w->some |= more;
	buf_swap(&w->scripts, &w->running);
	list_splice(&go, &w->waiting);
	pthread_mutex_unlock(&w->lock);
	let_go(&go);
	if (w->drain.len)
		write_out(w);
	if (w->running.len)
		run_scripts(w);
}

/* False: the end. */
static bool sleep_for_lines(struct logwriter *w)
{
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	while (!w->stopping && !w->some)
		pthread_cond_wait(&w->wake, &w->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOG_LAZY_NS;
	if (until.tv_nsec >= (long)NS_PER_S) {
		until.tv_nsec -= NS_PER_S;
		until.tv_sec++;
	}
	while (!w->stopping && !w->plenty && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
		;
	w->some = w->plenty = false;
	bool more = !w->stopping;
	pthread_mutex_unlock(&w->lock);
	return more;
}

static void *write_lines(void *arg)
{
	struct logwriter *w = arg;
	bool more;
	do {
		more = sleep_for_lines(w);
		logwriter_flush(w);
	} while (more);
	return NULL;
}

/* --- start and stop --- */

struct logwriter *logwriter_start(const char *path, bool append, const char *script, struct err *e)
{
	struct logwriter *w = aligned_alloc(_Alignof(struct logwriter), sizeof *w);
	pthread_condattr_t attr;

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
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	loglanes_init(&w->lanes);
	buf_init(&w->drain, LOGLANES_MAX);
	buf_init(&w->scripts, SCRIPTS_MAX);
	buf_init(&w->running, SCRIPTS_MAX);
	list_init(&w->waiting);
	for (unsigned i = 0; i < LOGLANES && w->fd >= 0; i++)
		logcrash_guard(&w->lanes.at[i].fill.text, w->fd);
	return w;
}

int logwriter_forked(struct logwriter *w, struct err *e)
{
	w->has_thread = true; /* before it reads that itself */
	int err = pthread_create(&w->thread, NULL, write_lines, w);
	if (err)
		w->has_thread = false;
	return err ? err_set(e, "log: cannot start a thread: %s", strerror(err)) : 0;
}

void logwriter_stop(struct logwriter *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->has_thread)
		pthread_join(w->thread, NULL);
	w->has_thread = false;
	for (unsigned i = 0; i < LOGLANES; i++)
		logcrash_release(&w->lanes.at[i].fill.text);
	logwriter_flush(w);
	logwriter_flush(w); /* the line that tells of lost ones */
	if (w->lost)
		say_error("log: %s: %" PRIu64 " lines were lost", w->path, w->lost);
	if (w->fd >= 0 && close(w->fd) < 0)
		say_error("log: closing %s: %s", w->path, strerror(errno));
	loglanes_free(&w->lanes);
	buf_free(&w->drain);
	buf_free(&w->scripts);
	buf_free(&w->running);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
