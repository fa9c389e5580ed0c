/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope story: what happened to a disk, in sentences, from a recording or a log.
 *
 * The file is walked twice: to find the steps, and to tell them one by one, with the maps of the disk at the step's beginning and end. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/parse.h"
#include "cmd/disk.h"
#include "cmd/program.h"
#include "cmd/report.h"
#include "cmd/source.h"
#include "cmd/story.h"
#include "cmd/write.h"
#include "story/cut.h"
#include "trace/rec_at.h"
#include "trace/rec_events.h"
#include "view/fmt.h"
#include "view/steps.h"

#define PAUSE_NS (250 * NS_PER_MS)
enum { COLUMNS_MIN = 40, COLUMNS_MAX = 110, COLUMNS = 80, NOTES_MAX = 64 << 10 };

static const char usage[] =
	"usage: blkscope story RECORDING|LOG [options]\n"
	"Tells in sentences what happened to a disk, step by step, from a recording or a log.\n"
	"\n"
	"  --steps=FILE        steps with their times, as for blkscope view; else the marks of the recording, else pauses\n"
	"  --pause=TIME        without marks and steps: nothing happening for so long begins a step (250ms)\n"
	"  --disk=IMAGE|URI    the disk as it is at the end, for a log or a recording without data\n"
	"  --text              print it as text (the default)\n"
	"  --json              print it as JSON\n"
	"  --markdown          print it as Markdown\n"
	"  --html=FILE         write it as a page\n"
	"  --help, --version\n"
	"\n"
	"Manual: blkscope-story(1).\n";

struct command {
	const char *file, *html, *steps, *disk;
	uint64_t pause;
	bool text, json, markdown;
};

/* The session, on its way to a story. */
struct walk {
	struct source *source;
	struct steps steps;
	size_t step;             /* the next of them */
	struct cutter *cutter;
	const struct cut *cut;   /* cuts of them: the steps begin there; borrowed from the cutter */
	unsigned cuts, next;     /* the next that begins */
	uint64_t start, wall;    /* ns: of the events' clock, and since 1970, at the session's begin */
	bool any;
	struct facts facts;
	struct session session;
	struct former former;
	struct know_map *before, *now; /* the same, where nothing changed or only the end is known; ours */
	bool given;              /* the map is of the disk that the command line names */
	struct story story;
	struct reach all;
	uint64_t changes;        /* that began before the step */
	struct buf notes;
};

/* 0: go on; 1: all was said; -1: e is set, or getopt said it. */
static int parse_command(struct command *c, int argc, char **argv, struct err *e)
{
	enum { O_TEXT = 256, O_JSON, O_MARKDOWN, O_HTML, O_STEPS, O_PAUSE, O_DISK };
	static const struct option options[] = {
		{ "text", no_argument, NULL, O_TEXT }, { "json", no_argument, NULL, O_JSON }, { "markdown", no_argument, NULL, O_MARKDOWN },
		{ "html", required_argument, NULL, O_HTML }, { "steps", required_argument, NULL, O_STEPS },
		{ "pause", required_argument, NULL, O_PAUSE }, { "disk", required_argument, NULL, O_DISK },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
	};
	int opt, said;

	while ((opt = program_option(argc, argv, options, usage, &said)) != -1) {
		c->text |= opt == O_TEXT;
		c->json |= opt == O_JSON;
		c->markdown |= opt == O_MARKDOWN;
		c->html = opt == O_HTML ? optarg : c->html;
		c->steps = opt == O_STEPS ? optarg : c->steps;
		c->disk = opt == O_DISK ? optarg : c->disk;
		if (opt == O_PAUSE && parse_duration("--pause", optarg, &c->pause, e) < 0)
			return -1;
	}
	if (said)
		return said;
	if (argc - optind != 1)
		return err_set(e, "%s: usage: blkscope story RECORDING|LOG [options]",
			       optind == argc ? "no file given" : "too many arguments");
	if (c->text + c->json + c->markdown > 1)
		return err_set(e, "--text, --json and --markdown: which one?");
	c->file = argv[optind];
	return 0;
}

/* --- events, of either kind --- */

/* As a recording has it, on the session's clock.  False: it says nothing to a story. */
static bool get_event(struct walk *w, struct rec_event *e, const struct rec_event *rec, const struct event *log)
{
	static const uint8_t types[] = {
		[EV_BEGIN] = REC_BEGIN, [EV_END] = REC_END, [EV_CONNECT] = REC_CONNECT, [EV_DISCONNECT] = REC_DISCONNECT,
		[EV_LOST] = REC_LOSS, [EV_START] = 0, [EV_MARK] = 0, [EV_NOTE] = 0,
	};
	if (rec)
		*e = *rec;
	else
		*e = (struct rec_event){ .time = log->time, .conn = log->conn, .id = log->id, .op = log->op, .off = log->off,
					 .len = log->len, .err = (uint32_t)log->err,
					 .type = log->kind < ARRAY_LEN(types) ? types[log->kind] : 0 };
	if (!w->any && log) {
		w->start = e->time;
		w->wall = e->time;
	}
	w->any = true;
	e->time = e->time > w->start ? e->time - w->start : 0;
	return e->type;
}

