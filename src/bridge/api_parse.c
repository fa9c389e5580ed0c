/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers, sizes, passwords and paths for plug-ins: nbdkit-plugin(3), "Parsing numbers" and what follows. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "base/parse.h"
#include "bridge/context.h"
#include "nbdkit-plugin.h"

enum { PASSWORD_MAX = 4096 };

static int refuse(const char *what, const char *str, const char *why)
{
	nbdkit_error("%s: could not parse number: \"%s\": %s", what, str, why);
	errno = EINVAL;
	return -1;
}

/* Decimal, 0x hex or 0 octal, with blanks in front as strtol takes them. */
static int parse_signed(const char *what, const char *str, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	errno = 0;
	long long n = strtoll(str, &end, 0);
	if (errno)
		return refuse(what, str, strerror(errno));
	if (end == str)
		return refuse(what, str, "empty string where we expected a number");
	if (*end)
		return refuse(what, str, "trailing garbage");
	if (n < min || n > max)
		return refuse(what, str, "out of range");
	*out = n;
	return 0;
}

static int parse_natural(const char *what, const char *str, uint64_t max, uint64_t *out)
{
	char *end;
	const char *s = str;
	while (isspace((unsigned char)*s))
		s++;
	if (*s == '-')
		return refuse(what, str, "negative numbers are not allowed");
	errno = 0;
	unsigned long long n = strtoull(s, &end, 0);
	if (errno)
		return refuse(what, str, strerror(errno));
	if (end == s)
		return refuse(what, str, "empty string where we expected a number");
	if (*end)
		return refuse(what, str, "trailing garbage");
	if (n > max)
		return refuse(what, str, "out of range");
	*out = n;
	return 0;
}

#define SIGNED(name, type, min, max)                                  \
	int name(const char *what, const char *str, type *r)          \
	{                                                             \
		int64_t n;                                            \
		if (parse_signed(what, str, min, max, &n) < 0)        \
			return -1;                                    \
		if (r)                                                \
			*r = (type)n;                                 \
		return 0;                                             \
	}
#define UNSIGNED(name, type, max)                                     \
	int name(const char *what, const char *str, type *r)          \
	{                                                             \
		uint64_t n;                                           \
		if (parse_natural(what, str, max, &n) < 0)            \
			return -1;                                    \
		if (r)                                                \
			*r = (type)n;                                 \
		return 0;                                             \
	}
SIGNED(nbdkit_parse_int, int, INT_MIN, INT_MAX)
SIGNED(nbdkit_parse_int8_t, int8_t, INT8_MIN, INT8_MAX)
SIGNED(nbdkit_parse_int16_t, int16_t, INT16_MIN, INT16_MAX)
SIGNED(nbdkit_parse_int32_t, int32_t, INT32_MIN, INT32_MAX)
SIGNED(nbdkit_parse_int64_t, int64_t, INT64_MIN, INT64_MAX)
UNSIGNED(nbdkit_parse_unsigned, unsigned, UINT_MAX)
UNSIGNED(nbdkit_parse_uint8_t, uint8_t, UINT8_MAX)
UNSIGNED(nbdkit_parse_uint16_t, uint16_t, UINT16_MAX)
UNSIGNED(nbdkit_parse_uint32_t, uint32_t, UINT32_MAX)
UNSIGNED(nbdkit_parse_uint64_t, uint64_t, UINT64_MAX)

int64_t nbdkit_parse_size(const char *str)
{
	struct err e;
	uint64_t n;
	if (parse_size("size", str, &n, &e) == 0)
		return (int64_t)n;
	nbdkit_error("%s", e.msg);
	errno = EINVAL;
	return -1;
}

int nbdkit_parse_bool(const char *str)
{
	struct err e;
	bool b;
	if (parse_bool("boolean", str, &b, &e) == 0)
		return b;
	nbdkit_error("could not decipher boolean (%s)", str);
	errno = EINVAL;
	return -1;
}

int nbdkit_parse_probability(const char *what, const char *str, double *r)
{
	char *end;
	double d = strtod(str, &end), scale = 1;
	if (end != str && *end == '%') {
		scale = 100;
		end++;
	} else if (end != str && *end == ':') {
		const char *below = end + 1;
		scale = strtod(below, &end);
		end = end == below ? (char *)str : end;
	}
	if (end == str || *end || !(scale > 0) || !(d / scale >= 0 && d / scale <= 1)) {
		nbdkit_error("%s: could not parse probability \"%s\": expected for example 0.5, 50%% or 1:2", what, str);
		errno = EINVAL;
		return -1;
	}
	if (r)
		*r = d / scale;
	return 0;
}

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

/* The first line of f, without its newline. */
static int read_line(FILE *f, const char *what, char **password)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n = getline(&line, &room, f);
	if (n < 0 || n > PASSWORD_MAX) {
		nbdkit_error("could not read a password from %s", what);
		free(line);
		return -1;
	}
	if (n && line[n - 1] == '\n')
		line[n - 1] = '\0';
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
