/* SPDX-License-Identifier: BSD-2-Clause */
/* What the window finds out on the side: the parts of the disk, and the block under the pointer. */
#include "view/window_ui.h"

#define MAP_MS 1000 /* from one map to the next while the recording runs */
#define SPOT_MS 500 /* the same for what happened to a block */

bool ui_has_contents(const struct ui *u)
{
	const struct contents *c = u->look.contents;
	return c && (!c->moves || (u->p->tape.is_rec && u->p->tape.rec.info.data == REC_DATA_YES));
}

void ui_forget_asked(struct ui *u)
{
	output_structure_free(&u->parts);
	u->has_spot = u->with_spot = u->with_map = false;
}

static void take(struct ui *u)
{
	char trouble[sizeof u->notice];
	uint64_t recorded;
	struct know_map *k = asker_take_map(u->asker, &recorded, trouble, sizeof trouble);

	if (*trouble)
		ui_notify(u, trouble);
	if (k || *trouble)
		output_structure_free(&u->parts);
	if (k) {
		u->parts.know = k;
		u->parts.events = recorded;
	}
	bool spot = asker_take_spot(u->asker, &u->spot);
	u->has_spot |= spot;
	u->stale |= spot || k || *trouble;
}

static void ask_map(struct ui *u, uint64_t ticks)
{
	uint64_t recorded = play_recorded(u->p);
	bool moves = u->look.contents->moves;

	if (moves && !recorded) { /* nothing had happened yet */
		output_structure_free(&u->parts);
		u->with_map = false;
		return;
	}
	if ((u->with_map && (!moves || u->map_asked == recorded)) || asker_busy(u->asker))
		return;
	if (u->with_map && !u->paused && ticks - u->asked_at < MAP_MS)
		return;
	u->with_map = true;
	u->map_asked = recorded;
	u->asked_at = ticks;
	asker_ask_map(u->asker, recorded);
}

static void ask_spot(struct ui *u, uint64_t ticks)
{
	const struct map *m = &u->p->model.map;
	struct layout l = paint_layout(u->canvas.w, u->canvas.h, m, u->look.hilbert);
	uint32_t cell;

	if (u->mx < 0 || !paint_cell_at(&l, u->mx, u->my, &cell))
		return;
	uint64_t off = (uint64_t)cell << m->cell_shift, len = MIN((uint64_t)1 << m->cell_shift, m->size - off);
	if (u->with_spot && u->spot_asked == off && (u->spot_events == u->p->model.events || ticks - u->spot_at < SPOT_MS))
		return;
	/* a moment that moves on by itself does not make the answer before it worthless, and a long log has no other */
	if (u->with_spot && u->spot_asked == off && !u->paused && asker_seeks(u->asker))
		return;
	u->spot_at = ticks;
	u->with_spot = true;
	u->spot_asked = off;
	u->spot_events = u->p->model.events;
	asker_ask_spot(u->asker, u->p->tape.fd, off, len, u->spot_events, play_recorded(u->p), ui_has_contents(u));
}

void ui_ask(struct ui *u)
{
	uint64_t ticks = SDL_GetTicks64();

	take(u);
	if (!u->p->has_model || u->behind || u->p->tape.fd < 0)
		return;
	if (u->look.structure && ui_has_contents(u))
		ask_map(u, ticks);
	if (u->parts.know && !outlines_make(&u->parts.outlines, u->parts.know, &u->p->model.map, u->look.hilbert))
		ui_notify(u, "no memory for outlines");
	ask_spot(u, ticks);
}