/* --- first walk: where the steps begin --- */

static void begin_steps(struct walk *w, uint64_t number, uint64_t time)
{
	if (!w->step)
		steps_sort(&w->steps, w->wall);
	for (; w->step < w->steps.n; w->step++) {
		uint64_t at = steps_begin(&w->steps, w->step, w->wall);
		if (at > w->wall && at - w->wall > time)
			break;
		const char *name = w->steps.step[w->step].text;
		cutter_mark(w->cutter, number, at - w->wall, name, strlen(name));
	}
}

static bool see_first(void *arg, const struct rec_event *rec, const struct event *log)
{
	struct walk *w = arg;
	struct rec_event e;
	uint64_t number = w->source->number;

	if (!get_event(w, &e, rec, log))
		return true;
	begin_steps(w, number, e.time);
	if (e.type == REC_MARK && w->steps.n)
		return true;
	cutter_event(w->cutter, &e, number);
	return !w->cutter->no_memory;
}

/* --- maps --- */

static bool has_data(const struct walk *w)
{
	return w->source->recording && w->source->file.info.data == REC_DATA_YES;
}

static struct know_map *map_of(struct walk *w, struct disk *d, const char *what)
{
	struct err e = { 0 };
	struct know_disk k = disk_to_know(d);
	struct know_map *m = disk_size(d) ? know_disk_map(&k, &e) : NULL;
	if (!m && disk_size(d))
		buf_printf(&w->notes, "%s: %s\n", what, e.msg);
	return m;
}

/* The disk after so many events; NULL: not known. */
static struct know_map *map_at(struct walk *w, uint64_t events)
{
	struct err e = { 0 };
	char what[64];
	struct disk *d = disk_of_recording(&w->source->file, events, &e);

	snprintf(what, sizeof what, "the disk after event %" PRIu64, events);
	if (!d) {
		buf_printf(&w->notes, "%s: %s\n", what, e.msg);
		return NULL;
	}
	struct know_map *m = map_of(w, d, what);
	disk_close(d);
	return m;
}

static int map_given(struct walk *w, const char *name, struct err *e)
{
	struct disk *d = disk_open(name, NULL, e);
	if (!d)
		return -1;
	w->before = w->now = map_of(w, d, name);
	w->given = true;
	disk_close(d);
	return 0;
}

/* --- second walk --- */

/* The step that cut i - 1 began: until event end. */
static void begin_step(struct walk *w, uint64_t end, uint64_t changes)
{
	w->facts = (struct facts){ .begin = w->before, .end = w->now, .given = w->given, .former = &w->former };
	if (!has_data(w) || w->given)
		return;
	if (changes > w->changes || !w->now)
		w->now = map_at(w, end);
	w->facts.end = w->now;
}

static void end_step(struct walk *w)
{
	const struct cut *c = w->next ? &w->cut[w->next - 1] : NULL;
	bool quiet = !c && !w->facts.reqs[REC_READ] && !w->facts.reqs[REC_FLUSH] && !w->facts.failures.last &&
		     w->session.changes == w->changes;

	/* before the first mark only what happened there is worth a step */
	struct story_step *s = quiet && w->cuts ? NULL : story_add(&w->story, c ? c->name : NULL, c && c->name ? strlen(c->name) : 0);
	if (s && c)
		s->reach = (struct reach){ c->event, c->event, c->time, c->time };
	if (s)
		story_tell(&w->story, s, &w->facts, &w->session, w->changes);
	reach_add(&w->all, &w->facts.reach);
	w->changes = w->session.changes;
	if (w->before != w->now) {
		former_step(&w->former, w->before, w->now, &w->facts.written, &w->facts.emptied);
		know_free(w->before);
		w->before = w->now;
	}
	facts_free(&w->facts);
}

static void next_step(struct walk *w)
{
	bool last = w->next == w->cuts;
	begin_step(w, last ? w->source->file.count : w->cut[w->next].event, last ? w->cutter->changes : w->cut[w->next].changes);
}

static bool see_second(void *arg, const struct rec_event *rec, const struct event *log)
{
	struct walk *w = arg;
	struct rec_event e;
	uint64_t number = w->source->number;

	if (log && log->kind == EV_START)
		facts_restart(&w->session);
	if (!get_event(w, &e, rec, log))
		return true;
	while (w->next < w->cuts && w->cut[w->next].event <= number) {
		end_step(w);
		w->next++;
		next_step(w);
	}
	facts_event(&w->facts, &w->session, &e, number);
	return !w->facts.no_memory && !w->story.no_memory;
}

