/* SPDX-License-Identifier: BSD-2-Clause */
/* fmt: numbers as a person reads them.  Each writes into the caller's buffer of FMT_ROOM
 * bytes and returns it.  Pure functions, any thread; no locale. */
#pragma once
#include <stdint.h>

#define FMT_ROOM 40

const char *fmt_size(char *out, uint64_t bytes);  /* "4 KiB", "1.5 MiB" */
const char *fmt_short(char *out, uint64_t bytes); /* "4K", "1.5M", "14.66M" */
const char *fmt_count(char *out, uint64_t n);     /* "1,234,567" */
const char *fmt_clock(char *out, uint64_t ns);    /* "0:07.123", "1:02:03.456" */
const char *fmt_tick(char *out, uint64_t ns);     /* "0:07", "0:07.5": no more digits than needed */
