/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths and passwords for plug-ins: nbdkit-plugin(3), "Filenames and paths", "Reading passwords". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "bridge/context.h"
#include "nbdkit-plugin.h"

/* --- files --- */

int nbdkit_stdio_safe(void)
{
	return bridge_stdio_safe;
}

char *nbdkit_absolute_path(const char *path)
{
	char *full = NULL, *dir = NULL;
	if (!path || !*path) {
		nbdkit_error("cannot convert null or empty path to an absolute path");
		return NULL;
	}
	if (*path == '/')
		full = strdup(path);
	else if ((dir = getcwd(NULL, 0)) && asprintf(&full, "%s/%s", dir, path) < 0)
		full = NULL;
	free(dir);
	if (!full)
		nbdkit_error("cannot make the path %s absolute: %s", path, strerror(errno));
	return full;
}

char *nbdkit_realpath(const char *path)
{
	if (!path || !*path) {
		nbdkit_error("cannot resolve a null or empty path");
		return NULL;
	}
	char *full = realpath(path, NULL);
	if (!full)
		nbdkit_error("realpath: %s: %s", path, strerror(errno));
	return full;
}

/* --- passwords --- */

/* The first line of f, without its newline; "" when there is none. */
static int read_line(FILE *f, const char *what, char **password)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n = getline(&line, &room, f);
	if (n < 0 && (!line || ferror(f))) {
		nbdkit_error("could not read a password from %s: %s", what, strerror(errno));
		free(line);
		return -1;
	}
	line[n < 0 ? 0 : n && line[n - 1] == '\n' ? n - 1 : n] = '\0';
	*password = line;
	return 0;
}

static int ask(char **password)
{
	struct termios quiet, before;
	if (!isatty(STDIN_FILENO) || !bridge_stdio_safe || tcgetattr(STDIN_FILENO, &before) < 0) {
		nbdkit_error("a password can only be asked for on a terminal");
		return -1;
	}
	printf("password: ");
	fflush(stdout);
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	int rc = read_line(stdin, "the terminal", password);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	putchar('\n');
	return rc;
}

int nbdkit_read_password(const char *value, char **password)
{
	int fd = -1, rc;
	FILE *f;

	*password = NULL;
	if (value[0] == '-' && !value[1])
		return ask(password);
	if (value[0] == '-') {
		if (nbdkit_parse_int("password file descriptor", value + 1, &fd) < 0)
			return -1;
		if (fd <= STDERR_FILENO) {
			nbdkit_error("cannot use password=-FD with stdin, stdout or stderr");
			return -1;
		}
		f = fdopen(fd, "r");
	} else if (value[0] == '+') {
		f = fopen(value + 1, "re");
	} else {
		*password = strdup(value);
		return *password ? 0 : -1;
	}
	if (!f) {
		nbdkit_error("cannot open the password file %s: %s", value + 1, strerror(errno));
		return -1;
	}
	rc = read_line(f, value + 1, password);
	fclose(f);
	return rc;
}