static int walk_again(struct walk *w, struct err *e)
{
	if (!w->source->recording && lseek(w->source->fd, 0, SEEK_SET) < 0)
		return err_set(e, "%s: %s", w->source->path, strerror(errno));
	w->source->notes.len = 0; /* they come a second time */
	w->source->bytes = w->source->recording ? w->source->bytes : 0;
	next_step(w);
	if (source_walk(w->source, see_second, w, e) < 0)
		return -1;
	for (; w->next < w->cuts; next_step(w)) { /* steps behind the last event */
		end_step(w);
		w->next++;
	}
	end_step(w);
	struct story_step *s = story_add(&w->story, NULL, 0);
	if (s)
		story_end(&w->story, s, w->before, &w->session, &w->all);
	return w->story.no_memory ? err_set(e, "%s: out of memory", w->source->path) : 0;
}

static int tell(const struct command *c, struct walk *w, struct err *e)
{
	struct stat st;

	if (fstat(w->source->fd, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, "%s: must be a file: it is read twice", c->file);
	w->start = w->source->start;
	w->wall = w->source->wall;
	w->cutter->pause = c->pause;
	if (c->steps && steps_load(&w->steps, c->steps, e) < 0)
		return -1;
	size_t notes = w->source->notes.len;
	if (source_walk(w->source, see_first, w, e) < 0)
		return -1;
	if (!w->any && !w->source->recording && w->source->notes.len > notes) /* lines, and none of them could be understood */
		return err_set(e, "%s: neither a recording nor a log", c->file);
	w->source->notes.len = notes;
	begin_steps(w, w->source->recording ? w->source->file.count : UINT64_MAX, INT64_MAX);
	cutter_end(w->cutter);
	w->cut = w->cutter->marks ? w->cutter->mark : w->cutter->gap;
	w->cuts = w->cutter->marks ? w->cutter->marks : w->cutter->gaps;
	if (c->disk && map_given(w, c->disk, e) < 0)
		return -1;
	return walk_again(w, e);
}

/* --- output --- */

static unsigned columns(void)
{
	struct winsize size;
	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return COLUMNS;
	return MAX(COLUMNS_MIN, MIN((int)size.ws_col, COLUMNS_MAX));
}

static int put(const struct command *c, struct walk *w, struct err *e)
{
	struct buf out = { .limit = WRITE_MAX };
	char pause[FMT_ROOM], how[256];
	struct telling t = { .name = c->file, .notes = buf_str(&w->source->notes), .how = how,
			     .recording = w->source->recording, .wall = w->wall, .length = w->cutter->last,
			     .events = w->cutter->events, .size = w->session.size, .columns = columns(),
			     .story = &w->story };
	int rc = 0;

	if (w->cutter->marks)
		snprintf(how, sizeof how, "the steps are the %s", w->steps.n ? "ones of the file of steps" : "marks of the recording");
	else
		snprintf(how, sizeof how, "a step begins where nothing had happened for %s or longer%s", report_ns(pause, c->pause),
			 w->cutter->gaps == CUT_PAUSES_MAX ? " (the longest pauses)" : "");
	if (w->given) {
		size_t n = strlen(how);
		snprintf(how + n, sizeof how - n, "; what lies where is told by the disk at the end");
	}
	t.cut = !w->cutter->marks ? "pauses" : w->steps.n ? "steps" : "marks";
	write_notes(c->file, t.notes);
	if (c->html)
		rc = story_html(&out, &t) ? write_file(c->html, &out, e) : err_set(e, "out of memory");
	if (!rc && (c->json || c->text || c->markdown || !c->html)) {
		out.len = 0;
		bool good = c->json ? story_json(&out, &t) : c->markdown ? story_markdown(&out, &t) : story_text(&out, &t);
		rc = good ? write_stdout(&out, e) : err_set(e, "out of memory");
	}
	buf_free(&out);
	return rc;
}

static int run(const struct command *c, struct err *e)
{
	struct source s;
	struct walk w = { .source = &s, .notes = { .limit = NOTES_MAX }, .cutter = calloc(1, sizeof *w.cutter) };
	int rc = source_open(&s, c->file, e);

	if (!rc)
		rc = w.cutter ? tell(c, &w, e) : err_set(e, "out of memory");
	if (!rc) {
		buf_add(&s.notes, w.notes.p, w.notes.len);
		rc = put(c, &w, e);
	}
	facts_free(&w.facts);
	session_free(&w.session);
	former_free(&w.former);
	story_free(&w.story);
	steps_free(&w.steps);
	know_free(w.before != w.now ? w.before : NULL);
	know_free(w.now);
	if (w.cutter)
		cutter_free(w.cutter);
	free(w.cutter);
	buf_free(&w.notes);
	source_close(&s);
	return rc;
}

static int command(int argc, char **argv, struct err *e)
{
	struct command c = { .pause = PAUSE_NS };

	int r = parse_command(&c, argc, argv, e);
	return r ? r : run(&c, e);
}

int main(int argc, char **argv)
{
	return program_main("blkscope story", argc, argv, command);
}
