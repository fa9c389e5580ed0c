/* SPDX-License-Identifier: BSD-2-Clause */
/* What a plug-in says, and the time it waits: nbdkit-plugin(3), "Error handling", "Debugging", nbdkit_nanosleep. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/say.h"
#include "bridge/context.h"
#include "nbdkit-plugin.h"

_Thread_local struct context *context;
bool bridge_stdio_safe = true;
void (*bridge_shutdown)(void);

static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sleep_over = PTHREAD_COND_INITIALIZER;

/* "memory[3]" before what is said during a connection, as nbdkit has it. */
static const char *prefix(char *p, size_t room)
{
	*p = '\0';
	if (context && context->module && context->client)
		snprintf(p, room, "%s[%" PRIu64 "]", context->module, context->client->id);
	return p;
}

void nbdkit_verror(const char *msg, va_list args)
{
	int saved = errno;
	char text[900], who[100];

	vsnprintf(text, sizeof text, msg, args);
	if (context && context->err) {
		if (context->err->msg[0])
			say_error("%s", context->err->msg); /* one comes after another: only the last is main's */
		err_set(context->err, "%s", text);
	} else {
		say_error_of(prefix(who, sizeof who), "%s", text);
	}
	errno = saved;
}

void nbdkit_error(const char *msg, ...)
{
	va_list ap;
	va_start(ap, msg);
	nbdkit_verror(msg, ap);
	va_end(ap);
}

void nbdkit_vdebug(const char *msg, va_list args)
{
	int saved = errno;
	char text[900], who[100];

	if (!say_verbose)
		return;
	vsnprintf(text, sizeof text, msg, args);
	say_debug_of(prefix(who, sizeof who), "%s", text);
	errno = saved;
}

void nbdkit_debug(const char *msg, ...)
{
	va_list ap;
	va_start(ap, msg);
	nbdkit_vdebug(msg, ap);
	va_end(ap);
}

/* No option gives a server a name of its own. */
const char *nbdkit_name(void)
{
	return NULL;
}

const char *nbdkit_timestamp(void)
{
	static _Thread_local char text[48];
	struct timespec t;
	struct tm tm;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(text, sizeof text, "%s.%06u", day, (unsigned)(t.tv_nsec / 1000) % 1000000u);
	return text;
}

void nbdkit_set_error(int err)
{
	if (context)
		context->errnum = err;
}

void nbdkit_shutdown(void)
{
	if (bridge_shutdown)
		bridge_shutdown();
}

void context_wake_sleepers(void)
{
	pthread_mutex_lock(&sleep_lock);
	pthread_cond_broadcast(&sleep_over);
	pthread_mutex_unlock(&sleep_lock);
}

int nbdkit_nanosleep(unsigned sec, unsigned nsec)
{
	struct timespec until;
	atomic_bool *cancelled = context ? context->cancelled : NULL;
	int rc = 0;

	if (sec > INT_MAX - nsec / NS_PER_S) {
		nbdkit_error("nbdkit_nanosleep: more than INT_MAX seconds");
		errno = EINVAL;
		return -1;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(nsec % NS_PER_S);
	until.tv_sec += (time_t)sec + (time_t)(nsec / NS_PER_S) + until.tv_nsec / (long)NS_PER_S;
	until.tv_nsec %= (long)NS_PER_S;
	pthread_mutex_lock(&sleep_lock);
	while (rc == 0 && !(cancelled && atomic_load(cancelled)))
		rc = pthread_cond_clockwait(&sleep_over, &sleep_lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&sleep_lock);
	if (rc == ETIMEDOUT)
		return 0;
	nbdkit_error("aborting sleep because the connection or the server ends");
	errno = EINTR;
	return -1;
}
