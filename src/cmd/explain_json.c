/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer as JSON; blkscope-explain(1) documents it.  One region a line. */
#include <inttypes.h>
#include <string.h>
#include "base/json.h"
#include "base/util.h"
#include "cmd/explain.h"

enum { WORDS = 2048, SHARES = 1000 };

static void put_string(FILE *out, const char *s)
{
	struct buf b = { .limit = 6 * strlen(s) + 2 };

	if (json_string(&b, s))
		fwrite(b.p, 1, b.len, out);
	else
		fputs("null", out);
	buf_free(&b);
}

static void put_pair(FILE *out, const char *name, const char *value)
{
	fprintf(out, ", \"%s\": ", name);
	put_string(out, value);
}

static void put_volume(FILE *out, const struct know_map *m, unsigned i)
{
	const struct know_volume *v = &m->volume[i];
	char words[160], label[16];

	fprintf(out, "{\"volume\": %u, \"offset\": %" PRIu64 ", \"length\": %" PRIu64, i, v->off, v->len);
	if (i)
		fprintf(out, ", \"parent\": %u", v->parent);
	if (v->partition)
		fprintf(out, ", \"partition\": %u", v->partition);
	put_pair(out, "label", explain_volume(m, i, label));
	put_pair(out, "words", know_volume_words(m, i, words, sizeof words));
	if (v->format)
		put_pair(out, "format", v->format);
	if (v->block)
		fprintf(out, ", \"block\": %" PRIu32, v->block);
	if (v->name[0])
		put_pair(out, "name", v->name);
	if (v->id[0])
		put_pair(out, "id", v->id);
	fprintf(out, ", \"dirty\": %s}", v->dirty ? "true" : "false");
}

static void put_file(FILE *out, const struct know_map *m, uint32_t file)
{
	static const char *const types[] = { "regular", "directory", "link", "system" };
	const struct know_file *f = &m->file[file];
	char path[WORDS];

	fprintf(out, ", \"file\": {\"path\": ");
	put_string(out, know_path(m, file, path, sizeof path));
	if (f->inode)
		fprintf(out, ", \"inode\": %" PRIu64, f->inode);
	if (f->links)
		fprintf(out, ", \"links\": %u", f->links);
	fprintf(out, ", \"size\": %" PRIu64 ", \"type\": \"%s\"%s}", f->size, f->type < ARRAY_LEN(types) ? types[f->type] : "",
		f->flags & KNOW_DELETED ? ", \"deleted\": true" : "");
}

/* Without the brace that ends it. */
static void put_region(FILE *out, const struct know_map *m, const struct know_region *r)
{
	char words[WORDS];
	const char *comma = "";

	fprintf(out, "{\"offset\": %" PRIu64 ", \"length\": %" PRIu64 ", \"volume\": %u", r->off, r->len, r->volume);
	fprintf(out, ", \"kind\": \"%s\", \"class\": \"%s\", \"flags\": [", know_kinds[r->kind].name,
		know_class_names[know_kinds[r->kind].class]);
	for (unsigned i = 0; explain_flags[i].name; i++)
		if (r->flags & explain_flags[i].flag) {
			fprintf(out, "%s\"%s\"", comma, explain_flags[i].name);
			comma = ", ";
		}
	fprintf(out, "], \"number\": %" PRIu64, r->number);
	if (r->home != KNOW_NOWHERE)
		fprintf(out, ", \"home\": %" PRIu64, r->home);
	if (r->file < m->files)
		put_file(out, m, r->file);
	put_pair(out, "words", know_words(m, r, words, sizeof words));
}

static void put_shares(FILE *out, const struct know_map *m, uint64_t place)
{
	const struct know_region *r = know_find(m, place), *o;
	size_t at = 0;

	for (unsigned n = 0; n < SHARES && (o = know_shared(m, r, place, &at)); n++) {
		fprintf(out, n ? "}, {\"byte\": " : ", \"shared\": [{\"byte\": ");
		if (o->home != KNOW_NOWHERE)
			fprintf(out, "%" PRIu64, o->home + (place - o->off));
		else
			fprintf(out, "null");
		put_file(out, m, o->file);
	}
	fprintf(out, at && r->number && r->kind == KNOW_FILE_DATA ? "}]" : "");
}

static void put_sums(FILE *out, const struct know_map *m)
{
	struct explain_sum s;
	const char *comma = "";

	explain_count(m, &s);
	fprintf(out, ",\n \"explained\": %" PRIu64 ", \"unknown\": %" PRIu64 ", \"unused\": %" PRIu64, m->size - s.unknown,
		s.unknown, s.unused);
	fprintf(out, ",\n \"kinds\": [");
	for (unsigned kind = 0; kind < KNOW_KINDS; kind++)
		if (s.regions[kind]) {
			fprintf(out, "%s\n  {\"kind\": \"%s\", \"class\": \"%s\", \"bytes\": %" PRIu64 ", \"regions\": %" PRIu64 "}", comma,
				know_kinds[kind].name, know_class_names[know_kinds[kind].class], s.bytes[kind], s.regions[kind]);
			comma = ",";
		}
	fprintf(out, "]");
}

static void put_notes(FILE *out, const char *notes)
{
	char line[1024];
	const char *comma = "";

	fprintf(out, ",\n \"notes\": [");
	for (const char *p = notes, *end; (end = strchr(p, '\n')); p = end + 1) {
		snprintf(line, sizeof line, "%.*s", (int)(end - p), p);
		fprintf(out, "%s\n  ", comma);
		put_string(out, line);
		comma = ",";
	}
	fprintf(out, "]");
}

void explain_json(const struct explain *x, FILE *out)
{
	const struct know_map *m = x->map;
	const char *comma = "";

	fprintf(out, "{\"disk\": ");
	put_string(out, x->name);
	if (x->at)
		put_pair(out, "at", x->at);
	fprintf(out, ", \"size\": %" PRIu64 ",\n \"volumes\": [", m->size);
	for (unsigned v = 0; v < m->volumes; v++) {
		fprintf(out, v ? ",\n  " : "\n  ");
		put_volume(out, m, v);
	}
	fprintf(out, "]");
	if (!x->whole && !x->offsets)
		put_sums(out, m);
	if (x->offsets)
		fprintf(out, ",\n \"offsets\": [");
	for (unsigned i = 0; i < x->offsets; i++) {
		fprintf(out, "%s\n  {\"asked\": ", comma);
		put_string(out, x->offset[i]);
		fprintf(out, ", \"at\": %" PRIu64 ", \"region\": ", x->place[i]);
		put_region(out, m, know_find(m, x->place[i]));
		fprintf(out, "}");
		put_shares(out, m, x->place[i]);
		fprintf(out, "}");
		comma = ",";
	}
	if (x->whole)
		fprintf(out, ",\n \"regions\": [");
	for (size_t i = 0; x->whole && i < m->regions && !ferror(out); i++)
		if (explain_wants(x, &m->region[i])) {
			fprintf(out, "%s\n  ", comma);
			put_region(out, m, &m->region[i]);
			fprintf(out, "}");
			comma = ",";
		}
	fprintf(out, x->whole || x->offsets ? "]" : "");
	put_notes(out, m->notes);
	fprintf(out, ",\n \"reads\": %" PRIu64 ", \"bytesRead\": %" PRIu64 "}\n", m->reads, m->bytes);
}
