/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope view, alias nbdview: watch a disk by the log or the recording of its server. */
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "base/say.h"
#include "cmd/view_contents.h"
#include "cmd/become.h"
#include "view/output.h"
#include "view/window.h"

enum { MODE_WINDOW, MODE_PNG, MODE_VIDEO, MODE_STRIP, MODE_DUMP, MODE_SUMMARY };

struct also {
	const char *path;
	struct view_contents disk;
	struct contents contents;
	struct play play;
	bool open;
};

struct command {
	const char *log;
	uint64_t size;
	bool sized;
	unsigned modes; /* bits, 1 << MODE_ */
	const char *png, *video, *strip, *steps_file;
	uint64_t *at; /* n_at, ours */
	size_t n_at;
	unsigned fps;
	double speed, replay;
	bool fullscreen, replaying, stats;
	struct look_options look;
	struct view_contents disk;
	struct contents contents;
	struct also *also; /* look.others of them, ours */
	struct other other[OUTPUT_DISKS_MAX - 1];
	struct steps steps;
};

static const char usage[] =
	"usage: nbdview LOG|RECORDING [SIZE] [options]\n"
	"Shows what happened to a disk, from what the server's filter log or record writes.\n"
	"Without an option that names an output, opens a window that follows the file.\n"
	"\n"
	"SIZE is the disk's (64M, 16T ...); left out, the file tells it when a client connects.\n"
	"\n"
	"  --replay[=SPEED]    window: play with the recording's own timing, SPEED times as fast\n"
	"  --fullscreen        window: fill the screen\n"
	"  --stats             window: print at the end how it kept up with the log\n"
	"  --png=FILE          write one picture (of --at=TIME, else the end)\n"
	"  --strip=FILE        write a film strip of --at=T1,T2,..., else of the end of each step\n"
	"  --video=FILE        write a film (with ffmpeg)\n"
	"  --fps=N             film: pictures per second (30)\n"
	"  --speed=X           film: recorded seconds per second (1)\n"
	"  --dump              print the state and counts of each pixel (at --at=TIME, else the end)\n"
	"  --summary           print what each step did to the disk\n"
	"  --at=TIME           since the log's first line, the recording's start: 12.5, 500ms, 2m\n"
	"  --steps=FILE        captions: lines of `TIME caption` or `@UNIXSECONDS caption`;\n"
	"                      a recording's marks need no file\n"
	"  --also=FILE         one more disk, side by side on one clock; may be given again\n"
	"  --heat              the time line: when and where on the disk, by brightness\n"
	"  --palette=NAME      default, light or classic\n"
	"  --hilbert           order blocks along a Hilbert curve\n"
	"  --width=N           pixels of the map in a row\n"
	"  --structure         show what the parts of the disk are (of a recording with data, or --disk)\n"
	"  --disk=IMAGE        the disk's bytes, when the file has none: an image, a device or a URI\n"
	"  --web[=ADDR:PORT]   serve a page to browsers: of one or more files, each may have a SIZE,\n"
	"                      or of a server's Unix socket; the address is printed (127.0.0.1)\n"
	"  --export=FILE       write that page with what it shows; --contents: with the disk's bytes\n"
	"  --help, --version\n"
	"\n"
	"Keys of the window: F1.  Manual: nbdview(1).\n";

enum { O_REPLAY = 256, O_FULLSCREEN, O_STATS, O_PNG, O_STRIP, O_VIDEO, O_FPS, O_SPEED, O_DUMP, O_SUMMARY, O_AT, O_STEPS,
       O_PALETTE, O_HILBERT, O_WIDTH, O_STRUCTURE, O_DISK, O_ALSO, O_HEAT, O_HELP, O_VERSION };

static const struct option_name {
	const char *name;
	int has_arg, val;
} names[] = {
	{ "replay", optional_argument, O_REPLAY }, { "fullscreen", no_argument, O_FULLSCREEN },
	{ "stats", no_argument, O_STATS },
	{ "png", required_argument, O_PNG }, { "strip", required_argument, O_STRIP },
	{ "video", required_argument, O_VIDEO }, { "fps", required_argument, O_FPS },
	{ "speed", required_argument, O_SPEED }, { "dump", no_argument, O_DUMP },
	{ "summary", no_argument, O_SUMMARY }, { "at", required_argument, O_AT },
	{ "steps", required_argument, O_STEPS }, { "palette", required_argument, O_PALETTE },
	{ "hilbert", no_argument, O_HILBERT }, { "width", required_argument, O_WIDTH },
	{ "structure", no_argument, O_STRUCTURE }, { "disk", required_argument, O_DISK },
	{ "also", required_argument, O_ALSO }, { "heat", no_argument, O_HEAT },
	{ "help", no_argument, O_HELP }, { "version", no_argument, O_VERSION },
};

