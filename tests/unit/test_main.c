/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/test.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static struct test *first, **last = &first;
static atomic_bool failed; /* the test that runs now */

void test_add(struct test *t)
{
	*last = t;
	last = &t->next;
}

void test_failed(const char *file, int line, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	printf("%s:%d: %s\n", file, line, text);
	failed = true;
}

/* `# NAME` before, `ok NAME` or `not ok NAME` behind: after a crash the last line tells who it was. */
int main(int argc, char **argv)
{
	unsigned run = 0, bad = 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct test *t = first; t; t = t->next) {
		if (argc > 1 && !strstr(t->name, argv[1]))
			continue;
		printf("# %s\n", t->name);
		failed = false;
		t->run();
		printf("%s %s\n", failed ? "not ok" : "ok", t->name);
		run++;
		bad += failed;
	}
	printf("1..%u\n", run);
	return bad != 0;
}
