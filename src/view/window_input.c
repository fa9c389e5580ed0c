/* SPDX-License-Identifier: BSD-2-Clause */
#include "view/window_ui.h"

static void move_to(struct ui *u, uint64_t t)
{
	u->live = false;
	u->target = 0;
	u->moved = true;
	u->now = MIN(MAX(t, ui_start(u)), MAX(ui_end(u), ui_start(u)));
}

static void jump(struct ui *u, int64_t ns)
{
	uint64_t back = ns < 0 ? (uint64_t)-ns : 0;
	move_to(u, ns < 0 ? u->now - MIN(back, u->now - ui_start(u)) : u->now + (uint64_t)ns);
}

static void go_live(struct ui *u)
{
	u->live = true;
	u->paused = u->backwards = false;
	u->target = 0;
	u->moved = true;
	u->now = MAX(ui_end(u), ui_start(u));
}

/* So many events from the beginning, and stay there. */
static void stay_at(struct ui *u, uint64_t events)
{
	u->live = false;
	u->paused = true;
	u->target = events;
}

/* How many events the model has, or will have. */
static uint64_t events_shown(const struct ui *u)
{
	return u->target ? u->target : u->p->model.events;
}

static void step_event(struct ui *u, bool back)
{
	uint64_t at = events_shown(u);
	if (u->p->has_model && (back ? at > 1 : at < u->p->events))
		stay_at(u, back ? at - 1 : at + 1);
}

static void step_flush(struct ui *u, bool back)
{
	uint64_t at = events_shown(u), to = back ? flushes_last(&u->p->flushes, at) : flushes_next(&u->p->flushes, at);
	if (u->p->has_model && to)
		stay_at(u, to);
}

/* Where a step begins: a mark of a recording, or a line of --steps. */
static void step_mark(struct ui *u, bool back)
{
	const struct steps *s = output_steps(u->p, &u->look);
	uint64_t found = 0, start = ui_start(u);

	for (size_t i = 0; s && i < s->n; i++) {
		uint64_t at = steps_begin(s, i, start);
		if (back && at < u->now)
			found = at;
		if (!back && at > u->now && at <= ui_end(u)) {
			found = at;
			break;
		}
	}
	if (!found)
		return;
	move_to(u, found);
	u->paused = true;
}

static void turn_round(struct ui *u)
{
	u->backwards = !u->backwards;
	if (u->live)
		move_to(u, u->now);
	u->paused = false;
}

static void change_width(struct ui *u, SDL_Keycode key, bool shift)
{
	struct map *m = &u->p->model.map;
	unsigned cols;

	if (!u->p->has_model)
		return;
	if (key == SDLK_LEFTBRACKET)
		cols = shift ? m->cols / 2 : m->cols - 1;
	else
		cols = shift ? m->cols * 2 : m->cols + 1;
	u->look.cols = map_set_cols(m, MAX(cols, 1));
}

static const struct palette *next_palette(const struct palette *p)
{
	size_t i = 0;
	while (palettes[i] && palettes[i] != p)
		i++;
	return palettes[i] && palettes[i + 1] ? palettes[i + 1] : palettes[0];
}

