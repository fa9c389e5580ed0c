/* SPDX-License-Identifier: BSD-2-Clause */
/* What is different on the disk at the end of a step, and what was left at the end of all. */
#include <inttypes.h>
#include <string.h>
#include "stats/hist.h"
#include "story/changes.h"
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
	return strncmp(format, "ext", 3) == 0 || strcmp(format, "xfs") == 0 || strcmp(format, "btrfs") == 0 || strcasestr(format, "fat") ||
	       strcmp(format, "ntfs") == 0;
}

/* What is no file system; NULL: its name says it. */
static const char *other_words(const char *format)
{
	static const struct { const char *format, *words; } others[] = {
		{ "swap", "swap space" }, { "lvm2", "a physical volume of LVM2" }, { "luks1", "a LUKS header (version 1)" },
		{ "luks2", "a LUKS header (version 2)" }, { "jbd2", "a journal for ext4 elsewhere (jbd2)" },
		{ "bios-boot", "room for a boot loader" },
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(others[i].format, format) == 0)
			return others[i].words;
	return strncmp(format, "md", 2) == 0 ? "a part of an MD array" : NULL;
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
	if (other_words(v->format)) {
		buf_printf(b, "%s", other_words(v->format));
		return;
	}
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

enum moment { BEGINS, ENDS, IS_LEFT };

/* That a file system is not clean, is so again, or was left so: by what it has for a crash. */
static void tell_dirty(struct story *st, struct story_step *s, const struct reach *r, const struct know_map *m, unsigned volume,
	enum moment when)
{
	const char *format = m->volume[volume].format;
	bool btrfs = strcmp(format, "btrfs") == 0; /* which says no more than that it has a log, mounted or not */
	bool journal = strcmp(format, "ext3") == 0 || strcmp(format, "ext4") == 0, log = strcmp(format, "xfs") == 0;
	const char *what = journal ? "its journal is to be played" : log ? "its log is to be played" : "it is to be checked";
	struct buf b = { .limit = SENTENCE_MAX };

	put_system(&b, m, volume);
	if (btrfs && when == ENDS)
		story_say(st, s, SAYS_STATE, r, "%s has no log any more: what that held is in its trees now", buf_str(&b));
	else if (btrfs)
		story_say(st, s, SAYS_STATE, r, "%s has a log%s: after a crash that is to be played", buf_str(&b),
			  when == BEGINS ? " now" : "");
	else if (when == ENDS)
		story_say(st, s, SAYS_STATE, r, "%s is marked clean", buf_str(&b));
	else if (when == BEGINS)
		story_say(st, s, SAYS_STATE, r, "from now on %s says that it is in use: after a crash %s", buf_str(&b), what);
	else
		story_say(st, s, SAYS_STATE, r, "%s was not unmounted: %s", buf_str(&b), what);
	buf_free(&b);
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
		} else if (was && v->format && v->dirty != was->dirty && is_system(v->format)) {
			tell_dirty(st, s, &s->reach, f->end, (unsigned)i, v->dirty ? BEGINS : ENDS);
			told++;
		}
		if (was && !other && v->format && strcmp(v->name, was->name) != 0) {
			b.len = 0;
			words_volume(&b, f->end, (unsigned)i);
			story_say(st, s, SAYS_STATE, &s->reach, "%s is called \"%s\" now%s%s%s", buf_str(&b), v->name,
				  *was->name ? ", no longer \"" : "", was->name, *was->name ? "\"" : "");
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
		else if (other_words(v->format))
			story_say(st, s, SAYS_STATE, &s->reach, "%s no longer holds %s", buf_str(&b), other_words(v->format));
		else
			story_say(st, s, SAYS_STATE, &s->reach, "%s no longer holds %s %s%s", buf_str(&b), article(v->format), v->format,
				  is_system(v->format) ? " file system" : is_table(v->format) ? " partition table" : "");
		told++;
	}
	buf_free(&b);
}

/* --- files --- */

