/* SPDX-License-Identifier: BSD-2-Clause */
#include <SDL.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/say.h"
#include "view/window.h"

#define FRAME_MS 33
#define SCAN_BYTES (4u << 20) /* of log between two pictures while catching up */
#define EVENTS_AT_ONCE 50000
#define NOTICE_MS 8000

struct ui {
	struct play *p;
	struct look_options look;
	SDL_Window *window;
	SDL_Renderer *renderer;
	SDL_Texture *texture; /* w by h of the canvas, ours */
	struct canvas canvas;
	bool quit, live, paused, help;
	bool stale; /* what is shown is not what should be */
	double speed;
	uint64_t now;     /* ns since 1970: the moment shown */
	double part;      /* of a ns, left over from slow replays */
	uint64_t ticks;   /* ms, SDL clock, of the last turn */
	uint64_t seen_at; /* ms, when the log last grew */
	uint64_t events;  /* in the log then */
	bool behind;      /* still reading or replaying */
	bool was_behind;
	uint64_t target;  /* event to show, when stepping; 0: none */
	int mx, my;       /* pointer on the canvas; -1: elsewhere */
	const char *steps_file;
	struct steps steps; /* what was last in it */
	struct stat steps_stat;
	char notice[160];
	uint64_t notice_until; /* ms */
};

/* ---- SDL: open, close, show ---- */

static int sdl_failed(struct err *e, const char *what)
{
	return err_set(e, "cannot open a window: %s: %s (--png, --video and --strip need no display)", what, SDL_GetError());
}

static int ui_resize(struct ui *u, int w, int h, struct err *e)
{
	/* smaller windows show the smallest canvas, scaled down */
	w = MAX(w, PAINT_W);
	h = MAX(h, PAINT_H);
	if (u->texture && u->canvas.w == w && u->canvas.h == h)
		return 0;
	canvas_free(&u->canvas);
	if (u->texture)
		SDL_DestroyTexture(u->texture);
	if (canvas_init(&u->canvas, w, h, e) < 0)
		return -1;
	u->texture = SDL_CreateTexture(u->renderer, SDL_PIXELFORMAT_RGB24, SDL_TEXTUREACCESS_STREAMING, w, h);
	if (!u->texture)
		return sdl_failed(e, "no texture");
	SDL_RenderSetLogicalSize(u->renderer, w, h);
	return 0;
}

static void screen_size(int *w, int *h)
{
	SDL_Rect r;
	*w = PAINT_W;
	*h = PAINT_H;
	if (SDL_GetDisplayUsableBounds(0, &r))
		return;
	/* keep the shape on a small screen */
	while ((*w > r.w || *h > r.h) && *w > PAINT_W / 3) {
		*w = *w * 15 / 16;
		*h = *h * 15 / 16;
	}
}

static int ui_open(struct ui *u, const char *log, bool fullscreen, struct err *e)
{
	char title[300];
	int w, h;
	const char *base = strrchr(log, '/');

	SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
	SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "0");
	if (SDL_Init(SDL_INIT_VIDEO))
		return sdl_failed(e, "no display");
	snprintf(title, sizeof title, "nbdview %s", base ? base + 1 : log);
	screen_size(&w, &h);
	u->window = SDL_CreateWindow(title, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, w, h,
		SDL_WINDOW_RESIZABLE | (fullscreen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0));
	if (!u->window)
		return sdl_failed(e, "no window");
	u->renderer = SDL_CreateRenderer(u->window, -1, 0);
	if (!u->renderer)
		u->renderer = SDL_CreateRenderer(u->window, -1, SDL_RENDERER_SOFTWARE);
	if (!u->renderer)
		return sdl_failed(e, "no renderer");
	SDL_GetRendererOutputSize(u->renderer, &w, &h);
	return ui_resize(u, w, h, e);
}

static void ui_close(struct ui *u)
{
	canvas_free(&u->canvas);
	if (u->texture)
		SDL_DestroyTexture(u->texture);
	if (u->renderer)
		SDL_DestroyRenderer(u->renderer);
	if (u->window)
		SDL_DestroyWindow(u->window);
	SDL_Quit();
}

