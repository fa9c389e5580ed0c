/* SPDX-License-Identifier: BSD-2-Clause */
/* What was said, as it is or as an asciicast: a line of JSON for the terminal, then [seconds, "o" or "i", "text"] for each
 * piece (docs.asciinema.org, "asciicast v2").  JSON is UTF-8: broken bytes become U+FFFD, a character that was cut waits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include "expect/private.h"
#include "base/util.h"

struct mx_transcript {
	FILE *fp;
	enum mexp_transcript format;
	uint64_t start;     /* ns */
	char cut[2][4];     /* of 'o', of 'i': the beginning of a character */
	size_t cut_len[2];
};

/* Length of the character at p: 1 to 4; 0: broken; -1: it is cut. */
static int character(const unsigned char *p, size_t len)
{
	int n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	for (int i = 1; i < n; i++) {
		unsigned char low = 0x80, high = 0xbf;
		if (i == 1) {
			low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;   /* overlong */
			high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high; /* surrogates, too large */
		}
		if ((size_t)i == len)
			return -1;
		if (p[i] < low || p[i] > high)
			return 0;
	}
	return n;
}

/* As much of it as is whole; returns how much that is. */
static size_t put_text(FILE *fp, const char *text, size_t len, bool all)
{
	size_t i = 0;
	while (i < len) {
		const unsigned char *p = (const unsigned char *)text + i;
		int n = character(p, len - i);
		if (n < 0 && !all)
			return i;
		if (n <= 0)
			fputs("\\ufffd", fp);
		else if (p[0] == '"' || p[0] == '\\')
			fprintf(fp, "\\%c", p[0]);
		else if (p[0] < ' ' || p[0] == 0x7f)
			fprintf(fp, "\\u%04x", p[0]);
		else
			fwrite(p, 1, (size_t)n, fp);
		i += n > 0 ? (size_t)n : 1;
	}
	return i;
}

static void put_event(struct mx_transcript *t, char direction, const char *text, size_t len, bool all)
{
	uint64_t us = (monotonic_ns() - t->start) / NS_PER_US;
	char *cut = t->cut[direction == 'i'];
	size_t *cut_len = &t->cut_len[direction == 'i'];
	fprintf(t->fp, "[%llu.%06llu, \"%c\", \"", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000), direction);
	/* Finish what was cut: at most three more bytes. */
	while (*cut_len && len) {
		cut[(*cut_len)++] = *text++;
		len--;
		size_t done = put_text(t->fp, cut, *cut_len, false);
		memmove(cut, cut + done, *cut_len - done);
		*cut_len -= done;
	}
	if (*cut_len && all)
		put_text(t->fp, cut, *cut_len, true);
	size_t done = put_text(t->fp, text, len, all);
	if (done < len) {
		*cut_len = len - done;
		memcpy(cut, text + done, *cut_len);
	}
	fputs("\"]\n", t->fp);
}

static void tap(mexp_h *h, char direction, const char *bytes, size_t len)
{
	struct mx_transcript *t = h->state->transcript;
	if (t->format == MEXP_TRANSCRIPT_ASCIICAST)
		put_event(t, direction, bytes, len, false);
	else if (direction == 'o')
		fwrite(bytes, 1, len, t->fp);
}

void mx_transcript_end(mexp_h *h)
{
	struct mx_transcript *t = h->state->transcript;
	if (!t)
		return;
	for (int i = 0; i < 2; i++)
		if (t->cut_len[i])
			put_event(t, "oi"[i], "", 0, true);
	fflush(t->fp);
	free(t);
	h->state->transcript = NULL;
	h->state->tap = NULL;
}

int mexp_set_transcript(mexp_h *h, FILE *fp, enum mexp_transcript format)
{
	struct winsize w = { 0 };
	mx_transcript_end(h);
	if (!fp)
		return 0;
	struct mx_transcript *t = calloc(1, sizeof(*t));
	if (!t)
		return -1;
	*t = (struct mx_transcript){ .fp = fp, .format = format, .start = monotonic_ns() };
	if (format == MEXP_TRANSCRIPT_ASCIICAST) {
		if (ioctl(h->fd, TIOCGWINSZ, &w) < 0 || !w.ws_col || !w.ws_row)
			w = (struct winsize){ .ws_row = 24, .ws_col = 80 };
		fprintf(fp, "{\"version\": 2, \"width\": %d, \"height\": %d, \"timestamp\": %lld}\n",
			w.ws_col, w.ws_row, (long long)time(NULL));
	}
	h->state->transcript = t;
	h->state->tap = tap;
	return ferror(fp) ? (errno = EIO, -1) : 0;
}
