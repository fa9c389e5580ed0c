/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as the events of a recording, or as a log, on a disk that is known: into a story, and that as text, JSON, Markdown and a page.
 *
 * The input: a byte (1: odd events, else a log; 2: the disk is known at the end only; 4: steps are cut at pauses of 1 ms, else of 1 s),
 * 2 bytes, how many bytes the disk begins with (the rest is zeroes), these, and the events.  The disk at the beginning has the first
 * half of these bytes.  Aims at src: story/.* cmd/story_out */
#include <string.h>
#include "base/bytes.h"
#include "cmd/story.h"
#include "fuzz/input.h"
#include "story/cut.h"
#include "trace/read_log.h"

#define DISK_SIZE ((uint64_t)4 << 20)

struct bytes {
	const uint8_t *p;
	size_t n;
};

static int read_bytes(void *arg, uint64_t off, uint32_t len, void *to)
{
	const struct bytes *b = arg;

	memset(to, 0, len);
	if (off < b->n)
		memcpy(to, b->p + off, MIN((uint64_t)len, b->n - off));
	return 0;
}

static struct know_map *map_of(const uint8_t *p, size_t n)
{
	struct bytes b = { p, n };
	struct know_disk d = { .size = DISK_SIZE, .read = read_bytes, .arg = &b };
	struct err e;
	return know_disk_map(&d, &e);
}

/* ---- events, of either kind ---- */

struct events {
	bool recorded;
	struct rec_decoder rec;
	struct log_reader log;
	const char *p, *end;
	uint64_t start;
	bool any;
};

static struct events open_events(const uint8_t *p, size_t n, bool recorded)
{
	return (struct events){ .recorded = recorded, .rec = { .p = p, .end = p + n }, .p = (const char *)p, .end = (const char *)p + n };
}

static bool next(struct events *v, struct rec_event *e)
{
	static const uint8_t types[] = { [EV_BEGIN] = REC_BEGIN, [EV_END] = REC_END, [EV_CONNECT] = REC_CONNECT,
					 [EV_DISCONNECT] = REC_DISCONNECT, [EV_LOST] = REC_LOSS };
	struct event ev;

	if (v->recorded)
		return rec_decode(&v->rec, e);
	while (log_next(&v->log, &v->p, v->end, &ev))
		if (ev.kind < ARRAY_LEN(types) && types[ev.kind]) {
			v->start = v->any ? v->start : ev.time;
			v->any = true;
			*e = (struct rec_event){ .time = ev.time > v->start ? ev.time - v->start : 0, .conn = ev.conn, .id = ev.id,
				.op = ev.op, .off = ev.off, .len = ev.len, .err = (uint32_t)ev.err, .type = types[ev.kind] };
			return true;
		}
	return false;
}

/* ---- the story ---- */

struct tale {
	struct cutter cutter;
	struct story story;
	struct session session;
	struct former former;
	struct know_map *begin, *end;
	bool given;
};

static void cut(struct tale *t, struct events v)
{
	struct rec_event e;

	for (uint64_t number = 0; next(&v, &e); number++)
		cutter_event(&t->cutter, &e, number);
	cutter_end(&t->cutter);
}

static void tell_step(struct tale *t, const struct cut *c, struct facts *f, struct reach *all, uint64_t changes, bool last)
{
	struct story_step *s = story_add(&t->story, c ? c->name : NULL, c && c->name ? strlen(c->name) : 0);

	if (s && c)
		s->reach = (struct reach){ c->event, c->event, c->time, c->time };
	if (s)
		story_tell(&t->story, s, f, &t->session, changes);
	reach_add(all, &f->reach);
	if (last && !t->given)
		former_step(&t->former, t->begin, t->end, &f->written, &f->emptied);
	facts_free(f);
}

/* The disk changes in the last step. */
static void tell(struct tale *t, struct events v)
{
	const struct cut *at = t->cutter.marks ? t->cutter.mark : t->cutter.gap, *now = NULL;
	unsigned cuts = t->cutter.marks ? t->cutter.marks : t->cutter.gaps, i = 0;
	const struct facts fresh = { .begin = t->begin, .end = t->begin, .given = t->given, .former = &t->former };
	struct facts f = fresh;
	struct reach all = { 0 };
	struct rec_event e;
	uint64_t changes = 0;

	f.end = cuts ? t->begin : t->end;
	for (uint64_t number = 0; next(&v, &e); number++) {
		for (; i < cuts && at[i].event <= number; i++) {
			tell_step(t, now, &f, &all, changes, false);
			changes = t->session.changes;
			now = &at[i];
			f = fresh;
			f.end = i + 1 < cuts ? t->begin : t->end;
		}
		facts_event(&f, &t->session, &e, number);
	}
	tell_step(t, now, &f, &all, changes, true);
	struct story_step *s = story_add(&t->story, NULL, 0);
	if (s)
		story_end(&t->story, s, t->end, &t->session, &all);
}

/* ---- its forms ---- */

static void check_plain(struct buf *b)
{
	for (size_t i = 0; i < b->len; i++)
		MUST((unsigned char)b->p[i] >= 0x20 || b->p[i] == '\n');
	b->len = 0;
}

static void put(const struct tale *t)
{
	struct buf b = { .limit = 64 << 20 };
	const struct telling all = { .name = "a<b>\033\".log", .notes = "a\nb\n", .how = "fuzzed",
		.cut = t->cutter.marks ? "marks" : "pauses", .wall = 1, .length = t->cutter.last, .events = t->cutter.events,
		.size = t->session.size, .columns = 80, .story = &t->story };

	for (unsigned i = 0; i < t->story.steps; i++)
		for (unsigned k = 0; k < t->story.step[i].n; k++)
			MUST(strlen(t->story.step[i].at[k].text) <= SENTENCE_MAX && t->story.step[i].at[k].kind < STORY_KINDS);
	MUST(story_text(&b, &all));
	check_plain(&b);
	MUST(story_json(&b, &all));
	check_plain(&b);
	MUST(story_markdown(&b, &all));
	check_plain(&b);
	MUST(story_html(&b, &all) && !strstr(buf_str(&b), "<b>") && !strstr(buf_str(&b), "<script"));
	check_plain(&b);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 3)
		return 0;
	static struct tale t;
	bool recorded = p[0] & 1;
	size_t disk = MIN((size_t)get_le16(p + 1), n - 3);

	t = (struct tale){ .given = p[0] & 2, .cutter.pause = p[0] & 4 ? NS_PER_MS : NS_PER_S };
	t.end = map_of(p + 3, disk);
	t.begin = t.given ? t.end : map_of(p + 3, disk / 2);
	const struct events v = open_events(p + 3 + disk, n - 3 - disk, recorded);
	cut(&t, v);
	tell(&t, v);
	put(&t);
	story_free(&t.story);
	session_free(&t.session);
	former_free(&t.former);
	cutter_free(&t.cutter);
	if (!t.given)
		know_free(t.begin);
	know_free(t.end);
	return 0;
}