/* "3 files and 1 directory" */
static void put_counts(struct buf *b, const struct change_list *l)
{
	const struct { uint64_t n; const char *what; } parts[] = { { l->files, "file" }, { l->dirs, "directory" },
		{ l->links, "symbolic link" } };
	size_t n = (l->files > 0) + (l->dirs > 0) + (l->links > 0), told = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].n) {
			buf_printf(b, "%s", words_link(told++, n));
			words_count(b, parts[i].n, parts[i].what);
		}
}

static void put_sizes(struct buf *b, uint64_t from, uint64_t to)
{
	buf_printf(b, " (");
	words_size(b, from);
	buf_printf(b, " to ");
	words_size(b, to);
	buf_printf(b, ")");
}

/* One of those that are named, behind its path. */
static void put_change(struct buf *b, const struct facts *f, enum change change, const struct change_list *l, unsigned i)
{
	const struct know_file *was = l->was[i] < f->begin->files ? &f->begin->file[l->was[i]] : NULL;
	const struct know_file *is = l->is[i] < f->end->files ? &f->end->file[l->is[i]] : NULL;

	if (!was || !is)
		return;
	switch (change) {
	case CH_RENAMED:
		buf_printf(b, " to ");
		words_path(b, f->end, l->is[i]);
		buf_printf(b, l->over[i] ? " (in place of the one that had that name)" : "");
		break;
	case CH_GREW:
	case CH_SHRANK:
		put_sizes(b, was->size, is->size);
		break;
	case CH_SPACE:
		put_sizes(b, l->space_was[i], l->space_is[i]);
		break;
	case CH_LINKS:
		buf_printf(b, " (%u to %u)", was->links, is->links);
		break;
	case CH_MODE:
		buf_printf(b, " (0%03o to 0%03o)", was->mode & 07777u, is->mode & 07777u);
		break;
	default:
		break;
	}
}

/* "5 files are new, among them /a, /b and /c"; "1 file was renamed: /a to /b". */
static void tell_change(struct story *st, struct story_step *s, const struct facts *f, const struct change_list *l, enum change change)
{
	static const struct { const char *one, *many; } says[CHANGES] = {
		[CH_NEW] = { "is new", "are new" }, [CH_GONE] = { "is gone", "are gone" }, [CH_RENAMED] = { "was renamed", "were renamed" },
		[CH_REPLACED] = { "was replaced by another of that name", "were replaced by others of the same names" },
		[CH_GREW] = { "grew", "grew" }, [CH_SHRANK] = { "shrank", "shrank" },
		[CH_SPACE] = { "kept its length, but not its space on the disk", "kept their lengths, but not their space on the disk" },
		[CH_LINKS] = { "has more or fewer names (hard links)", "have more or fewer names (hard links)" },
		[CH_MODE] = { "has other permissions", "have other permissions" },
	};
	const struct know_map *m = change == CH_NEW ? f->end : f->begin;
	uint64_t all = l->files + l->dirs + l->links;
	struct buf b = { .limit = SENTENCE_MAX };

	if (!all)
		return;
	put_counts(&b, l);
	buf_printf(&b, " %s%s", all == 1 ? says[change].one : says[change].many, all > l->names ? ", among them " : ": ");
	for (unsigned i = 0; i < l->names; i++) {
		buf_printf(&b, "%s", words_link(i, l->names));
		words_path(&b, m, change == CH_NEW ? l->is[i] : l->was[i]);
		put_change(&b, f, change, l, i);
	}
	story_say(st, s, SAYS_STATE, &s->reach, "%s", buf_str(&b));
	buf_free(&b);
}

static void tell_files(struct story *st, struct story_step *s, const struct facts *f)
{
	struct changes c;

	changes_find(&c, f->begin, f->end, &f->written);
	for (unsigned i = 0; i < CHANGES && !c.failed; i++)
		tell_change(st, s, f, &c.of[i], (enum change)i);
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
	if (same && f->begin)
		tell_files(st, s, f);
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
	for (size_t i = 0; m && i < m->volumes && i < TOLD_VOLUMES; i++)
		if (m->volume[i].format && m->volume[i].dirty && is_system(m->volume[i].format))
			tell_dirty(st, s, all, m, (unsigned)i, IS_LEFT);
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
