/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/say.h"
#include "view/window_ui.h"

#define FRAME_NS (NS_PER_S / 60)
#define BEHIND_MS 100 /* between two pictures while catching up: reading comes first */
#define SCAN_BYTES (4u << 20) /* of log between two pictures while catching up */
#define EVENTS_AT_ONCE 50000
#define NOTICE_MS 8000
#define QUIET_NS (5 * NS_PER_S) /* a silent disk: time goes on until every flash has faded, no longer */

/* ---- SDL: open, close, show ---- */

static int sdl_failed(struct err *e, const char *what)
{
	return err_set(e, "cannot open a window: %s: %s (--png, --video and --strip need no display)", what,
		SDL_GetError());
}

int ui_resize(struct ui *u, int w, int h, struct err *e)
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

/* SDL would rather draw where nobody sees it than say that there is no display. */
static bool nobody_sees(void)
{
	const char *driver = SDL_GetCurrentVideoDriver();
	return !getenv("SDL_VIDEODRIVER") && driver && (strcmp(driver, "offscreen") == 0 || strcmp(driver, "dummy") == 0);
}

static int no_display(struct err *e)
{
	return err_set(e, "cannot open a window: there is no display (--png, --video and --strip need none)");
}

static int ui_open(struct ui *u, const char *log, bool fullscreen, struct err *e)
{
	char title[300];
	int w, h;
	const char *base = strrchr(log, '/');

	if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY") && !getenv("SDL_VIDEODRIVER"))
		return no_display(e);
	if (!getenv("WAYLAND_DISPLAY") && !getenv("SDL_VIDEODRIVER"))
		SDL_SetHint(SDL_HINT_VIDEODRIVER, "x11"); /* the others would only complain */
	SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
	SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "0");
	SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0"); /* without a GPU, straight to the display, not by an OpenGL in software */
	if (SDL_Init(SDL_INIT_VIDEO))
		return sdl_failed(e, "no display");
	if (nobody_sees())
		return no_display(e);
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

void ui_notify(struct ui *u, const char *text)
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
		snprintf(text, room, u->backwards ? "paused, backwards" : "paused");
	else
		snprintf(text, room, "%s ×%g", u->backwards ? "backwards" : "replay", u->speed);
	return text;
}

struct scene ui_scene(struct ui *u, char *text, size_t room)
{
	struct scene s = output_scene(u->p, &u->look, &u->shown, u->now);

	s.pointer_x = u->mx;
	s.pointer_y = u->my;
	s.help = u->help;
	s.status = status(u, text, room);
	s.notice = u->notice_until ? u->notice : NULL;
	s.spot = u->asked[0].has_spot ? &u->asked[0].spot : NULL;
	for (size_t i = 0; i < s.tiles; i++)
		u->shown.tile[i].spot = u->asked[i].has_spot ? &u->asked[i].spot : NULL;
	s.names = &u->p->names;
	return s;
}

static void show(struct ui *u)
{
	char text[64];
	struct scene s = ui_scene(u, text, sizeof text);

	if (u->p->has_model && u->p->events)
		paint_screen(&u->canvas, &u->p->model, &s);
	else
		paint_waiting(&u->canvas, &s, play_missing(u->p));
	SDL_UpdateTexture(u->texture, NULL, u->canvas.px, u->canvas.w * 3);
	SDL_RenderClear(u->renderer);
	SDL_RenderCopy(u->renderer, u->texture, NULL, NULL);
	SDL_RenderPresent(u->renderer);
}

/* The picture that was just shown, begun at `painted` in the turn that began at `began`. */
static void count_picture(struct ui *u, uint64_t began, uint64_t painted)
{
	struct timespec ts;
	uint64_t now = monotonic_ns(), events = u->p->has_model ? u->p->model.events : 0;
	struct frame f = { .shown = now, .work = now - began, .paint = now - painted, .bytes = play_behind(u->p) };

	clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t wall = timespec_ns(&ts);
	if (events != u->paced)
		f.age = wall - MIN(u->p->model.last, wall);
	u->paced = events;
	pace_frame(u->pace, &f);
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
	if (u->events)
		steps_sort(&u->steps, ui_start(u));
}

/* Read what a log has now, a bounded piece of it. */
static int follow_one(struct ui *u, size_t i, struct err *e)
{
	struct play *p = output_disk(u->p, &u->look, i);
	unsigned lost = p->scan.reader.lost > 0;
	int changed = play_check(p, e);

	if (changed < 0)
		return -1;
	if (changed) {
		ui_notify(u, "the file was replaced or truncated: started over");
		u->now = 0;
		u->target = 0;
		u->events = 0;
		ui_forget_asked(u, i);
	}
	p->ride = u->live;
	int more = play_scan(p, SCAN_BYTES, e);
	if (more < 0)
		return -1;
	if (!lost && p->scan.reader.lost)
		ui_notify(u, p->tape.is_rec ? "events of the recording are missing" : "the server says that lines of the log were lost");
	return more;
}

