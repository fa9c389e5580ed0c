/* SPDX-License-Identifier: BSD-2-Clause */
/* say: what the program tells the person who runs it, one line at a time.
 * To stderr as `NAME: error: text`, or to syslog, or nowhere.  Each line is written with one
 * call, so lines of several threads do not mix.  Any thread. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include "base/util.h"

enum say_where { SAY_STDERR, SAY_SYSLOG, SAY_NULL };

extern bool say_verbose; /* constant after the command line was read */

/* name is borrowed for ever: what stands before each line. */
void say_start(const char *name, enum say_where where, bool verbose);
const char *say_name(void);
void say_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* As `NAME: who: error: text`; who may be "". */
void say_error_of(const char *who, const char *fmt, ...) PRINTF_LIKE(2, 3);
void say_debug_of(const char *who, const char *fmt, ...) PRINTF_LIKE(2, 3);
void say_debug(const char *fmt, ...) PRINTF_LIKE(1, 2); /* only when verbose, and always to stderr: nbdkit-service(1) */
