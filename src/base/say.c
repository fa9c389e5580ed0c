/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/say.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

bool say_verbose;
/* Changed once, when serving begins and other threads may already speak. */
static _Atomic(const char *) say_as = "blkscope";
static _Atomic(enum say_where) say_to = SAY_STDERR;

void say_start(const char *name, enum say_where where, bool verbose)
{
	say_as = name;
	say_to = where;
	if (verbose != say_verbose)
		say_verbose = verbose;
	if (where == SAY_SYSLOG)
		openlog(name, LOG_PID, LOG_DAEMON);
}

const char *say_name(void)
{
	return say_as;
}

static void say(enum say_where where, const char *who, const char *kind, const char *fmt, va_list ap)
{
	int saved = errno;
	char line[2048];
	int n;

	switch (where) {
	case SAY_NULL:
		break;
	case SAY_SYSLOG:
		vsnprintf(line, sizeof line, fmt, ap);
		syslog(LOG_ERR, "%s%s%s", who, *who ? ": " : "", line);
		break;
	case SAY_STDERR:
		n = snprintf(line, sizeof line, "%s: %.200s%s%s: ", say_as, who, *who ? ": " : "", kind);
		n += vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
		n = MIN(n, (int)sizeof line - 2);
		line[n++] = '\n';
		if (write(STDERR_FILENO, line, (size_t)n) < 0)
			errno = 0; /* nobody left to tell */
		break;
	}
	errno = saved;
}

void say_error_of(const char *who, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(say_to, who, "error", fmt, ap);
	va_end(ap);
}

void say_error(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say(say_to, "", "error", fmt, ap);
	va_end(ap);
}

void say_debug_of(const char *who, const char *fmt, ...)
{
	if (!say_verbose)
		return;
	va_list ap;
	va_start(ap, fmt);
	say(SAY_STDERR, who, "debug", fmt, ap);
	va_end(ap);
}

void say_debug(const char *fmt, ...)
{
	if (!say_verbose)
		return;
	va_list ap;
	va_start(ap, fmt);
	say(SAY_STDERR, "", "debug", fmt, ap);
	va_end(ap);
}
