/* SPDX-License-Identifier: BSD-2-Clause */
/* What is different on the disk at the end of a step, and what was left at the end of all. */
#include <inttypes.h>
#include <string.h>
#include "stats/hist.h"
#include "story/story.h"
#include "story/words.h"

enum { TOLD_VOLUMES = 16 };

static const struct know_volume *same_place(const struct know_map *m, const struct know_volume *v)
{
	for (size_t i = 0; m && i < m->volumes; i++)
		if (m->volume[i].off == v->off && m->volume[i].len == v->len && m->volume[i].depth == v->depth)
			return &m->volume[i];
	return NULL;
}

static bool is_table(const char *format) { return strcmp(format, "gpt") == 0 || strcmp(format, "mbr") == 0; }

/* "an ext4", "a swap" */
static const char *article(const char *word)
{
	return strchr("aeiouAEIOU", *word) || strncmp(word, "xfs", 3) == 0 ? "an" : "a";
}

static bool is_system(const char *format)
{
	return strncmp(format, "ext", 3) == 0 || strcmp(format, "xfs") == 0 || strcmp(format, "btrfs") == 0 || strcasestr(format, "fat");
}

static void put_contents(struct buf *b, const struct know_map *m, const struct know_volume *v)
{
	unsigned parts = 0;
	if (is_table(v->format)) {
		for (size_t i = 0; i < m->volumes; i++)
			parts += &m->volume[i] != v && &m->volume[m->volume[i].parent] == v && m->volume[i].partition;
		buf_printf(b, "a partition table (%s) with ", strcmp(v->format, "gpt") == 0 ? "GPT" : "MBR");
		if (parts)
			words_count(b, parts, "partition");
		else
			buf_printf(b, "no partition in it");
		return;
	}
	bool system = is_system(v->format);
	buf_printf(b, "%s %s%s", article(v->format), v->format, system ? " file system" : "");
	if (system && v->block) {
		buf_printf(b, " with blocks of ");
		words_size(b, v->block);
	}
}

/* "the file system of partition 1" */
static void put_system(struct buf *b, const struct know_map *m, unsigned volume)
{
	buf_printf(b, "the file system");
	if (volume) {
		buf_printf(b, " of ");
		words_volume(b, m, volume);
	}
}

static void tell_new_volume(struct story *st, struct story_step *s, const struct facts *f, size_t i, const struct know_volume *was)
{
	const struct know_map *m = f->end;
	const struct know_volume *v = &m->volume[i];
	struct buf b = { .limit = SENTENCE_MAX };

	words_volume(&b, m, (unsigned)i);
	if (!was && i) {
		buf_printf(&b, " is there now: ");
		words_size(&b, v->len);
		buf_printf(&b, " at ");
		words_size(&b, v->off);
		if (v->format) {
			buf_printf(&b, ", with ");
			put_contents(&b, m, v);
		}
	} else {
		buf_printf(&b, " now holds ");
		put_contents(&b, m, v);
	}
	story_say(st, s, SAYS_STATE, &s->reach, "%s", buf_str(&b));
	buf_free(&b);
}

static void tell_volumes(struct story *st, struct story_step *s, const struct facts *f)
{
	struct buf b = { .limit = SENTENCE_MAX };
	unsigned told = 0;

	for (size_t i = 0; i < f->end->volumes && told < TOLD_VOLUMES; i++) {
		const struct know_volume *v = &f->end->volume[i], *was = same_place(f->begin, v);
		bool other = v->format && (!was || !was->format || strcmp(was->format, v->format) != 0 || strcmp(was->id, v->id) != 0);
		if ((!was && i) || other) {
			tell_new_volume(st, s, f, i, was);
			told++;
		} else if (was && v->format && v->dirty != was->dirty) {
			b.len = 0;
			put_system(&b, f->end, (unsigned)i);
			story_say(st, s, SAYS_STATE, &s->reach,
				  v->dirty ? "from now on %s says that it is in use: after a crash its journal is to be played" :
					     "%s is marked clean", buf_str(&b));
			told++;
		}
	}
	for (size_t i = 0; f->begin && i < f->begin->volumes && told < TOLD_VOLUMES; i++) {
		const struct know_volume *v = &f->begin->volume[i], *is = same_place(f->end, v);
		if ((is && (is->format || !v->format)) || (!is && !i))
			continue;
		b.len = 0;
		words_volume(&b, f->begin, (unsigned)i);
		if (!is)
			story_say(st, s, SAYS_STATE, &s->reach, "%s is gone", buf_str(&b));
		else
			story_say(st, s, SAYS_STATE, &s->reach, "%s no longer holds %s %s%s", buf_str(&b), article(v->format), v->format,
				  is_system(v->format) ? " file system" : "");
		told++;
	}
	buf_free(&b);
}

