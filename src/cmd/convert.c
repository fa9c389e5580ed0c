/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope convert: what happened to a disk, out of one format and into another. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/say.h"
#include "cmd/input.h"
#include "cmd/out_recording.h"
#include "cmd/out_sqlite.h"
#include "cmd/program.h"
#include "cmd/write.h"

static const char usage_start[] =
	"usage: blkscope convert [--from=FORMAT] --to=FORMAT IN [OUT]\n"
	"Reads what happened to a disk in one format and writes it in another; without OUT, or when it is -, to standard output.\n"
	"\n"
	"  --from=FORMAT       what IN is; else its first bytes tell\n"
	"  --to=FORMAT         what OUT becomes\n"
	"  --help, --version\n";

static const struct fmt_writer *const more_writers[] = { &fmt_out_recording, &fmt_out_sqlite, NULL };

struct command {
	const char *from, *in, *out;
	const struct fmt_writer *to;
};

static const struct fmt_writer *writer_at(size_t i)
{
	for (size_t k = 0; fmt_writers[k]; k++)
		if (i-- == 0)
			return fmt_writers[k];
	return more_writers[i];
}

static int usage(void)
{
	printf("%s\nFormats that are read:\n", usage_start);
	for (size_t i = 0; fmt_readers[i]; i++)
		printf("  %-18s  %s\n", fmt_readers[i]->name, fmt_readers[i]->help);
	printf("\nFormats that are written:\n");
	for (size_t i = 0; writer_at(i); i++)
		printf("  %-18s  %s\n", writer_at(i)->name, writer_at(i)->help);
	return printf("\nManual: blkscope-convert(1).\n") < 0 ? -1 : 1;
}

static int set_writer(struct command *c, const char *name, struct err *e)
{
	for (size_t i = 0; writer_at(i); i++)
		if (strcmp(name, writer_at(i)->name) == 0) {
			c->to = writer_at(i);
			return 0;
		}
	return err_set(e, "--to=%s: no such format: --help lists them", name);
}

/* 0: go on; 1: all was said; -1: e is set, or getopt said it. */
static int parse_command(struct command *c, int argc, char **argv, struct err *e)
{
	enum { O_FROM = 256, O_TO };
	static const struct option options[] = {
		{ "from", required_argument, NULL, O_FROM }, { "to", required_argument, NULL, O_TO },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		if (opt == 'h')
			return usage();
		if (opt == 'V')
			return printf("blkscope convert %s\n", VERSION) < 0 ? -1 : 1;
		if (opt == '?' || (opt == O_TO && set_writer(c, optarg, e) < 0))
			return -1;
		if (opt == O_FROM)
			c->from = optarg;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return err_set(e, "%s: usage: blkscope convert [--from=FORMAT] --to=FORMAT IN [OUT]",
			       optind == argc ? "no file given" : "too many arguments");
	if (!c->to)
		return err_set(e, "--to=FORMAT says what to write: --help lists the formats");
	c->in = argv[optind];
	c->out = argc - optind == 2 && strcmp(argv[optind + 1], "-") != 0 ? argv[optind + 1] : NULL;
	return 0;
}

/* --- where it goes --- */

struct target {
	int fd;
	bool part;             /* written beside, to be renamed */
	char path[PATH_MAX];   /* what is written to */
};

static int write_at(void *owner, const void *p, size_t n, uint64_t at)
{
	const struct target *t = owner;
	for (ssize_t put; n; p = (const char *)p + put, n -= (size_t)put, at += (uint64_t)put) {
		put = t->part ? pwrite(t->fd, p, n, (off_t)at) : write(t->fd, p, n);
		if (put < 0 && errno == EINTR)
			put = 0;
		else if (put <= 0)
			return put ? errno : ENOSPC;
	}
	return 0;
}

static int open_target(struct target *t, const struct command *c, struct err *e)
{
	struct stat st;

	*t = (struct target){ .fd = STDOUT_FILENO };
	if ((c->to->seeks || c->to->takes_path) && (!c->out || (stat(c->out, &st) == 0 && !S_ISREG(st.st_mode))))
		return err_set(e, "--to=%s needs a file to write to: name it behind the input", c->to->name);
	if (!c->out)
		return 0;
	t->part = stat(c->out, &st) < 0 || S_ISREG(st.st_mode);
	int n = snprintf(t->path, sizeof t->path, "%s%s", c->out, t->part ? ".part" : "");
	if (n < 0 || (size_t)n >= sizeof t->path)
		return err_set(e, "%s: name too long", c->out);
	if (t->part && unlink(t->path) < 0 && errno != ENOENT)
		return err_set(e, "%s: %s", t->path, strerror(errno));
	t->fd = c->to->takes_path ? -1 : open(t->path, O_WRONLY | O_CREAT | (t->part ? O_EXCL : 0) | O_CLOEXEC | O_NOCTTY, 0666);
	return c->to->takes_path || t->fd >= 0 ? 0 : err_set(e, "%s: %s", t->path, strerror(errno));
}

static int close_target(struct target *t, const struct command *c, int rc, struct err *e)
{
	if (t->fd > STDOUT_FILENO && close(t->fd) < 0 && rc == 0)
		rc = err_set(e, "%s: %s", c->out, strerror(errno));
	if (rc == 0 && t->part && rename(t->path, c->out) < 0)
		rc = err_set(e, "%s: %s", c->out, strerror(errno));
	if (rc < 0 && t->part && t->path[0])
		unlink(t->path);
	return rc;
}

static void tell_loss(const struct command *c, const struct fmt_out *out)
{
	const char *name = c->to->name;
	if (out->fua)
		say_error("%s: %" PRIu64 " requests with FUA: %s has no FUA, they became plain ones", c->in, out->fua, name);
	if (out->zeroes)
		say_error("%s: %" PRIu64 " zeroings: %s has none, they became trims or writes", c->in,
			out->zeroes, name);
	if (out->no_data)
		say_error("%s: %" PRIu64 " writes have no data", c->in, out->no_data);
	if (out->other)
		say_error("%s: %" PRIu64 " events left out that %s has no word for", c->in, out->other, name);
}

static int run(const struct command *c, struct err *e)
{
	struct input input;
	struct target target = { .fd = -1 };
	struct fmt_out out = { .writer = c->to, .write = write_at, .owner = &target, .path = target.path };
	struct err why;
	int rc = input_open(&input, c->in, c->from, e);

	if (rc == 0) {
		rc = open_target(&target, c, e);
		if (rc == 0 && fmt_convert(&input.in, &out, NULL, &why) < 0)
			rc = err_set(e, "%s: %s", c->in, why.msg);
		rc = close_target(&target, c, rc, e);
		write_notes(c->in, buf_str(&input.in.notes));
		if (rc == 0)
			tell_loss(c, &out);
	}
	input_close(&input);
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
	return program_main("blkscope convert", argc, argv, command);
}
