/* SPDX-License-Identifier: BSD-2-Clause */
/* fio's iologs, versions 2 and 3: "Trace file format" in fio(1).  What was asked; when it was answered, they don't tell: at once. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "formats/formats.h"

static const char head[] = "fio version ";

static bool is(const uint8_t *p, size_t n)
{
	return n > sizeof head && memcmp(p, head, sizeof head - 1) == 0;
}

/* Digits up to a blank or the end, at most INT64_MAX; moves *p behind the blanks. */
static bool get_number(const char **p, const char *end, uint64_t *v)
{
	const char *q = *p;
	for (*v = 0; q < end && isdigit((unsigned char)*q); q++)
		if (*v > (INT64_MAX - 9) / 10)
			return false;
		else
			*v = *v * 10 + (uint64_t)(*q - '0');
	bool ok = q > *p && (q == end || *q == ' ');
	while (q < end && *q == ' ')
		q++;
	*p = q;
	return ok;
}

static size_t get_word(const char **p, const char *end, const char **word)
{
	const char *q = *p;
	*word = q;
	while (q < end && *q != ' ')
		q++;
	size_t n = (size_t)(q - *word);
	while (q < end && *q == ' ')
		q++;
	*p = q;
	return n;
}

static bool word_is(const char *word, size_t n, const char *what)
{
	return strlen(what) == n && memcmp(word, what, n) == 0;
}

struct reading {
	unsigned version;
	uint64_t us, id;     /* of version 2: waits so far */
};

/* One line; ev->rec.type 0: nothing for us.  False: not understood. */
static bool parse_line(struct reading *r, const char *p, const char *end, struct fmt_event *ev)
{
	static const struct { const char *name; uint8_t op; } ops[] = {
		{ "read", REC_READ }, { "write", REC_WRITE }, { "trim", REC_TRIM }, { "sync", REC_FLUSH }, { "datasync", REC_FLUSH },
	};
	const char *word;
	uint64_t a = 0, b = 0;

	*ev = (struct fmt_event){ 0 };
	if (r->version == 3 && !get_number(&p, end, &r->us))
		return false;
	if (!get_word(&p, end, &word)) /* the file's name: all are one disk */
		return false;
	size_t n = get_word(&p, end, &word);
	if (word_is(word, n, "add") || word_is(word, n, "open") || word_is(word, n, "close"))
		return true;
	if (p < end && (!get_number(&p, end, &a) || (p < end && !get_number(&p, end, &b))))
		return false;
	if (r->version == 2 && word_is(word, n, "wait")) {
		r->us = MIN(r->us + a, (uint64_t)INT64_MAX / NS_PER_US);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (word_is(word, n, ops[i].name)) {
			bool flush = ops[i].op == REC_FLUSH;
			ev->rec = (struct rec_event){ .type = REC_BEGIN, .time = MIN(r->us, INT64_MAX / NS_PER_US) * NS_PER_US,
				.conn = 1, .id = ++r->id,
				.op = ops[i].op, .off = flush ? 0 : a, .len = flush ? 0 : b };
			return a <= INT64_MAX && b <= INT64_MAX - a && p == end;
		}
	return false;
}

static int walk(struct fmt_in *in, fmt_see *see, void *arg, struct err *e)
{
	struct reading r = { 0 };
	uint64_t bad = 0, first = 0, at = 0;
	struct fmt_event ev;
	bool more = true;

	while (more && at < in->source.size) {
		size_t n = (size_t)MIN(in->source.size - at, (uint64_t)FMT_WINDOW_MAX);
		const char *line = (const char *)fmt_window(in, at, n);
		const char *end = line ? memchr(line, '\n', n) : NULL;
		if (!end) {
			fmt_note(in, "at byte %" PRIu64 ": %s", at, line ? "a line without an end: left out" : "cannot be read");
			break;
		}
		if (!r.version) {
			if (!is((const uint8_t *)line, n) || (line[sizeof head - 1] != '2' && line[sizeof head - 1] != '3'))
				return err_set(e, "at byte 0: an iolog of a version that is not known here");
			r.version = line[sizeof head - 1] == '2' ? 2 : 3;
			in->times = true;
		} else if (parse_line(&r, line, end, &ev)) {
			struct fmt_event answer = { .rec = { .type = REC_END, .time = ev.rec.time, .conn = 1, .id = ev.rec.id } };
			size_t length = (size_t)(end - line);
			more = !ev.rec.type || (see(arg, &ev) && see(arg, &answer));
			at += length + 1;
			continue;
		} else {
			first = bad++ ? first : at;
		}
		at += (uint64_t)(end - line) + 1;
	}
	if (bad)
		fmt_note(in, "%" PRIu64 " lines not understood, the first at byte %" PRIu64, bad, first);
	return 0;
}

const struct fmt_reader fmt_in_iolog = {
	.name = "iolog",
	.help = "fio's iolog, versions 2 and 3",
	.is = is,
	.walk = walk,
};
