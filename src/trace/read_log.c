/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "trace/quick_line.h"

#define STAMP_LEN 26             /* "2018-01-27 20:38:22.959984" */
#define CLOCK_SET_BACK NS_PER_S  /* a smaller step is threads overtaking each other */

/* What is left of a line.  Every take_ function moves p only when it succeeds. */
struct text {
	const char *p, *end;
};

static bool take_str(struct text *t, const char *s, size_t n)
{
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, s, n))
		return false;
	t->p += n;
	return true;
}
#define take(t, s) take_str((t), "" s, sizeof(s) - 1)

/* Exactly n digits at p, or -1. */
static int digits(const char *p, int n)
{
	int v = 0;
	while (n-- > 0) {
		unsigned d = (unsigned char)*p++ - '0';
		if (d > 9)
			return -1;
		v = v * 10 + (int)d;
	}
	return v;
}

const uint8_t log_digit_of[256] = {
	['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ['a'] = 11, 12, 13, 14, 15, 16, ['A'] = 11, 12, 13, 14, 15, 16,
};

/* Both return the end of the digits, or NULL for none or too many. */
static const char *hex_number(const char *p, const char *end, uint64_t *v)
{
	const char *first = p;
	uint64_t n = 0;

	for (unsigned d; p < end && (d = log_digit_of[(unsigned char)*p]); p++) {
		if (n >> 60)
			return NULL;
		n = n << 4 | (d - 1);
	}
	*v = n;
	return p > first ? p : NULL;
}

static const char *decimal_number(const char *p, const char *end, uint64_t *v)
{
	const char *first = p;
	uint64_t n = 0;

	for (unsigned d; p < end && (d = (unsigned)(*p - '0')) < 10; p++) {
		if (n > (UINT64_MAX - d) / 10)
			return NULL;
		n = n * 10 + d;
	}
	*v = n;
	return p > first ? p : NULL;
}

/* A whole value: decimal or 0x hex, up to a space or the end of the line. */
static bool take_number(struct text *t, uint64_t *v)
{
	const char *p = t->p;
	bool hex = t->end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
	uint64_t n;

	p = hex ? hex_number(p + 2, t->end, &n) : decimal_number(p, t->end, &n);
	if (!p || (p < t->end && *p != ' '))
		return false;
	*v = n;
	t->p = p;
	return true;
}

/* Days since 1970-01-01 of a date in the Gregorian calendar. */
static int64_t days_from_date(int y, int m, int d)
{
	y -= m <= 2;
	int era = y / 400, yoe = y % 400;
	int doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return (int64_t)era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* The date rarely changes from one line to the next, so it is understood once. */
static bool day_known(struct log_reader *r, const char *p)
{
	if (r->day[0] && !memcmp(p, r->day, sizeof r->day))
		return true;
	int y = digits(p, 4), m = digits(p + 5, 2), d = digits(p + 8, 2);
	if (y < 1970 || y > 2500 || m < 1 || m > 12 || d < 1 || d > 31 || p[4] != '-' || p[7] != '-')
		return false;
	memcpy(r->day, p, sizeof r->day);
	r->day_ns = (uint64_t)days_from_date(y, m, d) * 86400 * NS_PER_S;
	return true;
}

static bool take_stamp(struct log_reader *r, struct text *t, uint64_t *ns)
{
	const char *p = t->p;
	if (t->end - p < STAMP_LEN + 1 || p[STAMP_LEN] != ' ' || !day_known(r, p))
		return false;
	int h = digits(p + 11, 2), m = digits(p + 14, 2), s = digits(p + 17, 2), us = digits(p + 20, 6);
	if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60 || us < 0 ||
	    p[10] != ' ' || p[13] != ':' || p[16] != ':' || p[19] != '.')
		return false;
	r->second_ns = r->day_ns + (uint64_t)(h * 3600 + m * 60 + s) * NS_PER_S;
	memcpy(r->second, p, sizeof r->second);
	*ns = r->second_ns + (uint64_t)us * NS_PER_US;
	t->p = p + STAMP_LEN + 1;
	return true;
}

/* Step over one `key=value` and the spaces behind it.  A value may hold "quoted text" and
 * (bash arrays) with spaces in them. */
static void skip_token(struct text *t)
{
	bool quoted = false;
	int depth = 0;

	for (; t->p < t->end; t->p++) {
		char c = *t->p;
		if (quoted) {
			if (c == '\\' && t->end - t->p > 1)
				t->p++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '(') {
			depth++;
		} else if (c == ')' && depth > 0) {
			depth--;
		} else if (c == ' ' && !depth) {
			break;
		}
	}
	while (t->p < t->end && *t->p == ' ')
		t->p++;
}

static const struct {
	const char *word;
	uint8_t flag;
	uint8_t ops; /* bits: operations that have it */
} flags[] = {
	{ "fua=1", EVF_FUA, 1u << EV_WRITE | 1u << EV_TRIM | 1u << EV_ZERO },
	{ "trim=0", EVF_NO_HOLE, 1u << EV_ZERO },
	{ "fast=1", EVF_FAST, 1u << EV_ZERO },
	{ "req_one=1", EVF_REQ_ONE, 1u << EV_EXTENTS },
};

static void take_flag(struct text *t, struct event *ev)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct text u = *t;
		if (flags[i].ops >> ev->op & 1 && take_str(&u, flags[i].word, strlen(flags[i].word)) && u.p < u.end && *u.p == ' ')
			ev->flags |= flags[i].flag;
	}
}

