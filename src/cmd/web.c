/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope view --web: the page of a session, served to browsers. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"
#include "base/say.h"
#include "cmd/become.h"
#include "cmd/disk.h"
#include "cmd/server_file.h"
#include "web/export.h"
#include "web/http.h"

struct command {
	const char *where, *steps;
	const char *page;      /* --export; NULL: serve */
	bool contents;
	struct disk *disk;     /* --disk, of the first file; NULL: none */
	struct know_disk now;  /* it */
	struct session session;
};

enum { O_WEB = 256, O_PALETTE, O_HILBERT, O_WIDTH, O_STEPS, O_DISK, O_EXPORT, O_CONTENTS };

static const struct option options[] = {
	{ "web", optional_argument, NULL, O_WEB },
	{ "palette", required_argument, NULL, O_PALETTE },
	{ "hilbert", no_argument, NULL, O_HILBERT },
	{ "width", required_argument, NULL, O_WIDTH },
	{ "disk", required_argument, NULL, O_DISK },
	{ "export", required_argument, NULL, O_EXPORT },
	{ "contents", no_argument, NULL, O_CONTENTS },
	{ "steps", required_argument, NULL, O_STEPS },
	{ 0 },
};

static int set_option(struct command *c, int opt, const char *arg, struct err *e)
{
	switch (opt) {
	case O_WEB:
		c->where = arg ? arg : "";
		return 0;
	case O_PALETTE:
		c->session.palette = palette_find(arg);
		return c->session.palette ? 0 : err_set(e, "palette=%s: there is " PALETTE_NAMES, arg);
	case O_HILBERT:
		c->session.hilbert = true;
		return 0;
	case O_WIDTH:
		return parse_unsigned("width", arg, 1, MAP_COLS_MAX, &c->session.cols, e);
	case O_DISK:
		disk_close(c->disk);
		if (!(c->disk = disk_open(arg, NULL, e)))
			return -1;
		c->now = disk_to_know(c->disk);
		c->session.disk_name = arg;
		return 0;
	case O_EXPORT:
		c->page = arg;
		return 0;
	case O_CONTENTS:
		c->contents = true;
		return 0;
	case O_STEPS:
		c->steps = arg;
		return 0;
	default:
		return -1; /* getopt has said it */
	}
}

/* FILE [SIZE] FILE [SIZE]...: what is no file and reads as a size is one. */
static int open_disks(struct command *c, char **word, struct err *e)
{
	struct session *s = &c->session;
	struct err ignored = { 0 };

	if (!*word)
		return err_set(e, "no log given: usage: nbdview --web[=ADDRESS:PORT] LOG|RECORDING|SOCKET [SIZE]...");
	for (; *word; word++) {
		uint64_t size;
		bool sized = word[1] && access(word[1], F_OK) < 0 && parse_size("SIZE", word[1], &size, &ignored) == 0;
		char found[PATH_MAX];
		const char *file = *word;
		if (is_socket(file)) {
			if (server_file(*word, found, sizeof found, e) < 0)
				return -1;
			file = found;
		}
		if (session_add(s, file, sized ? &size : NULL, c->disk && !s->disks ? &c->now : NULL, e) < 0)
			return -1;
		word += sized;
	}
	return 0;
}

/* All of the files, as they are now. */
static int read_all(struct session *s, struct err *e)
{
	for (size_t i = 0; i < s->disks; i++)
		for (bool whole = false; !whole; usleep(whole ? 0 : 2000)) {
			feed_lock(s->disk[i]);
			whole = s->disk[i]->whole;
			if (s->disk[i]->trouble[0])
				err_set(e, "%s", s->disk[i]->trouble);
			feed_unlock(s->disk[i]);
			if (e->msg[0])
				return -1;
		}
	return 0;
}

/* A page that is not whole does not stay. */
static int export_to(struct command *c, struct err *e)
{
	struct buf b = { .limit = EXPORT_MAX };
	FILE *f;

	if (read_all(&c->session, e) < 0 || export_page(&c->session, c->contents, &b, e) < 0 || !(f = fopen(c->page, "we"))) {
		buf_free(&b);
		return e->msg[0] ? -1 : err_set(e, "%s: %s", c->page, strerror(errno));
	}
	bool ok = fwrite(b.p, 1, b.len, f) == b.len;
	ok = fclose(f) == 0 && ok;
	buf_free(&b);
	if (ok)
		return 0;
	err_set(e, "%s: %s", c->page, strerror(errno));
	unlink(c->page);
	return -1;
}

static int serve(struct command *c, const sigset_t *end, struct err *e)
{
	struct http *h = http_start(&c->session, c->where, e);
	int sig, r = -1;

	if (h && (printf("%s\n", http_address(h)) < 0 || fflush(stdout)))
		err_set(e, "cannot write to stdout");
	else if (h)
		r = sigwait(end, &sig);
	atomic_store(&c->session.ending, true);
	disk_give_up(c->disk);
	http_stop(h);
	return r;
}

static int run(struct command *c, char **files, const sigset_t *end, struct err *e)
{
	char story[PATH_MAX + 64];
	const char *teller = find_command("story", story, sizeof story);

	pthread_sigmask(SIG_BLOCK, end, NULL); /* of the threads as well; not before, as a server may not answer */
	int r = session_init(&c->session, c->steps, teller, e) == 0 && open_disks(c, files, e) == 0 ? 0 : -1;
	if (c->page)
		pthread_sigmask(SIG_UNBLOCK, end, NULL);
	if (r == 0)
		r = c->page ? export_to(c, e) : serve(c, end, e);
	session_close(&c->session);
	disk_close(c->disk);
	return r;
}

int main(int argc, char **argv)
{
	struct command c = { .where = "", .session.palette = &palette_default };
	struct err e = { 0 };
	sigset_t end;
	int opt, r = 0;

	say_start("nbdview", SAY_STDERR, false);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&end);
	sigaddset(&end, SIGINT);
	sigaddset(&end, SIGTERM);
	argv[0] = (char *)"nbdview"; /* getopt would say our own name */
	while (r == 0 && (opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		r = set_option(&c, opt, optarg, &e);
	if (r == 0)
		r = run(&c, argv + optind, &end, &e);
	if (r < 0 && e.msg[0])
		say_error("%s", e.msg);
	return r < 0;
}
