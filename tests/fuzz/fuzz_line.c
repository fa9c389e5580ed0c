/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as lines of a log: what quick_line() says of one is what the parser says. */
/* Aims at src: trace/quick_line trace/read_log */
#include <stdlib.h>
#include <string.h>
#include "trace/quick_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void compare(struct log_reader *r, const char *line, size_t n)
{
	struct event a, b;
	bool fast = quick_line(r, line, n, &a), slow = log_parse_line(r, line, n, &b);

	if (fast && (!slow || a.time != b.time || a.conn != b.conn || a.id != b.id || a.off != b.off || a.len != b.len ||
		     a.kind != b.kind || a.op != b.op || a.sized != b.sized || a.flags != b.flags || a.err != b.err))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct log_reader r = { 0 };
	const char *p = (const char *)data, *end = p + n, *nl;

	/* each line twice: at the second time its second is known */
	for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
		compare(&r, p, (size_t)(nl - p));
		compare(&r, p, (size_t)(nl - p));
	}
	return 0;
}
