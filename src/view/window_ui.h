/* SPDX-License-Identifier: BSD-2-Clause */
/* window_ui: what the two halves of the window share: window.c opens it, lets time run and
 * shows it; window_input.c knows the keys and the pointer.  Nobody else includes this. */
#pragma once
#include <SDL2/SDL.h>
#include <sys/stat.h>
#include "view/pace.h"
#include "view/window.h"

/* What is found out of a disk. */
struct asked {
	struct asker *asker; /* ours */
	struct spot spot;    /* of the cell under the pointer, when has_spot */
	bool has_spot;
	uint64_t map_asked;  /* events of the recording that a map was last asked for; with_map */
	bool with_map;
	uint64_t spot_asked, spot_events; /* offset; events of the model */
	bool with_spot;
	uint64_t asked_at, spot_at; /* ms, SDL clock */
};

struct ui {
	struct play *p;   /* the first disk: events are its */
	struct look_options look;
	SDL_Window *window;
	SDL_Renderer *renderer;
	SDL_Texture *texture; /* w by h of the canvas, ours */
	struct canvas canvas;
	bool quit, live, paused, backwards, help;
	bool stale; /* what is shown is not what should be */
	double speed;
	uint64_t now;     /* ns since 1970: the moment shown */
	double part;      /* of a ns, left over from slow replays */
	uint64_t ticks;   /* ms, SDL clock, of the last turn */
	uint64_t seen_at; /* ms, when the log last grew */
	uint64_t shown_at; /* ms, of the last picture */
	uint64_t due;     /* ns, monotonic, of the next one */
	uint64_t events;  /* in the log then */
	bool behind;      /* still reading or replaying */
	bool was_behind;
	uint64_t target;  /* event to show, when stepping; 0: none */
	bool moved;       /* now was chosen, and the model is not there yet: it cannot be stepped from ... */
	SDL_KeyboardEvent held; /* ... so a key that steps waits; type 0: none does */
	int mx, my;       /* pointer on the canvas; -1: elsewhere */
	const char *steps_file;
	struct steps steps; /* what was last in it */
	struct stat steps_stat;
	char notice[160];
	uint64_t notice_until; /* ms */
	struct shown shown;  /* the parts found last, of each disk */
	struct asked asked[OUTPUT_DISKS_MAX]; /* of each disk */
	struct pace *pace; /* NULL: nobody asked; ours */
	uint64_t paced; /* events in the last picture it counted */
};

static inline uint64_t ui_start(const struct ui *u) { return output_start(u->p, &u->look); }
static inline uint64_t ui_end(const struct ui *u) { return output_end(u->p, &u->look); }
struct scene ui_scene(struct ui *u, char *text, size_t room); /* text: room for the status */
int ui_resize(struct ui *u, int w, int h, struct err *e);
int ui_input(struct ui *u, const SDL_Event *ev, struct err *e);
/* Can the bytes of the i-th disk be had? */
bool ui_has_contents(const struct ui *u, size_t i);
void ui_notify(struct ui *u, const char *text);
/* Ask for what the picture lacks, and take what was found. */
void ui_ask(struct ui *u);
void ui_forget_asked(struct ui *u, size_t i);
/* The model has got to where it shall be. */
void ui_arrived(struct ui *u);