/* A factor: digits with an optional point, more than 0, at most 1e6. */
static int parse_factor(const char *what, const char *str, double *out, struct err *e)
{
	uint64_t whole = 0, frac = 0, unit = 1;
	const char *p = str;

	for (; *p >= '0' && *p <= '9' && whole <= 1000000; p++)
		whole = whole * 10 + (uint64_t)(*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && unit < 1000000; p++, unit *= 10)
			frac = frac * 10 + (uint64_t)(*p - '0');
	double v = (double)whole + (double)frac / (double)unit;
	if (*p || p == str || v < 0.001 || v > 1000000)
		return err_set(e, "%s=%s: expected a factor from 0.001 to 1000000", what, str);
	*out = v;
	return 0;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* --at=T1,T2,...: in order, so that the log is walked once. */
static int parse_times(struct command *c, const char *list, struct err *e)
{
	char *copy = strdup(list), *rest = copy, *one;
	int r = 0;

	while (copy && !r && (one = strsep(&rest, ","))) {
		uint64_t *more = reallocarray(c->at, c->n_at + 1, sizeof *more);
		if (!more) {
			r = err_set(e, "at: out of memory");
			break;
		}
		c->at = more;
		r = parse_duration("at", one, &c->at[c->n_at], e);
		c->n_at += !r;
	}
	free(copy);
	if (!r)
		qsort(c->at, c->n_at, sizeof *c->at, compare_times);
	return copy ? r : err_set(e, "at: out of memory");
}

static int add_disk(struct command *c, const char *path, struct err *e)
{
	size_t n = c->look.others;

	if (n == OUTPUT_DISKS_MAX - 1)
		return err_set(e, "also=%s: %u disks can be shown at once", path, OUTPUT_DISKS_MAX);
	struct also *more = reallocarray(c->also, n + 1, sizeof *more);
	if (!more)
		return err_set(e, "also: out of memory");
	more[n] = (struct also){ .path = path };
	c->also = more;
	c->look.others++;
	return 0;
}

static int set_option(struct command *c, int opt, const char *arg, struct err *e)
{
	switch (opt) {
	case O_REPLAY:
		c->replaying = true;
		return arg ? parse_factor("replay", arg, &c->replay, e) : 0;
	case O_FULLSCREEN:
		c->fullscreen = true;
		return 0;
	case O_STATS:
		c->stats = true;
		return 0;
	case O_PNG:
		c->modes |= 1u << MODE_PNG;
		c->png = arg;
		return 0;
	case O_STRIP:
		c->modes |= 1u << MODE_STRIP;
		c->strip = arg;
		return 0;
	case O_VIDEO:
		c->modes |= 1u << MODE_VIDEO;
		c->video = arg;
		return 0;
	case O_FPS:
		return parse_unsigned("fps", arg, 1, 240, &c->fps, e);
	case O_SPEED:
		return parse_factor("speed", arg, &c->speed, e);
	case O_DUMP:
		c->modes |= 1u << MODE_DUMP;
		return 0;
	case O_SUMMARY:
		c->modes |= 1u << MODE_SUMMARY;
		return 0;
	case O_AT:
		return parse_times(c, arg, e);
	case O_STEPS:
		c->steps_file = arg;
		return 0;
	case O_PALETTE:
		c->look.palette = palette_find(arg);
		return c->look.palette ? 0 : err_set(e, "palette=%s: there is " PALETTE_NAMES, arg);
	case O_HILBERT:
		c->look.hilbert = true;
		return 0;
	case O_WIDTH:
		return parse_unsigned("width", arg, 1, MAP_COLS_MAX, &c->look.cols, e);
	case O_STRUCTURE:
		c->look.structure = true;
		return 0;
	case O_DISK:
		c->disk.image = arg;
		return 0;
	case O_ALSO:
		return add_disk(c, arg, e);
	case O_HEAT:
		c->look.heat = true;
		return 0;
	default:
		return err_set(e, "try nbdview --help");
	}
}

/* 0: go on; 1: all was said; -1: e is set (or getopt said it: e is empty). */
static int parse_command(struct command *c, int argc, char **argv, struct err *e)
{
	struct option options[ARRAY_LEN(names) + 1] = { 0 };
	int opt;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		options[i] = (struct option){ names[i].name, names[i].has_arg, NULL, names[i].val };
	argv[0] = (char *)"nbdview"; /* blkscope calls us 'view', and getopt would say so */
	while ((opt = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (opt == '?')
			return -1;
		if (opt == O_HELP || opt == 'h')
			return fputs(usage, stdout) < 0 ? -1 : 1;
		if (opt == O_VERSION || opt == 'V')
			return printf("nbdview (blkscope) %s\n", VERSION) < 0 ? -1 : 1;
		if (set_option(c, opt, optarg, e) < 0)
			return -1;
	}
	if (optind == argc || argc - optind > 2)
		return err_set(e, "%s: usage: nbdview LOG|RECORDING [SIZE] [options]",
			optind == argc ? "no log given" : "too many arguments");
	c->log = argv[optind++];
	c->sized = optind < argc;
	if (c->sized && parse_size("SIZE", argv[optind], &c->size, e) < 0)
		return -1;
	c->disk.recording = c->log;
	c->contents = view_contents(&c->disk);
	c->look.contents = &c->contents;
	if (c->look.others && c->modes & (1u << MODE_DUMP | 1u << MODE_SUMMARY))
		return err_set(e, "--also goes with the window, --png, --strip and --video");
	bool one_at = c->modes & (1u << MODE_PNG | 1u << MODE_DUMP);
	if (c->n_at && !(c->modes & (1u << MODE_PNG | 1u << MODE_DUMP | 1u << MODE_STRIP)))
		return err_set(e, "--at goes with --png, --dump or --strip");
	if (one_at && c->n_at > 1)
		return err_set(e, "--png and --dump show one moment: --at=TIME");
	return 0;
}

static void report_recording(const struct play *p)
{
	const struct rec_file *f = &p->tape.rec;

	if (f->trouble)
		say_error("%s: at byte %" PRIu64 ": %s; %" PRIu64 " bytes passed over", p->path, f->trouble_at, f->trouble, f->skipped);
	if (p->scan.reader.bad)
		say_error("%s: %" PRIu64 " chunks of events are damaged", p->path, p->scan.reader.bad);
	if (p->scan.reader.lost)
		say_error("%s: %" PRIu64 " events are missing", p->path, p->scan.reader.lost);
	if (play_torn(p))
		say_error("%s: the last chunk is not whole: left out", p->path);
}

static void report_log(const struct play *p)
{
	const struct log_reader *r = &p->scan.reader;

	if (r->bad || r->overlong)
		say_error("%s: of %" PRIu64 " lines, %" PRIu64 " not understood and %" PRIu64 " too long", p->path,
			r->lines, r->bad, r->overlong);
	if (r->lost)
		say_error("%s: the server lost %" PRIu64 " lines", p->path, r->lost);
	if (r->set_back)
		say_error("%s: the clock was set back %" PRIu64 " times", p->path, r->set_back);
	if (play_torn(p))
		say_error("%s: the last line has no end: left out", p->path);
}

/* What the file had that the pictures do not show. */
static void report(const struct play *p)
{
	if (p->tape.is_rec)
		report_recording(p);
	else
		report_log(p);
	if (p->has_model && p->model.total.clipped)
		say_error("%s: %" PRIu64 " requests reach beyond the disk's %" PRIu64 " bytes", p->path,
			p->model.total.clipped, p->size);
	if (p->has_model && p->model.map.coarse)
		say_error("%s: too scattered for exact states of all blocks: counts are estimates", p->path);
}

static int make_outputs(struct command *c, struct play *p, struct err *e)
{
	uint64_t at = c->n_at ? c->at[0] : AT_END;
	struct video_options v = { .fps = c->fps, .speed = c->speed };

	if (c->png && output_png(p, &c->look, at, c->png, e) < 0)
		return -1;
	if (c->modes & 1u << MODE_DUMP && output_dump(p, &c->look, at, e) < 0)
		return -1;
	if (c->strip && output_strip(p, &c->look, c->at, c->n_at, c->strip, e) < 0)
		return -1;
	if (c->modes & 1u << MODE_SUMMARY && output_summary(p, &c->look, e) < 0)
		return -1;
	return c->video ? output_video(p, &c->look, &v, c->video, e) : 0;
}

/* image: of that disk; NULL: none. */
static bool has_contents(const struct command *c, const struct play *p, const char *image, struct err *e)
{
	if (!c->look.structure || image || (p->tape.is_rec && p->tape.rec.info.data == REC_DATA_YES))
		return true;
	err_set(e, "%s: --structure needs the disk's bytes, and a %s has none: give --disk=IMAGE", p->path,
		p->tape.is_rec ? "recording without data" : "log");
	return false;
}

/* The other disks, which look on. */
static int open_others(struct command *c, struct err *e)
{
	for (size_t i = 0; i < c->look.others; i++) {
		struct also *a = &c->also[i];
		if (play_open(&a->play, a->path, NULL, !c->modes, e) < 0)
			return -1;
		a->open = true;
		a->disk.recording = a->path;
		a->contents = view_contents(&a->disk);
		c->other[i] = (struct other){ &a->play, &a->contents };
	}
	c->look.other = c->other;
	return 0;
}

static void close_others(struct command *c)
{
	for (size_t i = 0; i < c->look.others && c->also[i].open; i++) {
		report(&c->also[i].play);
		play_close(&c->also[i].play);
	}
}

/* The window may be asked for heat at any time. */
static int want_heat(struct command *c, struct play *p, struct err *e)
{
	for (size_t i = 0; (c->look.heat || !c->modes) && i <= c->look.others; i++)
		if (play_want_heat(output_disk(p, &c->look, i), e) < 0)
			return -1;
	return 0;
}

static int scan_others(struct command *c, struct err *e)
{
	for (size_t i = 0; i < c->look.others; i++)
		if (play_scan_all(&c->also[i].play, e) < 0 || !has_contents(c, &c->also[i].play, NULL, e))
			return -1;
	return 0;
}

static int run(struct command *c, struct err *e)
{
	struct play p;
	int r = -1;

	/* the window reads it itself, again and again */
	if (c->steps_file && c->modes) {
		if (steps_load(&c->steps, c->steps_file, e) < 0)
			return -1;
		c->look.steps = &c->steps;
	}
	if (play_open(&p, c->log, c->sized ? &c->size : NULL, !c->modes, e) < 0)
		goto free_steps;
	if (open_others(c, e) < 0 || want_heat(c, &p, e) < 0)
		goto close;
	if (!c->modes) {
		struct window_options w = { .fullscreen = c->fullscreen, .replay = c->replaying, .speed = c->replay,
			.steps_file = c->steps_file, .stats = c->stats };
		r = window_run(&p, &c->look, &w, e);
	} else {
		p.ride = c->modes & (1u << MODE_PNG | 1u << MODE_DUMP) && !c->n_at;
		if (play_scan_all(&p, e) == 0 && has_contents(c, &p, c->disk.image, e) && scan_others(c, e) == 0) {
			steps_sort(&c->steps, output_start(&p, &c->look));
			r = make_outputs(c, &p, e);
		}
	}
close:
	report(&p);
	play_close(&p);
	close_others(c);
free_steps:
	steps_free(&c->steps);
	return r;
}

/* The page is another program's work, and the words of the command line are its own. */
static bool wants_web(char **argv)
{
	for (; *argv && strcmp(*argv, "--") != 0; argv++)
		if (strcmp(*argv, "--web") == 0 || strncmp(*argv, "--web=", 6) == 0 || strncmp(*argv, "--export=", 9) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct command c = { .fps = 30, .speed = 1, .replay = 1, .look.palette = &palette_default };
	struct err e = { 0 };

	say_start("nbdview", SAY_STDERR, false);
	signal(SIGPIPE, SIG_IGN);
	if (wants_web(argv)) {
		become("web", argv, &e);
		say_error("%s", e.msg);
		return EXIT_FAILURE;
	}
	int r = parse_command(&c, argc, argv, &e);
	if (r == 0)
		r = run(&c, &e);
	if (r < 0 && e.msg[0])
		say_error("%s", e.msg);
	free(c.at);
	free(c.also);
	return r < 0;
}
