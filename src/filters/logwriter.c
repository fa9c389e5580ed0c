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
#include "trace/logline.h"

enum {
	LOG_SOFT = 4 << 20,    /* bytes: new requests wait above */
	LOG_HARD = 64 << 20,   /* bytes: lines of requests that are under way may fill it up to here */
	LOG_EAGER = 256 << 10, /* bytes: written without waiting for more */
};
#define LOG_LAZY_NS (20 * NS_PER_MS)   /* else a line waits this long for company */
#define LOG_RETRY_NS (200 * NS_PER_MS) /* after a failed write */

struct logwriter {
	const char *path, *script;
	int fd;                        /* -1: no file */
	pthread_mutex_t lock;          /* guards what follows */
	pthread_cond_t wake;           /* for the thread: lines, or the end */
	struct buf fill;               /* lines, being added to */
	struct buf scripts;            /* NUL-ended scripts, being added to */
	struct logstamp stamp;
	struct list waiting;           /* struct logwait */
	uint64_t lost;                 /* lines, not yet told in the file */
	bool failing;                  /* the last write failed */
	bool stopping;
	/* the thread's own */
	struct buf drain, running;
	pthread_t thread;
	bool has_thread;
};

/* --- adding lines --- */

bool logwriter_has_script(const struct logwriter *w)
{
	return w->script;
}

bool logwriter_has_file(const struct logwriter *w)
{
	return w->fd >= 0;
}

bool logwriter_wait(struct logwriter *w, struct logwait *wait)
{
	pthread_mutex_lock(&w->lock);
	bool must = !w->failing && w->has_thread && (w->fill.len > LOG_SOFT || w->scripts.len > LOG_SOFT);
	if (must)
		list_add_tail(&w->waiting, &wait->link);
	pthread_mutex_unlock(&w->lock);
	return must;
}

/* Lock held.  A thread that sleeps for company is woken at the first line, and when there is enough. */
static void added(struct logwriter *w, size_t before, size_t now)
{
	if (before == 0 || (before < LOG_EAGER && now >= LOG_EAGER))
		pthread_cond_signal(&w->wake);
}

/* Lock held. */
static void add_line(struct logwriter *w, const char *text, size_t len)
{
	struct timespec now;
	size_t before = w->fill.len, limit = w->failing ? LOG_SOFT : LOG_HARD;

	if (before + LOGSTAMP_LEN + len + 2 > limit || !buf_reserve(&w->fill, LOGSTAMP_LEN + len + 2)) {
		w->lost++;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	char *p = logline_stamp(w->fill.p + before, &w->stamp, &now);
	*p++ = ' ';
	memcpy(p, text, len);
	p[len] = '\n';
	w->fill.len += LOGSTAMP_LEN + len + 2;
	added(w, before, w->fill.len);
}

void logwriter_line(struct logwriter *w, const char *text, size_t len)
{
	pthread_mutex_lock(&w->lock);
	if (w->fd >= 0)
		add_line(w, text, len);
	pthread_mutex_unlock(&w->lock);
}

void logwriter_script(struct logwriter *w, const char *assignments, size_t len)
{
	pthread_mutex_lock(&w->lock);
	size_t before = w->scripts.len, script = strlen(w->script);
	if (buf_reserve(&w->scripts, len + script + 1)) {
		buf_add(&w->scripts, assignments, len);
		buf_add(&w->scripts, w->script, script + 1);
		added(w, before, w->scripts.len);
	}
	pthread_mutex_unlock(&w->lock);
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
	bool news = failing != w->failing;
	w->failing = failing;
	if (failing)
		list_splice(&go, &w->waiting);
	if (!failing && w->lost) {
		char line[64];
		int n = snprintf(line, sizeof line, "Lost lines=%" PRIu64, w->lost);
		say_error("log: %s: %" PRIu64 " lines were lost", w->path, w->lost);
		w->lost = 0;
		add_line(w, line, (size_t)n);
	}
	pthread_mutex_unlock(&w->lock);
	if (news && failing)
		say_error("log: cannot write to %s: %s: keeping what fits in memory, trying again", w->path, strerror(err));
	let_go(&go);
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
			pthread_mutex_lock(&w->lock);
			w->lost += count_lines(w->drain.p + at, w->drain.len - at);
			pthread_mutex_unlock(&w->lock);
			break;
		}
		struct timespec ts = { .tv_nsec = LOG_RETRY_NS };
		nanosleep(&ts, NULL);
	}
	if (at == w->drain.len)
		set_failing(w, false, 0);
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

static void swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;
	*a = *b;
	*b = t;
}

void logwriter_flush(struct logwriter *w)
{
	struct list go;
	list_init(&go);
	pthread_mutex_lock(&w->lock);
	swap(&w->fill, &w->drain);
	swap(&w->scripts, &w->running);
	list_splice(&go, &w->waiting);
	pthread_mutex_unlock(&w->lock);
	let_go(&go);
	if (w->drain.len)
		write_out(w);
	if (w->running.len)
		run_scripts(w);
}

/* Sleep until there is something, then a little longer, so that lines go out in company.  False: the end. */
static bool sleep_for_lines(struct logwriter *w)
{
	struct timespec until;

	pthread_mutex_lock(&w->lock);
	while (!w->stopping && !w->fill.len && !w->scripts.len)
		pthread_cond_wait(&w->wake, &w->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOG_LAZY_NS;
	if (until.tv_nsec >= (long)NS_PER_S) {
		until.tv_nsec -= NS_PER_S;
		until.tv_sec++;
	}
	while (!w->stopping && w->fill.len < LOG_EAGER && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
		;
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
	struct logwriter *w = calloc(1, sizeof *w);
	pthread_condattr_t attr;

	if (!w) {
		err_set(e, "log: out of memory");
		return NULL;
	}
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
	buf_init(&w->fill, LOG_HARD);
	buf_init(&w->drain, LOG_HARD);
	buf_init(&w->scripts, LOG_HARD);
	buf_init(&w->running, LOG_HARD);
	list_init(&w->waiting);
	if (w->fd >= 0)
		logcrash_guard(&w->fill, w->fd);
	return w;
}

int logwriter_forked(struct logwriter *w, struct err *e)
{
	int err = pthread_create(&w->thread, NULL, write_lines, w);
	w->has_thread = err == 0;
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
	logcrash_release(&w->fill);
	logwriter_flush(w); /* also the line that tells of lost ones */
	if (w->lost)
		say_error("log: %s: %" PRIu64 " lines were lost", w->path, w->lost);
	if (w->fd >= 0 && close(w->fd) < 0)
		say_error("log: closing %s: %s", w->path, strerror(errno));
	buf_free(&w->fill);
	buf_free(&w->drain);
	buf_free(&w->scripts);
	buf_free(&w->running);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
