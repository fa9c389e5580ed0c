/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "expect/private.h"

extern char **environ;

/* Appends KEY=VALUE, as one allocation; a NULL value: nothing. */
static int put_env(char **env, size_t *n, const char *key, const char *value)
{
	if (value && asprintf(&env[(*n)++], "%s=%s", key, value) < 0) {
		env[--*n] = NULL;
		return -1;
	}
	return 0;
}

void mx_free_env(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		free(env[i]);
	free(env);
}

char **mx_make_env(const struct mexp_spawn_opts *o)
{
	char *const *from = o->envp ? o->envp : environ;
	bool clean = !o->envp && o->flags & MEXP_SPAWN_CLEAN_ENV;
	size_t n = 0, count = 0;
	while (from && from[count])
		count++;
	char **env = calloc(count + 8, sizeof(*env));
	if (!env)
		return NULL;
	if (clean) {
		const char *path = getenv("PATH");
		if (put_env(env, &n, "PATH", path ? path : "/usr/bin:/bin") < 0 || put_env(env, &n, "HOME", getenv("HOME")) < 0 ||
		    put_env(env, &n, "USER", getenv("USER")) < 0 || put_env(env, &n, "LANG", "C.UTF-8") < 0)
			goto fail;
	}
	for (size_t i = 0; i < count && !clean; i++) {
		if (o->term && strncmp(from[i], "TERM=", 5) == 0)
			continue;
		if (!(env[n++] = strdup(from[i])))
			goto fail;
	}
	if (put_env(env, &n, "TERM", o->term ? o->term : clean ? "dumb" : NULL) < 0)
		goto fail;
	return env;
fail:
	mx_free_env(env);
	return errno = ENOMEM, NULL;
}
