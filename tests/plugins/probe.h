/* SPDX-License-Identifier: BSD-2-Clause */
/* probe: a plug-in that writes down every call it gets, and does what it is told: for tests/run/contract.py, which
 * runs it under this server and under nbdkit and compares the two records.
 *
 * Environment: PROBE_LOG    file to append to, a line a call: thread id, then what
 *              PROBE_HAVE   the callbacks that are there, besides those that must be; unset: all
 *              PROBE_WITH   settings KEY=VALUE;KEY=VALUE..., see below
 *              PROBE_MODEL, PROBE_SIZE, PROBE_PRESERVED   _thread_model, _struct_size, errno_is_preserved
 *              PROBE_MAGIC  magic_config_key
 *
 * A connection may overrule the settings by the name of its export, when that begins with "?":
 *   CALLBACK=N         what an asking callback returns; -1 after nbdkit_error()
 *   CALLBACK=E5        a serving callback fails with errno 5;  S5: with nbdkit_set_error(5), errno being 7;  -1: only that
 *   size=N  block_size=MIN:PREF:MAX  export_description=TEXT
 *   extents=OFFSET,LENGTH,TYPE/...   a leading + counts from the offset that was asked for
 *   do.CALLBACK=WORD+WORD...         functions of the server to call in that callback: see probe_do.c
 *   hold=PATH          a pread at or behind 512 KiB waits until PATH exists
 *   list_exports=NAME:TEXT/...  (use_default: nbdkit_use_default_export())   default_export=NAME   (null: NULL)
 *   long=N             strings given to the server are N letters instead */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#ifndef NBDKIT_API_VERSION
#define NBDKIT_API_VERSION 2
#endif
#include <nbdkit-plugin.h>

struct handle {
	char settings[8192]; /* "" or from the export's name */
};

/* A line for the record; keeps errno. */
void note(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));
/* The value of a setting, in a buffer of the calling thread that the next call overwrites; NULL: not set. */
const char *setting(const struct handle *h, const char *key);
/* Call the functions that do.CALLBACK names. */
void do_in(const struct handle *h, const char *callback);
void do_words(const char *words);
