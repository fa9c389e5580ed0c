/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope report: a session in numbers, from a recording or a log. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "cmd/program.h"
#include "cmd/report.h"
#include "cmd/source.h"
#include "cmd/write.h"

static const char usage[] =
	"usage: blkscope report RECORDING|LOG [options]\n"
	"Says in numbers what happened to a disk: from a recording, or from the log that the server's log filter writes.\n"
	"\n"
	"  --text              print it as text (the default)\n"
	"  --json              print it as JSON\n"
	"  --html=FILE         write a page with plots\n"
	"  --help, --version\n"
	"\n"
	"Manual: blkscope-report(1).\n";

struct command {
	const char *file, *html;
	bool text, json;
};

/* 0: go on; 1: all was said; -1: e is set, or getopt said it. */
static int parse_command(struct command *c, int argc, char **argv, struct err *e)
{
	enum { O_TEXT = 256, O_JSON, O_HTML };
	static const struct option options[] = {
		{ "text", no_argument, NULL, O_TEXT }, { "json", no_argument, NULL, O_JSON }, { "html", required_argument, NULL, O_HTML },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
	};
	int opt, said;

	while ((opt = program_option(argc, argv, options, usage, &said)) != -1) {
		c->text |= opt == O_TEXT;
		c->json |= opt == O_JSON;
		if (opt == O_HTML)
			c->html = optarg;
	}
	if (said)
		return said;
	if (argc - optind != 1)
		return err_set(e, "%s: usage: blkscope report RECORDING|LOG [options]",
			       optind == argc ? "no file given" : "too many arguments");
	if (c->text && c->json)
		return err_set(e, "--text and --json: which one?");
	c->file = argv[optind];
	return 0;
}

static int run(const struct command *c, struct err *e)
{
	struct source s;
	struct stats *stats = NULL;
	struct buf out = { .limit = WRITE_MAX };
	int rc = source_open(&s, c->file, e);

	if (rc == 0)
		rc = report_count(&s, &stats, e);
	if (rc == 0) {
		write_notes(c->file, buf_str(&s.notes));
		struct report r = { .name = c->file, .notes = buf_str(&s.notes), .recording = s.recording,
				    .wall = s.recording ? s.wall : stats->start, .stats = stats };
		if (c->html)
			rc = report_html(&out, &r) ? write_file(c->html, &out, e) : err_set(e, "out of memory");
		if (!rc && (c->json || c->text || !c->html)) {
			out.len = 0;
			bool good = c->json ? report_json(&out, &r) : report_text(&out, &r);
			rc = good ? write_stdout(&out, e) : err_set(e, "out of memory");
		}
	}
	stats_free(stats);
	buf_free(&out);
	source_close(&s);
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
	return program_main("blkscope report", argc, argv, command);
}
