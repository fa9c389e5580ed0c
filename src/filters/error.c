/* SPDX-License-Identifier: BSD-2-Clause */
/* error: fail some requests, by chance, without passing them on.  Parameters are those of nbdkit-error-filter(1).
 * The stage is constant after start; each connection throws its own dice. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "base/say.h"
#include "filters/filters.h"

struct rule {
	int err;      /* 0: EIO */
	double rate;  /* 0 to 1 */
	char *file;   /* errors only while it exists; NULL: always; ours */
};

struct error {
	struct rule rules[OP_COUNT];
};

struct opened {
	uint64_t dice; /* state of the generator; 0: not seeded */
};

static const struct {
	const char *name;
	int err;
} errors[] = {
	{ "EPERM", EPERM }, { "EIO", EIO }, { "ENOMEM", ENOMEM }, { "EINVAL", EINVAL }, { "ENOSPC", ENOSPC }, { "ESHUTDOWN", ESHUTDOWN },
};

static const char *error_name(int err)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (errors[i].err == err)
			return errors[i].name;
	return "?";
}

/* A number from 0 to just below 1: the upper bits of xorshift64*. */
static double throw_dice(struct opened *o)
{
	uint64_t x = o->dice;
	if (!x && getrandom(&x, sizeof x, GRND_NONBLOCK) != sizeof x)
		x = (uintptr_t)o;
	x |= !x;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	o->dice = x;
	return (double)((x * 0x2545f4914f6cdd1d) >> 11) / (double)(1ull << 53);
}

static bool strikes(const struct rule *u, struct opened *o)
{
	if (u->rate <= 0 || (u->file && access(u->file, F_OK) != 0))
		return false;
	return u->rate >= 1 || throw_dice(o) < u->rate;
}

static void submit(struct layer *l, struct req *r)
{
	const struct error *x = l->stage->block;
	const struct rule *u = &x->rules[r->op];

	if (!strikes(u, l->data)) {
		req_down(l, r);
		return;
	}
	int err = u->err ? u->err : EIO;
	say_error("error: injecting %s into %s", error_name(err), op_name(r->op));
	r->err_text = "an error made by the error filter";
	req_up(l, r, err);
}

/* --- parameters --- */

static const enum op all[] = { OP_READ, OP_WRITE, OP_TRIM, OP_ZERO, OP_EXTENTS, OP_CACHE };

static int set_error(struct rule *rules, const char *key, const char *value, const enum op *ops, size_t n, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (strcmp(errors[i].name, value) == 0) {
			for (size_t k = 0; k < n; k++)
				rules[ops[k]].err = errors[i].err;
			return 0;
		}
	return err_set(e, "%s: unknown error name '%s': expected EPERM, EIO, ENOMEM, EINVAL, ENOSPC or ESHUTDOWN", key, value);
}

static int set_rate(struct rule *rules, const char *key, const char *value, const enum op *ops, size_t n, struct err *e)
{
	char *end;
	double rate = strspn(value, "0123456789.-") ? strtod(value, &end) : (end = (char *)value, 0);

	if (end == value || (*end && strcmp(end, "%") != 0))
		return err_set(e, "%s: could not parse rate '%s': expected for example 10%% or 0.1", key, value);
	if (*end)
		rate /= 100;
	if (!(rate >= 0 && rate <= 1))
		return err_set(e, "%s: rate out of range 0%% to 100%%: '%s'", key, value);
	for (size_t k = 0; k < n; k++)
		rules[ops[k]].rate = rate;
	return 0;
}

static int set_file(struct rule *rules, const char *key, const char *value, const enum op *ops, size_t n, struct err *e)
{
	const struct option path = { .key = key, .type = OPTION_PATH, .offset = offsetof(struct rule, file) };
	for (size_t k = 0; k < n; k++)
		if (option_set(&path, &rules[ops[k]], value, e) < 0)
			return -1;
	return 0;
}

#define SETTERS(name, ops, n) \
	static int error_##name(void *block, const char *key, const char *value, struct err *e) \
	{ \
		return set_error(((struct error *)block)->rules, key, value, ops, n, e); \
	} \
	static int rate_##name(void *block, const char *key, const char *value, struct err *e) \
	{ \
		return set_rate(((struct error *)block)->rules, key, value, ops, n, e); \
	} \
	static int file_##name(void *block, const char *key, const char *value, struct err *e) \
	{ \
		return set_file(((struct error *)block)->rules, key, value, ops, n, e); \
	}
SETTERS(all, all, ARRAY_LEN(all))
SETTERS(read, &all[0], 1)
SETTERS(write, &all[1], 1)
SETTERS(trim, &all[2], 1)
SETTERS(zero, &all[3], 1)
SETTERS(extents, &all[4], 1)
SETTERS(cache, &all[5], 1)

static void stop(struct stage *s)
{
	struct error *x = s->block;
	for (int i = 0; i < OP_COUNT; i++) {
		free(x->rules[i].file);
		x->rules[i].file = NULL;
	}
}

#define OPTIONS(key, name, what) \
	OPT_CALL(key, error_##name, "ERROR", "the error that " what " fail with (default: EIO)"), \
	OPT_CALL(key "-rate", rate_##name, "RATE", "how many of " what " fail: 0% to 100%, or 0 to 1 (default: 0)"), \
	OPT_CALL(key "-file", file_##name, "FILE", "fail " what " only while this file exists")

static const struct option options[] = {
	OPTIONS("error", all, "requests"),
	OPTIONS("error-pread", read, "reads"),
	OPTIONS("error-pwrite", write, "writes"),
	OPTIONS("error-trim", trim, "trims"),
	OPTIONS("error-zero", zero, "zeroes"),
	OPTIONS("error-extents", extents, "block status requests"),
	OPTIONS("error-cache", cache, "cache requests"),
	{ 0 }
};

const struct module mod_error = {
	.name = "error",
	.longname = "fail some requests",
	.filter = true,
	.stage_size = sizeof(struct error),
	.layer_size = sizeof(struct opened),
	.options = options,
	.stop = stop,
	.submit = submit,
};
