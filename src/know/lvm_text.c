/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a volume group: sections in braces, and NAME = VALUE where a value is a number, a string or a list of such (lvm.conf(5)).
 * It is walked more than once, and nothing of it is kept but pointers into it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "know/lvm.h"

enum { DEPTH_MAX = 8, VALUES_MAX = 256, MIRRORS_MAX = 64 };

struct word {
	const char *p;             /* into the text */
	size_t n;
};

enum what { ENTER, LEAVE, VALUE };

struct walk {
	const char *p, *end;
	struct word path[DEPTH_MAX]; /* names of the sections that we are in; depth of them */
	unsigned depth;
	struct word name;          /* of the VALUE */
	struct word value[VALUES_MAX];
	unsigned values;
};

static bool is(struct word w, const char *s)
{
	return w.n == strlen(s) && memcmp(w.p, s, w.n) == 0;
}

static bool same(struct word a, struct word b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

static bool begins(struct word w, const char *s)
{
	return w.n >= strlen(s) && memcmp(w.p, s, strlen(s)) == 0;
}

static uint64_t number(struct word w)
{
	uint64_t n = 0;
	for (size_t i = 0; i < w.n && w.p[i] >= '0' && w.p[i] <= '9' && n < UINT64_MAX / 16; i++)
		n = n * 10 + (uint64_t)(w.p[i] - '0');
	return n;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_-.+/", c));
}

/* The next word: a name or number, a string without its quotes, or one character.  n = 0: the end. */
static struct word take(struct walk *w, bool *quoted)
{
	struct word got = { w->end, 0 };

	*quoted = false;
	for (; w->p < w->end && (*w->p <= ' ' || *w->p == '#'); w->p++)
		if (*w->p == '#')
			for (; w->p + 1 < w->end && w->p[1] != '\n'; w->p++)
				;
	if (w->p == w->end)
		return got;
	got.p = w->p;
	if (*w->p == '"') {
		*quoted = true;
		for (got.p = ++w->p; w->p < w->end && *w->p != '"'; w->p++)
			if (*w->p == '\\' && w->p + 1 < w->end)
				w->p++;
		got.n = (size_t)(w->p - got.p);
		w->p += w->p < w->end;
		return got;
	}
	do
		w->p++;
	while (is_name(*got.p) && w->p < w->end && is_name(*w->p));
	got.n = (size_t)(w->p - got.p);
	return got;
}

static void add_value(struct walk *w, struct word v)
{
	if (w->values < VALUES_MAX)
		w->value[w->values++] = v;
}

/* False: the end, or the text is none. */
static bool next(struct walk *w, enum what *what)
{
	bool quoted;
	struct word name = take(w, &quoted), then;

	*what = LEAVE;
	if (is(name, "}") && !quoted)
		return w->depth > 0;
	then = name.n ? take(w, &quoted) : name;
	if (is(then, "{") && !quoted) {
		*what = ENTER;
		if (w->depth == DEPTH_MAX)
			return false;
		w->path[w->depth++] = name;
		return true;
	}
	if (!is(then, "=") || quoted)
		return false;
	*what = VALUE;
	w->name = name;
	w->values = 0;
	then = take(w, &quoted);
	if (!is(then, "[") || quoted) {
		add_value(w, then);
		return then.n || quoted;
	}
	for (;;) {
		then = take(w, &quoted);
		if (!then.n && !quoted)
			return false;
		if (is(then, "]") && !quoted)
			return true;
		if (!is(then, ",") || quoted)
			add_value(w, then);
	}
}

static bool in(const struct walk *w, const char *section, unsigned depth)
{
	return w->depth == depth && is(w->path[1], section);
}

/* --- what is told of --- */

struct group {
	struct know_build *b;
	unsigned volume;
	struct word name;
	uint64_t extent;           /* bytes */
	struct word self;          /* the name that it has for this physical volume */
	uint64_t start;            /* bytes of it: the first extent */
	struct word mirror[MIRRORS_MAX]; /* logical volumes whose every part is whole; mirrors of them */
	unsigned mirrors;
};

static bool same_id(struct word w, const char id[32])
{
	unsigned k = 0;
	for (size_t i = 0; i < w.n; i++)
		if (w.p[i] != '-' && (k == 32 || w.p[i] != id[k++]))
			return false;
	return k == 32;
}

static bool find_group(struct group *g, const char *text, size_t n, const char id[32])
{
	struct walk w = { .p = text, .end = text + n };
	uint64_t start = 0;
	bool self = false;
	enum what what;

	for (; next(&w, &what); w.depth -= what == LEAVE) {
		struct word v = what == VALUE && w.values ? w.value[0] : (struct word){ text, 0 };
		if (what == VALUE && w.depth == 1 && is(w.name, "extent_size"))
			g->extent = number(v) < UINT64_MAX / 1024 ? number(v) * 512 : 0;
		if (what == ENTER && w.depth == 1 && !g->name.n)
			g->name = w.path[0];
		if (what == VALUE && in(&w, "physical_volumes", 3) && is(w.name, "id"))
			self = same_id(v, id);
		if (what == VALUE && in(&w, "physical_volumes", 3) && is(w.name, "pe_start"))
			start = number(v) < UINT64_MAX / 1024 ? number(v) * 512 : 0;
		if (what == LEAVE && in(&w, "physical_volumes", 3) && self) {
			g->self = w.path[2];
			g->start = start;
			self = false;
		}
		if (what == VALUE && in(&w, "logical_volumes", 4) && is(w.name, "type") && (is(v, "raid1") || is(v, "mirror")) &&
		    g->mirrors < MIRRORS_MAX)
			g->mirror[g->mirrors++] = w.path[2];
	}
	return g->self.n && g->extent;
}

/* "root_rimage_0" of a mirror "root" holds what root does. */
static bool is_leg(const struct group *g, struct word lv)
{
	for (unsigned i = 0; i < g->mirrors; i++) {
		size_t n = g->mirror[i].n;
		if (lv.n <= n || !same((struct word){ lv.p, n }, g->mirror[i]))
			continue;
		struct word rest = { lv.p + n, lv.n - n };
		if (begins(rest, "_rimage_") || begins(rest, "_mimage_"))
			return true;
	}
	return false;
}

struct segment {
	struct word lv;
	bool visible;              /* to people; else it is a part of another one */
	uint64_t segments;         /* of the logical volume */
	uint64_t first, count;     /* extents of the logical volume */
	uint64_t stripes;
	bool striped;              /* as opposed to mirrors, pools ... whose extents lie elsewhere */
};

static void add_segment(struct group *g, const struct segment *s, const struct word *value, unsigned values)
{
	char name[80];

	if (!s->striped || !s->stripes || !s->count)
		return;
	for (unsigned i = 0; i + 1 < values; i += 2) {
		uint64_t off, len;
		if (!same(value[i], g->self) || __builtin_mul_overflow(number(value[i + 1]), g->extent, &off) ||
		    __builtin_add_overflow(off, g->start, &off) || __builtin_mul_overflow(s->count / s->stripes, g->extent, &len))
			continue;
		uint64_t room = know_volume(g->b, g->volume)->len;
		snprintf(name, sizeof name, "%.*s/%.*s", (int)MIN(g->name.n, (size_t)128), g->name.p, (int)MIN(s->lv.n, (size_t)128),
			 s->lv.p);
		if (off < room && len > room - off) {
			know_note(g->b, g->volume, "a part of logical volume %s is %" PRIu64 " bytes longer than there is room", name,
				  len - (room - off));
			len = room - off;
		}
		int at = know_add_volume(g->b, g->volume, off, len, 0);
		if (at < 0)
			continue;
		struct know_volume *v = know_volume_set(g->b, (unsigned)at);
		know_text(v->name, sizeof v->name, name, strlen(name), false);
		bool whole = s->stripes == 1 && !s->first && (s->visible || is_leg(g, s->lv));
		if (!whole)
			v->format = s->stripes > 1 ? "lvm2-striped" : "lvm2-part";
		if (!whole)
			know_fill(g->b, (unsigned)at, KNOW_MEMBER);
		else if (s->segments > 1)
			know_note(g->b, g->volume, "logical volume %s lies in %" PRIu64 " pieces: only the first is looked into", name,
				  s->segments);
	}
}

static void add_volumes(struct group *g, const char *text, size_t n)
{
	struct walk w = { .p = text, .end = text + n };
	struct segment s = { 0 };
	enum what what;
	struct word stripes[VALUES_MAX];
	unsigned count = 0;

	for (; next(&w, &what) && !know_stopped(g->b); w.depth -= what == LEAVE) {
		struct word v = what == VALUE && w.values ? w.value[0] : (struct word){ text, 0 };
		if (what == ENTER && in(&w, "logical_volumes", 3))
			s = (struct segment){ .lv = w.path[2] };
		if (what == VALUE && in(&w, "logical_volumes", 3)) {
			s.segments = is(w.name, "segment_count") ? number(v) : s.segments;
			for (unsigned i = 0; is(w.name, "status") && i < w.values; i++)
				s.visible |= is(w.value[i], "VISIBLE");
		}
		if (what == ENTER && in(&w, "logical_volumes", 4)) {
			s.striped = false;
			s.first = s.count = s.stripes = count = 0;
		}
		if (what == VALUE && in(&w, "logical_volumes", 4)) {
			s.first = is(w.name, "start_extent") ? number(v) : s.first;
			s.count = is(w.name, "extent_count") ? number(v) : s.count;
			s.stripes = is(w.name, "stripe_count") ? number(v) : s.stripes;
			s.striped |= is(w.name, "type") && is(v, "striped");
			if (is(w.name, "stripes"))
				memcpy(stripes, w.value, (count = w.values) * sizeof *stripes);
		}
		if (what == LEAVE && in(&w, "logical_volumes", 4))
			add_segment(g, &s, stripes, count);
	}
}

bool lvm_text(struct know_build *b, unsigned volume, const char *text, size_t n, const char id[32])
{
	struct group g = { .b = b, .volume = volume };
	struct know_volume *v = know_volume_set(b, volume);

	if (!id || !find_group(&g, text, n, id))
		return false;
	v->block = (uint32_t)MIN(g.extent, (uint64_t)UINT32_MAX);
	know_text(v->name, sizeof v->name, g.name.p, g.name.n, false);
	add_volumes(&g, text, n);
	return true;
}