static void toggle_fullscreen(struct ui *u)
{
	bool on = SDL_GetWindowFlags(u->window) & SDL_WINDOW_FULLSCREEN_DESKTOP;
	SDL_SetWindowFullscreen(u->window, on ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
}

static void pause_or_go(struct ui *u)
{
	if (u->live) {
		move_to(u, u->now);
		u->paused = true;
	} else {
		u->paused = !u->paused;
		if (!u->paused && !u->backwards && u->now >= ui_end(u))
			u->now = ui_start(u); /* again, from the top */
		else if (!u->paused && u->backwards && u->now <= ui_start(u))
			u->now = ui_end(u);
	}
}

static void step(struct ui *u, const SDL_KeyboardEvent *k)
{
	SDL_Keycode sym = k->keysym.sym;
	bool back = sym == SDLK_COMMA || sym == SDLK_LESS;
	bool flush = k->keysym.mod & KMOD_SHIFT || sym == SDLK_LESS || sym == SDLK_GREATER;
	(flush ? step_flush : step_event)(u, back);
}

void ui_arrived(struct ui *u)
{
	SDL_KeyboardEvent k = u->held;
	u->moved = false;
	u->held.type = 0;
	if (k.type)
		step(u, &k);
}

static void key(struct ui *u, const SDL_KeyboardEvent *k)
{
	bool shift = k->keysym.mod & KMOD_SHIFT;
	int64_t hop = (int64_t)(shift ? 10 * NS_PER_S : NS_PER_S);

	switch (k->keysym.sym) {
	case SDLK_q:
	case SDLK_ESCAPE:
		u->quit = true;
		break;
	case SDLK_SPACE:
		pause_or_go(u);
		break;
	case SDLK_PERIOD:
	case SDLK_COMMA:
	case SDLK_GREATER: /* where shift makes another key of them */
	case SDLK_LESS:
		if (u->moved)
			u->held = *k;
		else
			step(u, k);
		break;
	case SDLK_PAGEDOWN:
	case SDLK_PAGEUP:
		step_mark(u, k->keysym.sym == SDLK_PAGEUP);
		break;
	case SDLK_r:
		turn_round(u);
		break;
	case SDLK_PLUS:
	case SDLK_EQUALS:
	case SDLK_KP_PLUS:
		u->speed = MIN(u->speed * 2, 65536);
		break;
	case SDLK_MINUS:
	case SDLK_KP_MINUS:
		u->speed = MAX(u->speed / 2, 1.0 / 1024);
		break;
	case SDLK_LEFT:
		jump(u, -hop);
		break;
	case SDLK_RIGHT:
		jump(u, hop);
		break;
	case SDLK_HOME:
		move_to(u, ui_start(u));
		break;
	case SDLK_END:
		go_live(u);
		break;
	case SDLK_h:
		u->look.hilbert = !u->look.hilbert;
		break;
	case SDLK_p:
		u->look.palette = next_palette(u->look.palette);
		break;
	case SDLK_s:
		u->look.structure = !u->look.structure;
		if (u->look.structure && !ui_has_contents(u, 0))
			ui_notify(u, "structure: there are no bytes of the disk to look at: record them, or give --disk=IMAGE");
		break;
	case SDLK_t:
		u->look.heat = !u->look.heat;
		break;
	case SDLK_f:
		toggle_fullscreen(u);
		break;
	case SDLK_LEFTBRACKET:
	case SDLK_RIGHTBRACKET:
		change_width(u, k->keysym.sym, shift);
		break;
	case SDLK_F1:
	case SDLK_QUESTION:
	case SDLK_SLASH:
		u->help = !u->help;
		break;
	default:
		break;
	}
}

static void click(struct ui *u, int x, int y)
{
	char text[64];
	uint64_t t;

	if (!u->p->has_model)
		return;
	struct scene s = ui_scene(u, text, sizeof text);
	struct layout l = paint_layout(u->canvas.w, u->canvas.h, &u->p->model.map, u->look.hilbert);
	if (paint_time_at(&s, &l, x, y, &t))
		move_to(u, t);
}

int ui_input(struct ui *u, const SDL_Event *ev, struct err *e)
{
	switch (ev->type) {
	case SDL_QUIT:
		u->quit = true;
		break;
	case SDL_KEYDOWN:
		key(u, &ev->key);
		break;
	case SDL_MOUSEMOTION: /* already in canvas pixels, by the logical size */
		u->mx = ev->motion.x;
		u->my = ev->motion.y;
		if (ev->motion.state & SDL_BUTTON_LMASK)
			click(u, u->mx, u->my);
		break;
	case SDL_MOUSEBUTTONDOWN:
		click(u, ev->button.x, ev->button.y);
		break;
	case SDL_WINDOWEVENT:
		if (ev->window.event == SDL_WINDOWEVENT_LEAVE)
			u->mx = u->my = -1;
		if (ev->window.event == SDL_WINDOWEVENT_SIZE_CHANGED)
			return ui_resize(u, ev->window.data1, ev->window.data2, e);
		break;
	}
	return 0;
}
