/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <string.h>
#include "base/util.h"
#include "cmd/explain.h"
#include "view/fmt.h"

enum { WORDS = 1024, SHARES = 10 /* that are named */ };

static int digits_of(uint64_t n)
{
	return snprintf(NULL, 0, "%" PRIu64, n);
}

static double percent(uint64_t part, uint64_t of)
{
	return of ? 100.0 * (double)part / (double)of : 0;
}

/* Columns of the text that a person reads, not of its bytes. */
static int columns(const char *s)
{
	int n = 0;
	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* --- offsets --- */

static void say_where(FILE *out, const struct know_map *m, const struct know_region *r, uint64_t place)
{
	const struct know_volume *v = &m->volume[r->volume];
	char words[160];

	fprintf(out, "  in        %s", know_volume_words(m, r->volume, words, sizeof words));
	if (v->format || v->name[0])
		fprintf(out, " (%s%s%s)", v->format ? v->format : "", v->format && v->name[0] ? ", " : "", v->name);
	if (r->volume || v->block > 1)
		fprintf(out, ":");
	if (r->volume)
		fprintf(out, " byte %" PRIu64, place - v->off);
	if (v->block > 1)
		fprintf(out, "%s block %" PRIu64, r->volume ? "," : "", (place - v->off) / v->block);
	fprintf(out, "\n");
}

/* Who else has that byte: the first of them. */
static void say_shares(FILE *out, const struct know_map *m, const struct know_region *r, uint64_t place)
{
	const struct know_region *o;
	char words[WORDS];
	size_t at = 0;
	unsigned n = 0;

	for (; n < SHARES && (o = know_shared(m, r, place, &at)); n++) {
		fprintf(out, "  shared    with %s", know_path(m, o->file, words, sizeof words));
		if (o->home != KNOW_NOWHERE)
			fprintf(out, ", there byte %" PRIu64, o->home + (place - o->off));
		fprintf(out, "\n");
	}
	if (n < r->number && n == SHARES && r->kind == KNOW_FILE_DATA)
		fprintf(out, "  shared    with %" PRIu64 " more\n", r->number - n);
}

static void say_offset(FILE *out, const struct know_map *m, uint64_t place)
{
	const struct know_region *r = know_find(m, place), *home;
	char words[WORDS], size[FMT_ROOM];

	fprintf(out, "offset %" PRIu64 " (0x%" PRIx64 ", sector %" PRIu64 ")\n", place, place, place / 512);
	fprintf(out, "  is        %s\n", know_words(m, r, words, sizeof words));
	fprintf(out, "  class     %s\n", know_class_names[know_kinds[r->kind].class]);
	fprintf(out, "  region    %" PRIu64 " to %" PRIu64 ", %s\n", r->off, r->off + r->len - 1, fmt_size(size, r->len));
	say_where(out, m, r, place);
	if (r->file < m->files) {
		fprintf(out, "  file      %s", know_path(m, r->file, words, sizeof words));
		if (m->file[r->file].inode)
			fprintf(out, ", inode %" PRIu64, m->file[r->file].inode);
		fprintf(out, ", %s", fmt_size(size, m->file[r->file].size));
		if (m->file[r->file].links > 1 && m->file[r->file].type == KNOW_REGULAR)
			fprintf(out, ", one of its %u names", m->file[r->file].links);
		if (r->kind == KNOW_FILE_DATA && r->home != KNOW_NOWHERE)
			fprintf(out, ", here byte %" PRIu64, r->home + (place - r->off));
		fprintf(out, "\n");
	}
	say_shares(out, m, r, place);
	if ((r->kind == KNOW_JOURNAL_DATA || r->kind == KNOW_WAL_FRAME) && r->home != KNOW_NOWHERE &&
	    (home = know_find(m, r->home + (place - r->off))))
		fprintf(out, "  home      %" PRIu64 ": %s\n", r->home + (place - r->off), know_words(m, home, words, sizeof words));
}

/* --- the map --- */

static void say_map(const struct explain *x, FILE *out)
{
	const struct know_map *m = x->map;
	char words[WORDS], size[FMT_ROOM], volume[16], begin[24], len[24];
	uint64_t longest = 0, regions = 0, bytes = 0;
	int wide = MAX(digits_of(m->size), 5), label = 6;

	for (size_t i = 0; i < m->regions; i++)
		if (explain_wants(x, &m->region[i]))
			longest = MAX(longest, m->region[i].len);
	for (unsigned v = 0; v < m->volumes && v < 64; v++)
		label = MAX(label, columns(explain_volume(m, v, volume)));
	int length = MAX(digits_of(longest), 6);
	fprintf(out, "%*s  %*s  %10s  %-*s  %-9s  %s\n", wide, "BEGIN", length, "LENGTH", "SIZE", label, "VOLUME", "CLASS", "WHAT");
	unsigned last = 0;
	explain_volume(m, 0, volume);
	for (size_t i = 0; i < m->regions && !ferror(out); i++) {
		const struct know_region *r = &m->region[i];
		if (!explain_wants(x, r))
			continue;
		if (r->volume != last)
			explain_volume(m, last = r->volume, volume);
		snprintf(begin, sizeof begin, "%" PRIu64, r->off);
		snprintf(len, sizeof len, "%" PRIu64, r->len);
		fprintf(out, "%*s  %*s  %10s  %-*s  %-9s  %s\n", wide, begin, length, len, fmt_size(size, r->len), label, volume,
			know_class_names[know_kinds[r->kind].class], know_words(m, r, words, sizeof words));
		regions++;
		bytes += r->len;
	}
	fprintf(out, "%" PRIu64 " region%s, %s\n", regions, regions == 1 ? "" : "s", fmt_size(size, bytes));
}

/* --- the summary --- */

struct tree {
	const struct know_map *m;
	FILE *out;
	int label, begin, format, name; /* columns */
};

static void volume_label(const struct know_map *m, unsigned v, char *to, size_t room)
{
	char name[16];
	snprintf(to, room, "%*s%s", 2 * m->volume[v].depth, "", explain_volume(m, v, name));
}

/* A volume and those in it; as deep as volumes may lie in each other. */
static void say_volume(const struct tree *t, unsigned v) /* NOLINT(misc-no-recursion) */
{
	const struct know_volume *vol = &t->m->volume[v];
	char label[80], size[FMT_ROOM];

	volume_label(t->m, v, label, sizeof label);
	fprintf(t->out, "%-*s  %*" PRIu64 "  %10s  %-*s  %s%*s  %s%s\n", t->label, label, t->begin, vol->off, fmt_size(size, vol->len),
		t->format, vol->format ? vol->format : "unknown", vol->name, t->name - columns(vol->name), "", vol->id,
		vol->dirty ? "  (not clean)" : "");
	for (unsigned w = v + 1; w < t->m->volumes; w++)
		if (t->m->volume[w].parent == v)
			say_volume(t, w);
}

static void say_summary(const struct explain *x, FILE *out)
{
	const struct know_map *m = x->map;
	struct tree t = { .m = m, .out = out, .label = 6, .begin = 5, .format = 7, .name = 4 };
	char label[80], size[FMT_ROOM], count[FMT_ROOM], other[FMT_ROOM];
	struct explain_sum s;

	for (unsigned v = 0; v < m->volumes; v++) {
		volume_label(m, v, label, sizeof label);
		t.label = MAX(t.label, columns(label));
		t.begin = MAX(t.begin, digits_of(m->volume[v].off));
		t.format = MAX(t.format, columns(m->volume[v].format ? m->volume[v].format : ""));
		t.name = MAX(t.name, columns(m->volume[v].name));
	}
	fprintf(out, "%s: %s, %" PRIu64 " bytes\n\n", x->name, fmt_size(size, m->size), m->size);
	fprintf(out, "%-*s  %*s  %10s  %-*s  %-*s  %s\n", t.label, "VOLUME", t.begin, "BEGIN", "SIZE", t.format, "FORMAT", t.name, "NAME",
		"ID");
	say_volume(&t, 0);

	explain_count(m, &s);
	fprintf(out, "\n%-9s  %-32s  %10s  %8s  %9s\n", "CLASS", "KIND", "SIZE", "SHARE", "REGIONS");
	for (unsigned c = 0; c < KC_CLASSES; c++)
		for (unsigned kind = 0; kind < KNOW_KINDS; kind++)
			if (know_kinds[kind].class == c && s.regions[kind])
				fprintf(out, "%-9s  %-32s  %10s  %7.3f%%  %9s\n", know_class_names[c], know_kinds[kind].name,
					fmt_size(size, s.bytes[kind]), percent(s.bytes[kind], m->size), fmt_count(count, s.regions[kind]));
	uint64_t used = m->size - s.unused;
	fprintf(out, "\nexplained  %.3f%% of the disk", percent(m->size - s.unknown, m->size));
	if (used != m->size)
		fprintf(out, ", %.3f%% of the %s in use", percent(used - s.unknown, used), fmt_size(size, used));
	fprintf(out, "\nregions    %s, of %s files\n", fmt_count(count, m->regions), fmt_count(other, m->files));
	fprintf(out, "read       %s in %s reads\n", fmt_size(size, m->bytes), fmt_count(count, m->reads));
}

void explain_text(const struct explain *x, FILE *out)
{
	for (unsigned i = 0; i < x->offsets; i++) {
		fprintf(out, i ? "\n" : "");
		say_offset(out, x->map, x->place[i]);
	}
	if (x->whole)
		say_map(x, out);
	else if (!x->offsets)
		say_summary(x, out);
}
