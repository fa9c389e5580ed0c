/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope: finds the program that a command means, and becomes it. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "cmd/mark.h"

static const struct {
	const char *name, *help;
} commands[] = {
	{ "at", "serve a disk as it was at a moment of a recording" },
	{ "convert", "read what happened to a disk in one format, write it in another" },
	{ "diff", "compare two recordings, or logs, of the same work" },
	{ "explain", "say what each byte of a disk is for: partitions, file systems, files" },
	{ "mark", "set a mark in a recording that is being made" },
	{ "replay", "play a recording against any NBD server" },
	{ "report", "say in numbers what happened to a disk: text, JSON, or a page with plots" },
	{ "serve", "serve a disk over NBD (alias nbdkit)" },
	{ "story", "tell in sentences what happened to a disk" },
	{ "view", "show what happens to a disk, from its log (alias nbdview)" },
};

/* Beside this program (a build tree, a copied directory) or where they are installed. */
static void become(const char *command, char **argv)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n > 0) {
		self[n] = '\0';
		snprintf(path, sizeof path, "%s/blkscope-%s", dirname(self), command);
		execv(path, argv);
	}
	snprintf(path, sizeof path, "%s/blkscope-%s", LIBEXECDIR, command);
	execv(path, argv);
	fprintf(stderr, "blkscope: error: cannot run %s: %s\n", path, strerror(errno));
}

static void help(void)
{
	printf("Usage: blkscope COMMAND [ARGUMENT]...\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	printf("\n`blkscope COMMAND --help' and the manual page blkscope-COMMAND(1) tell more.\n");
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : NULL;
	if (!command) {
		fprintf(stderr, "blkscope: error: which command? `blkscope --help' lists them\n");
		return EXIT_FAILURE;
	}
	if (strcmp(command, "--help") == 0 || strcmp(command, "help") == 0)
		return help(), EXIT_SUCCESS;
	if (strcmp(command, "--version") == 0 || strcmp(command, "-V") == 0)
		return printf("blkscope %s\n", VERSION), EXIT_SUCCESS;
	struct err e = { 0 };
	if (strcmp(command, "mark") == 0 || strcmp(command, "at") == 0) {
		char **words = *command == 'a' ? command_at(argc - 1, argv + 1, &e) : NULL;
		if (words)
			become("serve", words);
		else if (*command == 'm' && command_mark(argc - 1, argv + 1, &e) == 0)
			return EXIT_SUCCESS;
		else
			fprintf(stderr, "blkscope: error: %s\n", e.msg);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(command, commands[i].name) == 0) {
			become(command, argv + 1);
			return EXIT_FAILURE;
		}
	fprintf(stderr, "blkscope: error: unknown command '%s': `blkscope --help' lists them\n", command);
	return EXIT_FAILURE;
}