static void notify(struct ui *u, const char *text)
{
	snprintf(u->notice, sizeof u->notice, "%s", text);
	u->notice_until = SDL_GetTicks64() + NOTICE_MS;
	say_error("%s: %s", u->p->path, text);
}

static const char *status(const struct ui *u, char *text, size_t room)
{
	if (u->behind)
		snprintf(text, room, "reading ...");
	else if (u->live)
		snprintf(text, room, "live");
	else if (u->paused)
		snprintf(text, room, "paused");
	else
		snprintf(text, room, "replay ×%g", u->speed);
	return text;
}

static struct scene ui_scene(const struct ui *u, char *text, size_t room)
{
	struct scene s = output_scene(u->p, &u->look, u->now);

	s.pointer_x = u->mx;
	s.pointer_y = u->my;
	s.help = u->help;
	s.status = status(u, text, room);
	s.notice = u->notice_until ? u->notice : NULL;
	return s;
}

static void show(struct ui *u)
{
	char text[64];
	struct scene s = ui_scene(u, text, sizeof text);

	if (u->p->has_model && u->p->events)
		paint_screen(&u->canvas, &u->p->model, &s);
	else
		paint_waiting(&u->canvas, &s, u->p->fd < 0 ? "waiting for the log" :
			u->p->size_known ? "waiting for the first request" : "waiting for a Connect line, or give SIZE");
	SDL_UpdateTexture(u->texture, NULL, u->canvas.px, u->canvas.w * 3);
	SDL_RenderClear(u->renderer);
	SDL_RenderCopy(u->renderer, u->texture, NULL, NULL);
	SDL_RenderPresent(u->renderer);
}

/* ---- moving in time ---- */

static void move_to(struct ui *u, uint64_t t)
{
	u->live = false;
	u->target = 0;
	u->now = MIN(MAX(t, u->p->start), MAX(u->p->end, u->p->start));
}

static void jump(struct ui *u, int64_t ns)
{
	uint64_t back = ns < 0 ? (uint64_t)-ns : 0;
	move_to(u, ns < 0 ? u->now - MIN(back, u->now - u->p->start) : u->now + (uint64_t)ns);
}

static void go_live(struct ui *u)
{
	u->live = true;
	u->paused = false;
	u->target = 0;
	u->now = MAX(u->p->end, u->p->start);
}

/* One event on or back, and stay there. */
static void step(struct ui *u, int by)
{
	if (!u->p->has_model)
		return;
	uint64_t at = u->p->model.events;
	if (by < 0 ? at <= 1 : at >= u->p->events)
		return;
	u->live = false;
	u->paused = true;
	u->target = by < 0 ? at - 1 : at + 1;
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
		if (!u->paused && u->now >= u->p->end)
			u->now = u->p->start; /* again, from the top */
	}
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
		step(u, 1);
		break;
	case SDLK_COMMA:
		step(u, -1);
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
		move_to(u, u->p->start);
		break;
	case SDLK_END:
		go_live(u);
		break;
	case SDLK_h:
		u->look.hilbert = !u->look.hilbert;
		break;
	case SDLK_p:
		u->look.palette = u->look.palette == &palette_default ? &palette_classic : &palette_default;
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

static int input(struct ui *u, const SDL_Event *ev, struct err *e)
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

/* ---- a turn ---- */

/* A session may write its captions while we watch; a line that is half there keeps the old ones. */
static void reload_steps(struct ui *u)
{
	struct steps fresh;
	struct stat st;
	struct err e;

	if (!u->steps_file || stat(u->steps_file, &st))
		return;
	if (st.st_size == u->steps_stat.st_size && st.st_mtim.tv_sec == u->steps_stat.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == u->steps_stat.st_mtim.tv_nsec)
		return;
	u->steps_stat = st;
	if (steps_load(&fresh, u->steps_file, &e) < 0)
		return;
	steps_free(&u->steps);
	u->steps = fresh;
	u->look.steps = &u->steps;
	u->stale = true;
	if (u->p->events)
		steps_sort(&u->steps, u->p->start);
}