static int follow(struct ui *u, struct err *e)
{
	uint64_t events = 0;
	int more = 0;

	for (size_t i = 0; i <= u->look.others; i++) {
		int one = follow_one(u, i, e);
		if (one < 0)
			return -1;
		more |= one;
		events += output_disk(u->p, &u->look, i)->events;
	}
	if (u->events == 0 && events)
		steps_sort(&u->steps, ui_start(u));
	if (events != u->events) {
		u->events = events;
		u->seen_at = SDL_GetTicks64();
		u->stale = true;
	}
	u->now = MAX(u->now, ui_start(u));
	return more;
}

/* For so many ns of recording time.  Backwards, it waits for what has to be walked again. */
static void run_replay(struct ui *u, double ns)
{
	uint64_t whole = (uint64_t)ns, limit = ui_end(u) + NS_PER_S; /* a second more, to fade */

	u->part = ns - (double)whole;
	if (!u->backwards) {
		u->now = MIN(u->now + whole, limit);
		u->paused = u->now == limit;
	} else if (!u->behind) {
		uint64_t past = u->now - ui_start(u); /* follow() sees to it that now is not earlier */
		u->now -= MIN(whole, past);
		u->paused = u->now == ui_start(u);
	}
}

/* Let recording time run.  Live, it goes on from the last event as the wall clock does, so
 * that flashes fade when the disk falls silent. */
static void run_clock(struct ui *u, bool more)
{
	uint64_t ticks = SDL_GetTicks64(), past = ticks - u->ticks;

	uint64_t before = u->now;

	u->ticks = ticks;
	if (!u->events)
		return;
	if (u->live) {
		u->now = ui_end(u) + (more ? 0 : MIN((ticks - u->seen_at) * NS_PER_MS, QUIET_NS));
	} else if (!u->paused && !u->target) {
		run_replay(u, (double)past * (double)NS_PER_MS * u->speed + u->part);
	}
	u->stale |= u->now != before;
}

static int catch_up(struct ui *u, struct err *e)
{
	int more;

	if (u->target) {
		more = play_to_event(u->p, u->target, EVENTS_AT_ONCE, e);
		if (more == 0 && u->p->has_model) {
			u->now = MAX(u->p->model.last, ui_start(u));
			u->target = 0;
		}
	} else {
		more = play_to(u->p, u->now, EVENTS_AT_ONCE, e);
	}
	for (size_t i = 0; i < u->look.others && more >= 0; i++) {
		int late = u->target ? 0 : play_to(u->look.other[i].play, u->now, EVENTS_AT_ONCE, e);
		more = late < 0 ? -1 : more | late;
	}
	for (size_t i = 0; i <= u->look.others && u->look.cols; i++)
		if (output_disk(u->p, &u->look, i)->has_model)
			map_set_cols(&output_disk(u->p, &u->look, i)->model.map, u->look.cols);
	return more;
}

/* Until it is time for the next picture; who is late, or behind, does not rest. */
static void rest(struct ui *u)
{
	uint64_t now = monotonic_ns();

	u->due = MAX(u->due + FRAME_NS, now);
	if (!u->behind && u->due > now)
		nanosleep(&(struct timespec){ .tv_nsec = (long)MIN(u->due - now, FRAME_NS) }, NULL);
}

static int turn(struct ui *u, struct err *e)
{
	SDL_Event ev;
	uint64_t began = SDL_GetTicks64(), began_ns = monotonic_ns();

	while (SDL_PollEvent(&ev)) {
		u->stale = true;
		if (ui_input(u, &ev, e) < 0)
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
	if (!late && u->moved)
		ui_arrived(u);
	u->behind = more || late;
	ui_ask(u);
	if (u->notice_until && began >= u->notice_until) {
		u->notice_until = 0;
		u->stale = true;
	}
	u->stale |= u->behind || u->was_behind;
	if (u->stale && (!u->behind || began - u->shown_at >= BEHIND_MS)) {
		uint64_t painted = monotonic_ns();
		show(u);
		if (u->pace)
			count_picture(u, began_ns, painted);
		u->shown_at = began;
		u->stale = false;
	}
	u->was_behind = u->behind;
	rest(u);
	return 0;
}

int window_run(struct play *p, const struct look_options *o, const struct window_options *w, struct err *e)
{
	struct ui u = { .p = p, .look = *o, .live = !w->replay, .speed = w->speed, .mx = -1, .my = -1,
		.stale = true, .steps_file = w->steps_file };
	int r = 0;

	if (w->steps_file && !access(w->steps_file, F_OK)) /* it may come later, but not be wrong now */
		r = steps_load(&u.steps, w->steps_file, e);
	if (!r && w->stats && !(u.pace = calloc(1, sizeof *u.pace)))
		r = err_set(e, "out of memory");
	if (!r)
		r = ui_open(&u, p->path, w->fullscreen, e);
	for (size_t i = 0; i <= o->others && !r; i++)
		if (!(u.asked[i].asker = asker_start(i ? o->other[i - 1].contents : o->contents, e)))
			r = -1;

	u.ticks = u.seen_at = SDL_GetTicks64();
	while (!r && !u.quit)
		r = turn(&u, e);
	ui_close(&u);
	for (size_t i = 0; i <= o->others; i++)
		asker_stop(u.asked[i].asker);
	output_shown_free(&u.shown);
	if (!r && u.pace)
		pace_print(u.pace, stdout);
	free(u.pace);
	steps_free(&u.steps);
	return r;
}