static bool parse_begin(struct text *t, struct event *ev)
{
	bool ranged = ev->op != EV_FLUSH, has_id = false, has_off = !ranged, has_len = !ranged;

	while (t->p < t->end && !take(t, "...")) {
		if (take(t, "id="))
			has_id = take_number(t, &ev->id);
		else if (take(t, "offset="))
			has_off = take_number(t, &ev->off);
		else if (take(t, "count="))
			has_len = take_number(t, &ev->len);
		else
			take_flag(t, ev);
		skip_token(t);
	}
	ev->kind = EV_BEGIN;
	return has_id && has_off && has_len && t->p == t->end && t->p[-1] == '.';
}

static const struct {
	const char *name;
	int err;
} errors[] = {
	{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EDQUOT", ENOSPC }, { "EFBIG", ENOSPC }, { "EPERM", EPERM },
	{ "EROFS", EPERM }, { "EINVAL", EINVAL }, { "ENOMEM", ENOMEM }, { "ESHUTDOWN", ESHUTDOWN },
	{ "ENOTSUP", ENOTSUP }, { "EOPNOTSUPP", ENOTSUP }, { "EOVERFLOW", EOVERFLOW },
};

/* `EIO` now, `(EROFS=>EPERM)` in 2018; the server's own word comes first.  An unknown
 * name is still a failure. */
static int take_error(struct text *t)
{
	size_t n = 0, left = (size_t)(t->end - t->p);
	while (n < left && t->p[n] != ' ' && t->p[n] != ')' && t->p[n] != '=')
		n++;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (strlen(errors[i].name) == n && !memcmp(t->p, errors[i].name, n))
			return errors[i].err;
	return EINVAL;
}

static bool parse_end(struct text *t, struct event *ev)
{
	bool has_id = false, has_return = false, failed = false;

	ev->kind = EV_END;
	while (t->p < t->end) {
		if (take(t, "id=")) {
			has_id = take_number(t, &ev->id);
		} else if (take(t, "return=0")) {
			has_return = t->p == t->end || *t->p == ' ';
		} else if (take(t, "return=-1")) {
			has_return = failed = true;
			ev->err = EINVAL;
		} else if (failed && (take(t, "error=") || take(t, "("))) {
			ev->err = take_error(t);
		}
		skip_token(t);
	}
	return has_id && has_return;
}

static bool parse_connect(struct text *t, struct event *ev)
{
	ev->kind = EV_CONNECT;
	while (t->p < t->end) {
		if (take(t, "size="))
			ev->sized = take_number(t, &ev->len);
		skip_token(t);
	}
	return true;
}

static bool parse_lost(struct text *t, struct event *ev)
{
	ev->kind = EV_LOST;
	return take(t, "lines=") && take_number(t, &ev->len);
}

struct word {
	const char *name;
	uint8_t len, op, kind;
	bool request; /* has a begin and an end, belongs to a connection */
};
#define REQUEST(s, o) { s, sizeof(s) - 1, o, EV_BEGIN, true }
#define OTHER(s, k) { s, sizeof(s) - 1, 0, k, false }

static const struct word words[] = {
	REQUEST("Read", EV_READ), REQUEST("Write", EV_WRITE), REQUEST("Flush", EV_FLUSH),
	REQUEST("Trim", EV_TRIM), REQUEST("Zero", EV_ZERO), REQUEST("Extents", EV_EXTENTS),
	REQUEST("Cache", EV_CACHE), OTHER("Connect", EV_CONNECT), OTHER("Disconnect", EV_DISCONNECT),
	OTHER("Ready", EV_START), OTHER("Fork", EV_NOTE), OTHER("ListExports", EV_NOTE),
	OTHER("Preconnect", EV_NOTE), OTHER("Lost", EV_LOST),
};

static const struct word *take_word(struct text *t)
{
	size_t n = 0, left = (size_t)(t->end - t->p);
	while (n < left && t->p[n] != ' ')
		n++;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (words[i].len == n && !memcmp(words[i].name, t->p, n)) {
			t->p += n + (n < left);
			return &words[i];
		}
	}
	return NULL;
}

