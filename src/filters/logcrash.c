/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/logcrash.h"
#include <signal.h>
#include <unistd.h>

enum { GUARDS = 64 }; /* the lanes of four log filters */
static struct { const struct buf *buf; int fd; } guards[GUARDS];
static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };

/* Only what signal-safety(7) allows. */
static void dying(int sig)
{
	for (unsigned i = 0; i < GUARDS; i++) {
		const struct buf *b = guards[i].buf;
		for (size_t at = 0; b && b->p && at < b->len;) {
			ssize_t n = write(guards[i].fd, b->p + at, b->len - at);
			if (n <= 0)
				break;
			at += (size_t)n;
		}
	}
	raise(sig); /* SA_RESETHAND: now it takes its course, with a core dump where one is wanted */
}

static void catch_fatal(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(fatal); i++) {
		struct sigaction old, mine = { .sa_handler = dying, .sa_flags = (int)SA_RESETHAND };
		if (sigaction(fatal[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(fatal[i], &mine, NULL);
	}
}

void logcrash_guard(const struct buf *b, int fd)
{
	for (unsigned i = 0; i < GUARDS; i++)
		if (!guards[i].buf) {
			guards[i].fd = fd;
			guards[i].buf = b;
			break;
		}
	catch_fatal();
}

void logcrash_release(const struct buf *b)
{
	for (unsigned i = 0; i < GUARDS; i++)
		if (guards[i].buf == b)
			guards[i].buf = NULL;
}
