/* SPDX-License-Identifier: BSD-2-Clause */
/* What the window finds out on the side: the parts of the disks, and the block under the pointer. */
#include "view/window_ui.h"

#define MAP_MS 1000 /* from one map to the next while the recording runs */
#define SPOT_MS 500 /* the same for what happened to a block */

static const struct contents *contents_of(const struct ui *u, size_t i)
{
	return i ? u->look.other[i - 1].contents : u->look.contents;
}

bool ui_has_contents(const struct ui *u, size_t i)
{
	const struct tape *t = &output_disk(u->p, &u->look, i)->tape;
	const struct contents *c = contents_of(u, i);
	return c && (!c->moves || (t->is_rec && t->rec.info.data == REC_DATA_YES));
}

void ui_forget_asked(struct ui *u, size_t i)
{
	struct asked *a = &u->asked[i];
	output_structure_free(&u->shown.parts[i]);
	a->has_spot = a->with_spot = a->with_map = false;
}

static void take(struct ui *u, struct asked *a, struct structure *parts)
{
	char trouble[sizeof u->notice];
	uint64_t recorded;
	struct know_map *k = asker_take_map(a->asker, &recorded, trouble, sizeof trouble);

	if (*trouble)
		ui_notify(u, trouble);
	if (k || *trouble)
		output_structure_free(parts);
	if (k) {
		parts->know = k;
		parts->events = recorded;
	}
	bool spot = asker_take_spot(a->asker, &a->spot);
	a->has_spot |= spot;
	u->stale |= spot || k || *trouble;
}

static void ask_map(struct ui *u, size_t i, uint64_t ticks)
{
	uint64_t recorded = play_recorded(output_disk(u->p, &u->look, i));
	bool moves = contents_of(u, i)->moves;
	struct asked *a = &u->asked[i];

	if (moves && !recorded) { /* nothing had happened yet */
		output_structure_free(&u->shown.parts[i]);
		a->with_map = false;
		return;
	}
	if ((a->with_map && (!moves || a->map_asked == recorded)) || asker_busy(a->asker))
		return;
	if (a->with_map && !u->paused && ticks - a->asked_at < MAP_MS)
		return;
	a->with_map = true;
	a->map_asked = recorded;
	a->asked_at = ticks;
	asker_ask_map(a->asker, recorded);
}

/* The cell under the pointer, and whose it is. */
static bool cell_under(struct ui *u, size_t *i, uint32_t *cell)
{
	char text[64];

	*i = 0;
	if (u->mx < 0)
		return false;
	if (!u->look.others) {
		struct layout l = paint_layout(u->canvas.w, u->canvas.h, &u->p->model.map, u->look.hilbert);
		return paint_cell_at(&l, u->mx, u->my, cell);
	}
	struct scene s = ui_scene(u, text, sizeof text);
	struct rect room = paint_tiles_room(u->canvas.w, u->canvas.h);
	if (!paint_tile_at(&s, room, u->mx, u->my, i))
		return false;
	struct layout l = paint_tile_layout(&s, room, *i);
	return paint_cell_at(&l, u->mx, u->my, cell);
}

static void ask_spot(struct ui *u, uint64_t ticks)
{
	uint32_t cell;
	size_t i;

	if (!cell_under(u, &i, &cell))
		return;
	struct play *p = output_disk(u->p, &u->look, i);
	const struct map *m = &p->model.map;
	struct asked *a = &u->asked[i];
	uint64_t off = (uint64_t)cell << m->cell_shift, len = MIN((uint64_t)1 << m->cell_shift, m->size - off);
	if (a->with_spot && a->spot_asked == off && (a->spot_events == p->model.events || ticks - a->spot_at < SPOT_MS))
		return;
	/* a moment that moves on by itself does not make the answer before it worthless, and a long log has no other */
	if (a->with_spot && a->spot_asked == off && !u->paused && asker_seeks(a->asker))
		return;
	a->spot_at = ticks;
	a->with_spot = true;
	a->spot_asked = off;
	a->spot_events = p->model.events;
	asker_ask_spot(a->asker, p->tape.fd, off, len, a->spot_events, play_recorded(p), ui_has_contents(u, i));
}

void ui_ask(struct ui *u)
{
	uint64_t ticks = SDL_GetTicks64();

	for (size_t i = 0; i <= u->look.others; i++)
		take(u, &u->asked[i], &u->shown.parts[i]);
	if (!u->p->has_model || u->behind || u->p->tape.fd < 0)
		return;
	for (size_t i = 0; i <= u->look.others; i++) {
		struct structure *parts = &u->shown.parts[i];
		const struct play *p = output_disk(u->p, &u->look, i);
		if (!p->has_model || p->tape.fd < 0)
			continue;
		if (u->look.structure && ui_has_contents(u, i))
			ask_map(u, i, ticks);
		if (parts->know && !outlines_make(&parts->outlines, parts->know, &p->model.map, u->look.hilbert))
			ui_notify(u, "no memory for outlines");
	}
	ask_spot(u, ticks);
}
