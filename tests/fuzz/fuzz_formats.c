/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a file of any format that can be read, into all that can be written.  The first byte says which reader, so that bytes get
 * past what tells formats apart; 255: they tell. */
/* Aims at src: formats/.* */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "formats/format.h"
#include "fuzz/input.h"

struct bytes {
	const uint8_t *p;
	size_t n;
};

static int read_bytes(void *owner, void *to, size_t n, uint64_t at)
{
	const struct bytes *b = owner;
	MUST(n && at < b->n && n <= b->n - at); /* readers stay within the file */
	memcpy(to, b->p + at, n);
	return 0;
}

static int write_bytes(void *owner, const void *p, size_t n, uint64_t at)
{
	uint64_t *sum = owner;
	for (size_t i = 0; i < n; i++) /* all of them can be read */
		*sum += ((const uint8_t *)p)[i];
	return at > 4 << 20 ? ENOSPC : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	size_t readers = 0;

	while (fmt_readers[readers])
		readers++;
	if (!n)
		return 0;
	struct bytes b = { p + 1, n - 1 };
	const struct rec_source s = { .read = read_bytes, .owner = &b, .size = n - 1 };
	const char *name = *p == 255 ? NULL : fmt_readers[*p % readers]->name;
	for (size_t i = 0; fmt_writers[i]; i++) {
		uint64_t sum = 0, events = 0;
		struct fmt_in in;
		struct err e;
		struct fmt_out out = { .writer = fmt_writers[i], .write = write_bytes, .owner = &sum };
		if (fmt_open(&in, &s, name, &e) == 0 && fmt_convert(&in, &out, &events, &e) < 0)
			MUST(e.msg[0]);
		MUST(in.notes.len <= FMT_NOTES_MAX);
		fmt_close(&in);
	}
	return 0;
}
