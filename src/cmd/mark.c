/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/mark.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "trace/recorder.h"

int command_mark(int argc, char **argv, struct err *e)
{
	static const char option[] = "--recording=";
	const char *file = NULL;
	struct recorder r;
	struct stat st;

	if (argc > 1 && strncmp(argv[1], option, strlen(option)) == 0) {
		file = argv[1] + strlen(option);
		argc--;
		argv++;
	}
	if (argc != 2)
		return err_set(e, "usage: blkscope mark [--recording=FILE] TEXT");
	if (!*argv[1] || strlen(argv[1]) > RECORDER_TEXT_MAX)
		return err_set(e, "mark: a mark is a text of 1 to 4096 bytes");
	if (file && stat(file, &st) < 0)
		return err_set(e, "mark: %s: %s", file, strerror(errno));
	unsigned n = recorder_find(file ? &st : NULL, &r);
	if (n == 0)
		return err_set(e, file ? "mark: nobody records to %s" : "mark: nobody records", file);
	if (n > 1)
		return err_set(e, "mark: %u recordings are being made: which one? --recording=FILE", n);
	return recorder_mark(&r, argv[1], strlen(argv[1]), e);
}

char **command_at(int argc, char **argv, struct err *e)
{
	bool moment = argc > 2 && argv[2][0] != '-';
	char **words = calloc((size_t)argc + 6, sizeof *words), **w = words, *rec, *at = NULL;

	if (argc < 2 || argv[1][0] == '-') {
		free(words);
		err_set(e, "usage: blkscope at RECORDING [MOMENT] [OPTION]...: see blkscope-at(1)");
		return NULL;
	}
	if (!words || asprintf(&rec, "recording=%s", argv[1]) < 0
	    || (moment && asprintf(&at, "at=%s", argv[2] + (argv[2][0] == '@')) < 0)) {
		err_set(e, "at: out of memory");
		return NULL;
	}
	*w++ = argv[0];
	/* One moment may be written to; of many, each is as it was. */
	if (moment)
		*w++ = (char *)"--filter=cow";
	for (int i = moment ? 3 : 2; i < argc; i++)
		*w++ = argv[i];
	*w++ = (char *)"recording";
	*w++ = rec;
	if (moment)
		*w++ = at;
	return words;
}