/* Read what the log has now, a bounded piece of it. */
static int follow(struct ui *u, struct err *e)
{
	struct play *p = u->p;
	unsigned lost = p->scan.reader.lost > 0;
	int changed = play_check(p, e);

	if (changed < 0)
		return -1;
	if (changed) {
		notify(u, "the log was replaced or truncated: started over");
		u->now = 0;
		u->target = 0;
		u->events = 0;
	}
	int more = play_scan(p, SCAN_BYTES, e);
	if (more < 0)
		return -1;
	if (u->events == 0 && p->events)
		steps_sort(&u->steps, p->start);
	if (!lost && p->scan.reader.lost)
		notify(u, "the server says that lines of the log were lost");
	if (p->events != u->events) {
		u->events = p->events;
		u->seen_at = SDL_GetTicks64();
		u->stale = true;
	}
	u->now = MAX(u->now, p->start);
	return more;
}

/* Let recording time run.  Live, it goes on from the last event as the wall clock does, so
 * that flashes fade when the disk falls silent. */
static void run_clock(struct ui *u, bool more)
{
	uint64_t ticks = SDL_GetTicks64(), past = ticks - u->ticks;

	uint64_t before = u->now;

	u->ticks = ticks;
	if (!u->p->events)
		return;
	if (u->live) {
		u->now = more ? u->p->end : MAX(u->now, u->p->end + (ticks - u->seen_at) * NS_PER_MS);
		/* quiet for long: the timeline need not stretch for ever */
		u->now = MIN(u->now, u->p->end + 5 * NS_PER_S);
	} else if (!u->paused && !u->target) {
		double ns = (double)past * (double)NS_PER_MS * u->speed + u->part;
		uint64_t limit = u->p->end + NS_PER_S; /* a second more, to fade */
		u->part = ns - (double)(uint64_t)ns;
		u->now = MIN(u->now + (uint64_t)ns, limit);
		if (u->now == limit)
			u->paused = true;
	}
	u->stale |= u->now != before;
}

static int catch_up(struct ui *u, struct err *e)
{
	int more;

	if (u->target) {
		more = play_to_event(u->p, u->target, EVENTS_AT_ONCE, e);
		if (more == 0 && u->p->has_model) {
			u->now = MAX(u->p->model.last, u->p->start);
			u->target = 0;
		}
	} else {
		more = play_to(u->p, u->now, EVENTS_AT_ONCE, e);
	}
	if (more >= 0 && u->p->has_model && u->look.cols)
		map_set_cols(&u->p->model.map, u->look.cols);
	return more;
}

static int turn(struct ui *u, struct err *e)
{
	SDL_Event ev;
	uint64_t began = SDL_GetTicks64();

	while (SDL_PollEvent(&ev)) {
		u->stale = true;
		if (input(u, &ev, e) < 0)
			return -1;
	}
	reload_steps(u);
	int more = follow(u, e);
	if (more < 0)
		return -1;
	run_clock(u, more);
	int late = catch_up(u, e);
	if (late < 0)
		return -1;
	u->behind = more || late;
	if (u->notice_until && began >= u->notice_until) {
		u->notice_until = 0;
		u->stale = true;
	}
	u->stale |= u->behind || u->was_behind;
	if (u->stale)
		show(u);
	u->stale = false;
	u->was_behind = u->behind;
	uint64_t took = SDL_GetTicks64() - began;
	if (!u->behind && took < FRAME_MS)
		SDL_Delay((uint32_t)(FRAME_MS - took));
	return 0;
}

int window_run(struct play *p, const struct look_options *o, const struct window_options *w, struct err *e)
{
	struct ui u = { .p = p, .look = *o, .live = !w->replay, .speed = w->speed, .mx = -1, .my = -1, .stale = true, .steps_file = w->steps_file };
	int r = ui_open(&u, p->path, w->fullscreen, e);

	u.ticks = u.seen_at = SDL_GetTicks64();
	while (!r && !u.quit)
		r = turn(&u, e);
	ui_close(&u);
	steps_free(&u.steps);
	return r;
}
