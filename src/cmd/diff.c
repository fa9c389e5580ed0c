/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope diff: two sessions of the same work, compared. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "cmd/diff.h"
#include "cmd/program.h"
#include "cmd/write.h"

static const char usage[] =
	"usage: blkscope diff A B [options]\n"
	"Compares two recordings, or logs, of the same work: in numbers, step by step as the marks say, and, of recordings with data,\n"
	"which blocks differ at the end.\n"
	"\n"
	"  --text              print it as text (the default)\n"
	"  --json              print it as JSON\n"
	"  --png=FILE          write a picture: both maps and their difference\n"
	"  --help, --version\n"
	"\n"
	"Manual: blkscope-diff(1).\n";

struct command {
	const char *file[2], *png;
	bool text, json;
};

/* 0: go on; 1: all was said; -1: e is set, or getopt said it. */
static int parse_command(struct command *c, int argc, char **argv, struct err *e)
{
	enum { O_TEXT = 256, O_JSON, O_PNG };
	static const struct option options[] = {
		{ "text", no_argument, NULL, O_TEXT }, { "json", no_argument, NULL, O_JSON }, { "png", required_argument, NULL, O_PNG },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
	};
	int opt, said;

	while ((opt = program_option(argc, argv, options, usage, &said)) != -1) {
		c->text |= opt == O_TEXT;
		c->json |= opt == O_JSON;
		if (opt == O_PNG)
			c->png = optarg;
	}
	if (said)
		return said;
	if (argc - optind != 2)
		return err_set(e, "%s: usage: blkscope diff A B [options]",
			       argc - optind < 2 ? "two files are needed" : "too many arguments");
	if (c->text && c->json)
		return err_set(e, "--text and --json: which one?");
	c->file[0] = argv[optind];
	c->file[1] = argv[optind + 1];
	return 0;
}

static int count(struct diff *d, const struct command *c, struct err *e)
{
	for (unsigned k = 0; k < 2; k++) {
		if (source_open(&d->source[k], c->file[k], e) < 0 || report_count(&d->source[k], &d->stats[k], e) < 0)
			return -1;
		write_notes(c->file[k], buf_str(&d->source[k].notes));
	}
	d->pair = calloc(d->stats[0]->steps + d->stats[1]->steps + 1, sizeof *d->pair);
	d->pairs = d->pair ? match_steps(d->stats[0], d->stats[1], d->pair) : -1;
	return d->pairs < 0 ? err_set(e, "out of memory") : 0;
}

static int run(const struct command *c, struct err *e)
{
	struct diff d = { .source = { { .fd = -1 }, { .fd = -1 } } };
	struct diff_picture *picture = NULL;
	struct buf out = { .limit = WRITE_MAX };
	int rc = count(&d, c, e);

	if (rc == 0 && c->png && !(picture = diff_picture_new(&d, e)))
		rc = -1;
	/* the numbers are good even when a damaged recording no longer tells what was on the disk */
	if (rc == 0 && diff_data(&d, picture ? diff_picture_differs : NULL, picture, e) < 0)
		say_error("what the disks hold is not compared: %s", e->msg);
	if (rc == 0 && picture)
		rc = diff_picture_save(picture, &d, c->png, e);
	if (rc == 0 && (c->json || c->text || !c->png))
		rc = (c->json ? diff_json(&out, &d) : diff_text(&out, &d)) ? write_stdout(&out, e) : err_set(e, "out of memory");
	diff_picture_free(picture);
	buf_free(&out);
	free(d.pair);
	for (unsigned k = 0; k < 2; k++) {
		stats_free(d.stats[k]);
		source_close(&d.source[k]);
	}
	return rc;
}

static int command(int argc, char **argv, struct err *e)
{
	struct command c = { 0 };

	int r = parse_command(&c, argc, argv, e);
	return r ? r : run(&c, e);
}

int main(int argc, char **argv)
{
	return program_main("blkscope diff", argc, argv, command);
}
