/* SPDX-License-Identifier: BSD-2-Clause */
/* parse: every number that a person types, read in one place.
 * Each function takes the whole string or nothing: trailing text is an error.
 * On failure it returns -1, leaves *out alone, and e names the parameter (what) and
 * the value.  Pure functions, any thread. */
#pragma once
#include <stdbool.h>
#include "base/err.h"

/* Bytes: decimal (010 is ten), with one optional suffix b k m g t p e (powers of 1024, either
 * case) or s (512-byte sectors).  At most INT64_MAX.  nbdkit_parse_size(3). */
int parse_size(const char *what, const char *str, uint64_t *out, struct err *e);

/* ns from `40ms`, `100us`, `1.5`, `2s`, `7ns`, `3m`, `1h`: decimal seconds unless a unit says
 * otherwise.  At most about 292 years (INT64_MAX ns). */
int parse_duration(const char *what, const char *str, uint64_t *out, struct err *e);

/* 1 0 y n t f yes no true false on off enable disable, either case.  nbdkit_parse_bool(3). */
int parse_bool(const char *what, const char *str, bool *out, struct err *e);

/* Whole numbers: decimal, 0x hex or 0 octal, min to max inclusive. */
int parse_u64(const char *what, const char *str, uint64_t min, uint64_t max, uint64_t *out, struct err *e);
int parse_unsigned(const char *what, const char *str, unsigned min, unsigned max, unsigned *out, struct err *e);
