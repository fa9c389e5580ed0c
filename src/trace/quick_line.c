/* SPDX-License-Identifier: BSD-2-Clause */
#include <endian.h>
#include <string.h>
#include "base/util.h"
#include "trace/quick_line.h"

#define SHORTEST 53 /* STAMP connection=1 Flush id=1 ... */
#define FRACTION 19 /* where the stamp's ".dddddd " is */

/* Eight bytes, the first of them lowest. */
static uint64_t load(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

/* What is left of a line, up to the newline at end. */
struct rest {
	const char *p, *end;
};

static inline bool take_str(struct rest *t, const char *s, size_t n)
{
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, s, n))
		return false;
	t->p += n;
	return true;
}
#define take(t, s) take_str((t), "" s, sizeof(s) - 1)

/* Both take the digits of a number, too few to be too large, and the space behind them.  The
 * newline at the line's end stops them. */
static inline bool take_decimal(struct rest *t, uint64_t *v)
{
	const char *p = t->p;
	uint64_t n = 0;

	for (unsigned d; (d = (unsigned)(*p - '0')) < 10; p++)
		n = n * 10 + d;
	if (p == t->p || p - t->p > 18 || *p != ' ')
		return false;
	*v = n;
	t->p = p + 1;
	return true;
}

static inline bool take_hex(struct rest *t, uint64_t *v)
{
	const char *p = t->p;
	uint64_t n = 0;

	for (unsigned d; (d = log_digit_of[(unsigned char)*p]); p++)
		n = n << 4 | (d - 1);
	if (p == t->p || p - t->p > 16 || *p != ' ')
		return false;
	*v = n;
	t->p = p + 1;
	return true;
}

bool quick_micros(const char *p, uint32_t *us)
{
	static const char zeros[] = ".000000 ";
	uint64_t v = load(p) ^ load(zeros); /* digits become their values, the rest becomes 0 */
	uint64_t tens = v + 0x0076767676767600;

	if (v & 0xff000000000000ff || (v | tens) & 0x8080808080808080)
		return false;
	v = v * 10 + (v >> 8); /* in every other byte: two digits as a number */
	v = (v & 0x00ff00ff00ff00ff) * 100 + (v >> 16 & 0x00ff00ff00ff00ff);
	v = (v & 0x0000ffff0000ffff) * 10000 + (v >> 32 & 0x0000ffff0000ffff);
	*us = (uint32_t)v / 10; /* of eight digits, 0dddddd0 */
	return true;
}

/* By the low bits of their first letter. */
static const struct word {
	char name[8], mask[8];
	uint8_t len, op;
} words[32] = {
#define WORD(s, o) { s " ", { [0 ... sizeof(s) - 1] = -1 }, sizeof(s), o }
	['R' & 31] = WORD("Read", EV_READ), ['W' & 31] = WORD("Write", EV_WRITE), ['T' & 31] = WORD("Trim", EV_TRIM),
	['Z' & 31] = WORD("Zero", EV_ZERO), ['F' & 31] = WORD("Flush", EV_FLUSH),
};

static inline bool take_word(struct rest *t, uint8_t *op)
{
	const struct word *w = &words[*t->p & 31];

	if (!w->len || t->end - t->p < 8 || (load(t->p) ^ load(w->name)) & load(w->mask))
		return false;
	t->p += w->len;
	*op = w->op;
	return true;
}

/* The flag, if name with the digit when is there; else 0. */
static inline uint8_t take_flag(struct rest *t, const char *name, size_t n, char when, uint8_t flag)
{
	struct rest u = *t;

	if (!take_str(&u, name, n) || u.end - u.p < 2 || (*u.p != '0' && *u.p != '1') || u.p[1] != ' ')
		return 0;
	t->p = u.p + 2;
	return *u.p == when ? flag : 0;
}
#define flag(t, s, when, f) take_flag((t), "" s, sizeof(s) - 1, when, f)

static inline bool begins(struct rest *t, struct event *ev)
{
	ev->kind = EV_BEGIN;
	if (!take(t, "id=") || !take_decimal(t, &ev->id))
		return false;
	if (ev->op != EV_FLUSH && (!take(t, "offset=0x") || !take_hex(t, &ev->off) || !take(t, "count=0x") || !take_hex(t, &ev->len)))
		return false;
	if (ev->op == EV_ZERO)
		ev->flags = flag(t, "trim=", '0', EVF_NO_HOLE);
	if (ev->op != EV_READ && ev->op != EV_FLUSH)
		ev->flags |= flag(t, "fua=", '1', EVF_FUA);
	if (ev->op == EV_ZERO)
		ev->flags |= flag(t, "fast=", '1', EVF_FAST);
	return take(t, "...") && t->p == t->end;
}

static inline bool ends(struct rest *t, struct event *ev)
{
	ev->kind = EV_END;
	return take(t, "id=") && take_decimal(t, &ev->id) && take(t, "return=0") && t->p == t->end;
}

bool quick_line(const struct log_reader *r, const char *p, size_t n, struct event *ev)
{
	struct rest t = { p + FRACTION + 8, p + n };
	uint32_t us;

	if (n < SHORTEST || !r->second[0] || memcmp(p, r->second, sizeof r->second) || !quick_micros(p + FRACTION, &us))
		return false;
	*ev = (struct event){ .time = r->second_ns + us * NS_PER_US };
	if (!take(&t, "connection=") || !take_decimal(&t, &ev->conn))
		return false;
	bool leave = take(&t, "...");
	return take_word(&t, &ev->op) && (leave ? ends(&t, ev) : begins(&t, ev));
}
