/* SPDX-License-Identifier: BSD-2-Clause */
/* program: how the programs of the commands begin, take their options, and end.  Main thread. */
#pragma once
#include <getopt.h>
#include "base/err.h"

/* Runs the command under its name and tells what went wrong; returns the exit status.
 * command: 0 done; 1 all that was asked for was said; -1 e is set, or it was told already. */
int program_main(const char *name, int argc, char **argv, int (*command)(int argc, char **argv, struct err *e));

/* The next option's val; help ('h') and version ('V') are answered.  -1: there is none, and *said is what to return if not 0: 1 when
 * all was said, -1 when it was a bad one, of which getopt told. */
int program_option(int argc, char **argv, const struct option *options, const char *usage, int *said);
