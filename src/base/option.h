/* SPDX-License-Identifier: BSD-2-Clause */
/* option: key=value parameters as a table.
 * Parser, help text and manual read the same lines.  A table ends with { 0 }.
 * Used by modules at start-up only; main thread. */
#pragma once
#include <stdbool.h>
#include "base/err.h"

enum option_type {
	OPTION_SIZE = 1,	/* uint64_t, bytes */
	OPTION_DURATION,	/* uint64_t, ns */
	OPTION_BOOL,		/* bool */
	OPTION_UNSIGNED,	/* unsigned */
	OPTION_STRING,		/* const char *, borrowed from argv */
	OPTION_PATH,		/* char *, ours (malloc): made absolute, since a daemon changes directory */
	OPTION_CALL,		/* set() does the parsing */
};

struct option {
	const char *key;
	enum option_type type;
	size_t offset;		/* of the field in the block that is being filled */
	const char *arg;	/* for help: "SIZE", "N", "FILE" ... */
	const char *help;	/* one line, lower case, no full stop */
	bool magic;		/* a bare word is this key's value */
	int (*set)(void *block, const char *key, const char *value, struct err *e); /* OPTION_CALL */
};

#define OPT_SIZE(k, s, f, h) { .key = (k), .type = OPTION_SIZE, .offset = offsetof(s, f), .arg = "SIZE", .help = (h) }
#define OPT_DURATION(k, s, f, h) { .key = (k), .type = OPTION_DURATION, .offset = offsetof(s, f), .arg = "TIME", .help = (h) }
#define OPT_BOOL(k, s, f, h) { .key = (k), .type = OPTION_BOOL, .offset = offsetof(s, f), .arg = "BOOL", .help = (h) }
#define OPT_UNSIGNED(k, s, f, h) { .key = (k), .type = OPTION_UNSIGNED, .offset = offsetof(s, f), .arg = "N", .help = (h) }
#define OPT_STRING(k, s, f, a, h) { .key = (k), .type = OPTION_STRING, .offset = offsetof(s, f), .arg = (a), .help = (h) }
#define OPT_PATH(k, s, f, a, h) { .key = (k), .type = OPTION_PATH, .offset = offsetof(s, f), .arg = (a), .help = (h) }
#define OPT_CALL(k, fn, a, h) { .key = (k), .type = OPTION_CALL, .set = (fn), .arg = (a), .help = (h) }

/* The entry for key, or NULL.  A NULL table is empty. */
const struct option *option_find(const struct option *table, const char *key);
/* The entry that a bare word means, or NULL. */
const struct option *option_magic(const struct option *table);
/* Parse value into block as o says; 0, or -1 with e set. */
int option_set(const struct option *o, void *block, const char *value, struct err *e);
/* Free what OPTION_PATH entries own. */
void option_free(const struct option *table, void *block);
