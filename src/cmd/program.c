/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/program.h"
#include <signal.h>
#include <stdio.h>
#include "base/say.h"

int program_main(const char *name, int argc, char **argv, int (*command)(int argc, char **argv, struct err *e))
{
	struct err e = { 0 };

	say_start(name, SAY_STDERR, false);
	signal(SIGPIPE, SIG_IGN);
	argv[0] = (char *)name; /* getopt would say the file's */
	int r = command(argc, argv, &e);
	if (r < 0 && e.msg[0])
		say_error("%s", e.msg);
	return r < 0;
}

int program_option(int argc, char **argv, const struct option *options, const char *usage, int *said)
{
	int opt = getopt_long(argc, argv, "hV", options, NULL);

	*said = 0;
	if (opt == 'h')
		*said = fputs(usage, stdout) < 0 ? -1 : 1;
	else if (opt == 'V')
		*said = printf("%s %s\n", argv[0], VERSION) < 0 ? -1 : 1;
	else if (opt == '?')
		*said = -1;
	return *said ? -1 : opt;
}
