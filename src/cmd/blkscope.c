/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope: finds the program that a command means, and becomes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "cmd/become.h"
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
	{ "view", "show what happens to a disk, from its log (alias nbdview)" },
};

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
			become("serve", words, &e);
		if (words)
			fprintf(stderr, "blkscope: error: %s\n", e.msg);
		else if (*command == 'm' && command_mark(argc - 1, argv + 1, &e) == 0)
			return EXIT_SUCCESS;
		else
			fprintf(stderr, "blkscope: error: %s\n", e.msg);
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(command, commands[i].name) == 0) {
			become(command, argv + 1, &e);
			fprintf(stderr, "blkscope: error: %s\n", e.msg);
			return EXIT_FAILURE;
		}
	fprintf(stderr, "blkscope: error: unknown command '%s': `blkscope --help' lists them\n", command);
	return EXIT_FAILURE;
}
