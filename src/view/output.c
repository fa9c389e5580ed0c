/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "view/output.h"

const struct steps *output_steps(const struct play *p, const struct look_options *o)
{
	return o->steps ? o->steps : p->marks.n ? &p->marks : NULL;
}

uint64_t output_start(const struct play *p, const struct look_options *o)
{
	uint64_t start = p->start;

	for (size_t i = 0; i < o->others; i++) {
		const struct play *q = o->other[i].play;
		if (q->start && (!start || q->start < start)) /* 0: nothing has happened to it */
			start = q->start;
	}
	return start;
}

uint64_t output_end(const struct play *p, const struct look_options *o)
{
	uint64_t end = p->end;

	for (size_t i = 0; i < o->others; i++)
		end = MAX(end, o->other[i].play->end);
	return end;
}

static const char *name_of(const struct play *p)
{
	const char *slash = strrchr(p->path, '/');
	return slash ? slash + 1 : p->path;
}

static void add_others(struct play *p, const struct look_options *o, struct shown *s, struct scene *sc)
{
	for (size_t i = 0; i <= o->others; i++) {
		const struct play *q = output_disk(p, o, i);
		s->tile[i].name = name_of(q);
		s->tile[i].model = q->has_model ? &q->model : NULL;
		s->tile[i].timeline = &q->timeline;
		s->tile[i].heat = o->heat ? &q->heat : NULL;
		s->tile[i].outlines = o->structure ? &s->parts[i].outlines : NULL;
		s->tile[i].names = &q->names;
		if (!i)
			continue;
		sc->bad += q->scan.reader.bad;
		sc->overlong += q->scan.reader.overlong;
		sc->lost += q->scan.reader.lost;
	}
	sc->tile = s->tile;
	sc->tiles = o->others + 1;
}

struct scene output_scene(struct play *p, const struct look_options *o, struct shown *s, uint64_t now)
{
	struct scene sc = {
		.palette = o->palette, .hilbert = o->hilbert, .start = output_start(p, o), .now = now, .end = output_end(p, o),
		.heat = o->heat ? &p->heat : NULL, .outlines = o->structure ? &s->parts[0].outlines : NULL,
		.timeline = &p->timeline, .steps = output_steps(p, o), .pointer_x = -1, .pointer_y = -1,
		.bad = p->scan.reader.bad, .overlong = p->scan.reader.overlong, .lost = p->scan.reader.lost,
		.recording = p->tape.is_rec,
	};
	if (o->others)
		add_others(p, o, s, &sc);
	return sc;
}

static int seek(struct play *p, const struct look_options *o, uint64_t now, struct err *e)
{
	if (!p->size_known)
		return err_set(e, "%s: no %s tells the size of the disk: give it behind the %s's name", p->path,
			p->tape.is_rec ? "connection" : "Connect line", p->tape.is_rec ? "recording" : "log");
	if (play_to(p, now, PLAY_ALL, e) < 0)
		return -1;
	if (!o->cols || map_set_cols(&p->model.map, o->cols) == o->cols)
		return 0;
	return err_set(e, "width=%u: this disk can be shown with %u to %u pixels in a row", o->cols,
		map_min_cols(&p->model.map), map_max_cols(&p->model.map));
}

int output_seek(struct play *p, const struct look_options *o, uint64_t at, uint64_t *now, struct err *e)
{
	*now = at == AT_END ? output_end(p, o) : output_start(p, o) + MIN(at, INT64_MAX);
	for (size_t i = 0; i <= o->others; i++)
		if (seek(output_disk(p, o, i), o, *now, e) < 0)
			return -1;
	return 0;
}

static int structure(struct play *p, const struct contents *contents, bool hilbert, struct structure *s, struct err *e)
{
	uint64_t events = play_recorded(p);
	struct know_disk d;

	if (!s->know || (contents->moves && s->events != events)) {
		void *handle = contents->open(contents->arg, events, &d, e);
		output_structure_free(s);
		if (!handle) /* the disk was not there yet: nothing to show */
			return contents->moves ? 0 : -1;
		struct know_map *k = know_disk_map(&d, e);
		contents->close(handle);
		if (!k)
			return -1;
		s->know = k;
		s->events = events;
	}
	if (outlines_make(&s->outlines, s->know, &p->model.map, hilbert))
		return 0;
	return err_set(e, "no memory for the outlines of a disk's parts");
}