static void tell_files(struct story *st, struct story_step *s, const struct facts *f, bool gone)
{
	const struct know_map *m = gone ? f->begin : f->end;
	struct buf b = { .limit = SENTENCE_MAX };
	struct changes c;

	if (!m)
		return;
	changes_find(&c, m, gone ? f->end : f->begin);
	if (c.failed || !(c.files || c.dirs))
		return;
	if (c.files)
		words_count(&b, c.files, "file");
	if (c.dirs) {
		buf_printf(&b, c.files ? " and " : "");
		words_count(&b, c.dirs, "directory");
	}
	buf_printf(&b, c.files + c.dirs == 1 ? " is %s: " : c.files + c.dirs > c.names ? " are %s, among them " : " are %s: ",
		   gone ? "gone" : "new");
	for (unsigned i = 0; i < c.names; i++) {
		buf_printf(&b, "%s", i == 0 ? "" : i + 1 == c.names ? " and " : ", ");
		words_path(&b, m, c.named[i]);
	}
	story_say(st, s, SAYS_STATE, &s->reach, "%s", buf_str(&b));
	buf_free(&b);
}

void story_state(struct story *st, struct story_step *s, const struct facts *f)
{
	if (!f->end || f->begin == f->end)
		return;
	tell_volumes(st, s, f);
	/* a file system that was just made or lost: its files are no news */
	bool same = true;
	for (size_t i = 0; i < f->end->volumes && same; i++) {
		const struct know_volume *v = &f->end->volume[i], *was = same_place(f->begin, v);
		same = !v->format || (was && was->format && strcmp(was->id, v->id) == 0);
	}
	for (size_t i = 0; f->begin && i < f->begin->volumes && same; i++) {
		const struct know_volume *is = same_place(f->end, &f->begin->volume[i]);
		same = !f->begin->volume[i].format || (is && is->format);
	}
	if (same && f->begin) {
		tell_files(st, s, f, false);
		tell_files(st, s, f, true);
	}
}

void story_end(struct story *st, struct story_step *s, const struct know_map *m, const struct session *ss, const struct reach *all)
{
	struct buf b = { .limit = SENTENCE_MAX };
	struct reach after = *all;

	if (ss->answered > ss->durable) {
		after.first = ss->last_flush.last;
		after.begin = ss->last_flush.end ? ss->last_flush.end : all->begin;
		words_size(&b, ss->answered - ss->durable);
		story_say(st, s, SAYS_STATE, &after, "%s that had been written are not covered by a flush%s: a crash here could lose them",
			  buf_str(&b), ss->last_flush.end ? "" : ", as there was none");
	} else if (ss->answered) {
		story_say(st, s, SAYS_STATE, &ss->last_flush, "all that was written is covered by a flush");
	}
	for (size_t i = 0; m && i < m->volumes && i < TOLD_VOLUMES; i++) {
		if (!m->volume[i].format || !m->volume[i].dirty)
			continue;
		b.len = 0;
		put_system(&b, m, (unsigned)i);
		story_say(st, s, SAYS_STATE, all, "%s was not unmounted: its journal is to be played", buf_str(&b));
	}
	if (ss->flight.count || ss->abandoned) {
		b.len = 0;
		words_count(&b, sat_add(ss->flight.count, ss->abandoned), "request");
		story_say(st, s, SAYS_TROUBLE, all, "of %s no answer was seen", buf_str(&b));
	}
	if (ss->lost) {
		b.len = 0;
		words_count(&b, ss->lost, "event");
		story_say(st, s, SAYS_TROUBLE, all, "%s are missing: whoever wrote this file lost them", buf_str(&b));
	}
	buf_free(&b);
}
