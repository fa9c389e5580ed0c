/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include "base/json.h"
#include "cmd/diff.h"
#include "view/fmt.h"

enum { NAME_BYTES = 80 };

static const struct section *section_of(const struct stats *s, int step)
{
	return step < 0 ? NULL : s->step[step];
}

static const char *put_value(char out[FMT_ROOM], const struct value *v, double x)
{
	const char *sign = x < 0 ? "-" : "";
	double size = fabs(x);

	if (v->unit == VALUE_RATIO)
		snprintf(out, FMT_ROOM, "%.3g", x);
	else if (v->unit == VALUE_BYTES)
		snprintf(out, FMT_ROOM, "%s%s", sign, fmt_size((char[FMT_ROOM]){ 0 }, (uint64_t)MIN(size, 9e18)));
	else if (v->unit == VALUE_NS)
		snprintf(out, FMT_ROOM, "%s%s", sign, report_ns((char[FMT_ROOM]){ 0 }, (uint64_t)MIN(size, 9e18)));
	else
		snprintf(out, FMT_ROOM, "%s%s", sign, fmt_count((char[FMT_ROOM]){ 0 }, (uint64_t)MIN(size, 9e18)));
	return out;
}

/* Columns, not bytes: µ has two of these. */
static void put_cell(struct buf *b, const char *text, int width)
{
	for (const char *p = text; *p; p++)
		width += ((unsigned char)*p & 0xc0) == 0x80;
	buf_printf(b, " %*s", width, text);
}

static void text_rows(struct buf *b, const struct section *s0, const struct section *s1)
{
	struct value a[VALUES_MAX], c[VALUES_MAX];
	unsigned n = match_values(s0, a);
	char text[FMT_ROOM], name[64];

	match_values(s1, c);
	for (unsigned i = 0; i < n; i++) {
		if (a[i].v == 0 && c[i].v == 0)
			continue;
		snprintf(name, sizeof name, "%s %s", a[i].group, a[i].name);
		for (char *p = name; *p; p++)
			*p = *p == '_' ? ' ' : *p;
		buf_printf(b, "  %-36s", name);
		put_cell(b, put_value(text, &a[i], a[i].v), 13);
		put_cell(b, put_value(text, &c[i], c[i].v), 13);
		if (a[i].v == c[i].v) {
			buf_printf(b, "             =\n");
			continue;
		}
		put_cell(b, put_value(text, &a[i], c[i].v - a[i].v), 13);
		if (a[i].v != 0)
			snprintf(text, sizeof text, "×%.3g", c[i].v / a[i].v);
		put_cell(b, a[i].v != 0 ? text : "new", 9);
		buf_printf(b, "\n");
	}
}

static void text_data(struct buf *b, const struct diff *d)
{
	char n[FMT_ROOM], m[FMT_ROOM];
	const struct diff_data *x = &d->data;

	buf_printf(b, "\nThe disks at the end: ");
	if (!x->compared) {
		buf_printf(b, "not compared (both need to be recordings with data)\n");
		return;
	}
	buf_printf(b, "%s of %s blocks of 4 KiB differ\n", x->differ ? fmt_count(n, x->differ) : "none", fmt_count(m, x->blocks));
	for (unsigned i = 0; i < x->ranges; i++)
		buf_printf(b, "  at 0x%" PRIx64 " (%s): %s\n", x->range[i].off, fmt_size(n, x->range[i].off), fmt_size(m, x->range[i].len));
	if (x->more)
		buf_printf(b, "  and more\n");
	if (x->unreadable)
		buf_printf(b, "  %s could not be read from a damaged recording\n", fmt_size(n, x->unreadable));
}

bool diff_text(struct buf *b, const struct diff *d)
{
	for (unsigned k = 0; k < 2; k++) {
		buf_printf(b, "%s: ", k ? "B" : "A");
		report_put(b, FOR_TERMINAL, d->source[k].path, SIZE_MAX);
		buf_printf(b, "\n");
	}
	buf_printf(b, "\n%-38s %13s %13s %13s %9s\n", "The whole", "A", "B", "B - A", "B : A");
	text_rows(b, d->stats[0]->whole, d->stats[1]->whole);
	for (int i = 0; i < d->pairs; i++) {
		const struct section *s0 = section_of(d->stats[0], d->pair[i].a), *s1 = section_of(d->stats[1], d->pair[i].b);
		buf_printf(b, "\nStep: ");
		report_put(b, FOR_TERMINAL, report_step_name(s0 ? s0 : s1), NAME_BYTES);
		buf_printf(b, "%s\n", !s0 ? " (only in B)" : !s1 ? " (only in A)" : "");
		text_rows(b, s0, s1);
	}
	text_data(b, d);
	return buf_printf(b, "%s", "");
}

static void json_values(struct buf *b, const struct section *s0, const struct section *s1)
{
	struct value a[VALUES_MAX], c[VALUES_MAX];
	unsigned n = match_values(s0, a);
	const char *comma = "";

	match_values(s1, c);
	buf_printf(b, "{");
	for (unsigned i = 0; i < n; i++) {
		if (a[i].v == 0 && c[i].v == 0)
			continue;
		buf_printf(b, "%s\n  \"%s_%s%s\": {\"a\": %.15g, \"b\": %.15g, \"change\": %.15g, \"ratio\": ", comma, a[i].group,
			   a[i].name, a[i].unit == VALUE_NS ? "_ns" : "", a[i].v, c[i].v, c[i].v - a[i].v);
		if (a[i].v != 0)
			buf_printf(b, "%.6g}", c[i].v / a[i].v);
		else
			buf_printf(b, "null}");
		comma = ",";
	}
	buf_printf(b, "}");
}

static void json_data(struct buf *b, const struct diff_data *x)
{
	if (!x->compared) {
		buf_printf(b, "null");
		return;
	}
	buf_printf(b,
		   "{\"block_bytes\": %d, \"compared_blocks\": %" PRIu64 ", \"different_blocks\": %" PRIu64
		   ", \"unreadable_bytes\": %" PRIu64 ", \"first_ranges\": [",
		   REC_BLOCK, x->blocks, x->differ, x->unreadable);
	for (unsigned i = 0; i < x->ranges; i++)
		buf_printf(b, "%s{\"offset\": %" PRIu64 ", \"length\": %" PRIu64 "}", i ? ", " : "", x->range[i].off, x->range[i].len);
	buf_printf(b, "], \"more_ranges\": %s}", x->more ? "true" : "false");
}

bool diff_json(struct buf *b, const struct diff *d)
{
	buf_printf(b, "{\"a\": ");
	json_string(b, d->source[0].path);
	buf_printf(b, ", \"b\": ");
	json_string(b, d->source[1].path);
	buf_printf(b, ",\n\"whole\": ");
	json_values(b, d->stats[0]->whole, d->stats[1]->whole);
	buf_printf(b, ",\n\"steps\": [");
	for (int i = 0; i < d->pairs; i++) {
		const struct section *s0 = section_of(d->stats[0], d->pair[i].a), *s1 = section_of(d->stats[1], d->pair[i].b);
		const char *name = s0 ? s0->name : s1 ? s1->name : NULL;
		buf_printf(b, "%s\n{\"mark\": ", i ? "," : "");
		if (name)
			json_string(b, name);
		else
			buf_printf(b, "null");
		buf_printf(b, ", \"in\": \"%s\", \"values\": ", !s0 ? "b" : !s1 ? "a" : "both");
		json_values(b, s0, s1);
		buf_printf(b, "}");
	}
	buf_printf(b, "],\n\"contents\": ");
	json_data(b, &d->data);
	return buf_printf(b, "}\n");
}
