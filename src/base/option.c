/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/option.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/parse.h"

const struct option *option_find(const struct option *table, const char *key)
{
	for (const struct option *o = table; o && o->key; o++)
		if (strcmp(o->key, key) == 0)
			return o;
	return NULL;
}

const struct option *option_magic(const struct option *table)
{
	for (const struct option *o = table; o && o->key; o++)
		if (o->magic)
			return o;
	return NULL;
}

static int set_path(const struct option *o, char **field, const char *value, struct err *e)
{
	char *dir = NULL, *path = NULL;
	if (!*value)
		return err_set(e, "%s: empty file name", o->key);
	if (*value == '/')
		path = strdup(value);
	else if (!(dir = getcwd(NULL, 0)))
		return err_set(e, "%s: cannot tell the current directory: %s", o->key, strerror(errno));
	else if (asprintf(&path, "%s/%s", dir, value) < 0)
		path = NULL;
	free(dir);
	if (!path)
		return err_set(e, "%s: out of memory", o->key);
	free(*field);
	*field = path;
	return 0;
}

int option_set(const struct option *o, void *block, const char *value, struct err *e)
{
	void *field = (char *)block + o->offset;
	switch (o->type) {
	case OPTION_SIZE:
		return parse_size(o->key, value, field, e);
	case OPTION_DURATION:
		return parse_duration(o->key, value, field, e);
	case OPTION_BOOL:
		return parse_bool(o->key, value, field, e);
	case OPTION_UNSIGNED:
		return parse_unsigned(o->key, value, 0, UINT32_MAX, field, e);
	case OPTION_STRING:
		*(const char **)field = value;
		return 0;
	case OPTION_PATH:
		return set_path(o, field, value, e);
	case OPTION_CALL:
		return o->set(block, o->key, value, e);
	}
	return err_set(e, "%s: option without a type", o->key);
}

void option_free(const struct option *table, void *block)
{
	for (const struct option *o = table; o && o->key; o++)
		if (o->type == OPTION_PATH) {
			char **field = (char **)((char *)block + o->offset);
			free(*field);
			*field = NULL;
		}
}