bool log_parse_line(struct log_reader *r, const char *p, size_t n, struct event *ev)
{
	struct text t = { p, p + n };

	*ev = (struct event){ 0 };
	if (!take_stamp(r, &t, &ev->time))
		return false;
	bool connected = take(&t, "connection=");
	if (connected && !(take_number(&t, &ev->conn) && take(&t, " ")))
		return false;
	bool leave = take(&t, "...");
	const struct word *w = take_word(&t);
	if (!w)
		return false;
	ev->op = w->op;
	ev->kind = w->kind;
	if (w->request)
		return connected && (leave ? parse_end(&t, ev) : parse_begin(&t, ev));
	if (w->kind == EV_CONNECT)
		return connected && parse_connect(&t, ev);
	if (w->kind == EV_LOST)
		return parse_lost(&t, ev);
	return w->kind != EV_DISCONNECT || connected;
}

/* Time never runs backwards in what we hand out.  A few microseconds back is two threads
 * overtaking each other: both happened now.  A second or more means that somebody set the
 * clock: go on from here with the new clock. */
static void straighten(struct log_reader *r, struct event *ev)
{
	uint64_t t = ev->time + r->shift;

	if (t < r->time) {
		r->backwards++;
		if (r->time - t >= CLOCK_SET_BACK) {
			r->set_back++;
			r->shift += r->time - t;
		}
		t = r->time;
	}
	r->time = ev->time = t;
}

bool log_next(struct log_reader *r, const char **p, const char *end, struct event *ev)
{
	while (*p < end) {
		const char *line = *p, *nl = memchr(line, '\n', (size_t)(end - line));

		if (!nl) {
			if (r->in_overlong || end - line > LOG_LINE_MAX) {
				r->in_overlong = true;
				*p = end;
			}
			return false;
		}
		*p = nl + 1;
		r->lines++;
		if (r->in_overlong || nl - line > LOG_LINE_MAX) {
			r->in_overlong = false;
			r->overlong++;
			continue;
		}
		if (!quick_line(r, line, (size_t)(nl - line), ev) && !log_parse_line(r, line, (size_t)(nl - line), ev)) {
			r->bad++;
			continue;
		}
		straighten(r, ev);
		r->line = line;
		r->line_len = (size_t)(nl - line);
		if (ev->kind == EV_LOST)
			r->lost += MIN(ev->len, UINT64_MAX - r->lost);
		return true;
	}
	return false;
}

bool log_export(const char *line, size_t n, char *to, size_t room)
{
	struct text t = { line, line + n };
	size_t len = 0;

	while (t.p < t.end && !take(&t, "export=\""))
		skip_token(&t);
	if (t.p == t.end || t.p == line)
		return false;
	for (; t.p < t.end && *t.p != '"'; t.p++) {
		if (*t.p == '\\' && t.end - t.p > 1)
			t.p++;
		if (len + 1 < room)
			to[len++] = *t.p;
	}
	to[len] = 0;
	return t.p < t.end;
}