int output_structures(struct play *p, const struct look_options *o, struct shown *s, struct err *e)
{
	for (size_t i = 0; o->structure && i <= o->others; i++) {
		const struct contents *c = i ? o->other[i - 1].contents : o->contents;
		if (structure(output_disk(p, o, i), c, o->hilbert, &s->parts[i], e) < 0)
			return -1;
	}
	return 0;
}

void output_shown_free(struct shown *s)
{
	for (size_t i = 0; i < OUTPUT_DISKS_MAX; i++)
		output_structure_free(&s->parts[i]);
}

void output_structure_free(struct structure *s)
{
	outlines_free(&s->outlines);
	know_free(s->know);
	*s = (struct structure){ 0 };
}

int output_png(struct play *p, const struct look_options *o, uint64_t at, const char *file, struct err *e)
{
	struct shown shown = { 0 };
	struct canvas c = { 0 };
	uint64_t now;
	int r = -1;

	if (output_seek(p, o, at, &now, e) == 0 && output_structures(p, o, &shown, e) == 0 && canvas_init(&c, PAINT_W, PAINT_H, e) == 0) {
		struct scene s = output_scene(p, o, &shown, now);
		paint_screen(&c, &p->model, &s);
		r = png_save(&c, file, e);
	}
	canvas_free(&c);
	output_shown_free(&shown);
	return r;
}

/* ---- the model as text ---- */

static void dump_seconds(const char *name, uint64_t ns)
{
	printf("%s=%" PRIu64 ".%09" PRIu64, name, (uint64_t)(ns / NS_PER_S), (uint64_t)(ns % NS_PER_S));
}

static void dump_head(const struct play *p, uint64_t now)
{
	const struct map *m = &p->model.map;
	const struct totals *t = &p->model.total;
	const struct log_reader *r = &p->scan.reader;
	bool torn = play_torn(p);

	printf("blkscope-dump 1\n");
	printf("disk size=%" PRIu64 " block=%" PRIu64 " blocks=%" PRIu64 " cells=%" PRIu32
		" cols=%u rows=%u blocks_per_pixel=%" PRIu64 "\n",
		m->size, m->block, m->blocks, m->cells, m->cols, m->rows, m->per_cell);
	dump_seconds("time now", now - p->start);
	dump_seconds(" end", p->end - p->start);
	dump_seconds(" start", p->start);
	printf(" events=%" PRIu64 "\n", p->model.events);
	for (int op = 0; op < EV_OPS; op++)
		printf("total %s requests=%" PRIu64 " bytes=%" PRIu64 "\n", op_names[op], t->op[op].ops,
			t->op[op].bytes);
	printf("requests errors=%" PRIu64 " in_flight=%" PRIu32 " abandoned=%" PRIu64 " unmatched=%" PRIu64
		" clipped=%" PRIu64 " clipped_bytes=%" PRIu64 "\n",
		t->errors, p->model.open.open, t->abandoned, t->unmatched, t->clipped, t->clipped_bytes);
	printf("log lines=%" PRIu64 " bad=%" PRIu64 " overlong=%" PRIu64 " lost=%" PRIu64 " set_back=%" PRIu64
		" torn=%d coarse=%" PRIu64 "\n",
		r->lines, r->bad, r->overlong, r->lost, r->set_back, torn, m->coarse);
}

static bool untouched(const struct cell *c)
{
	uint64_t sum = c->reading;
	for (int i = 0; i < CLASSES; i++)
		sum += c->ops[i];
	return !sum;
}

static void dump_pixel(uint32_t i, const struct cell *c)
{
	printf("pixel %" PRIu32 " %s", i, state_names[cell_state(c)]);
	for (int s = 0; s < STATES; s++)
		printf(" %s=%" PRIu32, state_names[s], c->state[s]);
	printf(" reads=%" PRIu32 " writes=%" PRIu32 " trims=%" PRIu32 " zeroes=%" PRIu32, c->ops[CL_READ],
		c->ops[CL_WRITE], c->ops[CL_TRIM], c->ops[CL_ZERO]);
	printf(" errors=%" PRIu32 " reading=%" PRIu32 "\n", c->ops[CL_ERROR], c->reading);
}

int output_dump(struct play *p, const struct look_options *o, uint64_t at, struct err *e)
{
	uint64_t now;

	if (output_seek(p, o, at, &now, e) < 0)
		return -1;
	dump_head(p, now);
	for (uint32_t i = 0; i < p->model.map.cells; i++) {
		const struct cell *c = &p->model.map.cell[i];
		if (untouched(c))
			continue;
		dump_pixel(i, c);
	}
	if (fflush(stdout) || ferror(stdout))
		return err_set(e, "cannot write to stdout");
	return 0;
}
