/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/modules.h"
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "filters/filters.h"
#include "plugins/plugins.h"

const struct module *const modules[] = {
	&mod_memory, &mod_null,
	&mod_delay, &mod_log, &mod_passthrough,
	NULL
};

static const struct {
	const struct module *mod;
	const char *can;
} abilities[] = {
	{ &mod_memory, "pwrite flush trim zero extents can_fast_zero can_fua can_multi_conn can_cache" },
	{ &mod_null, "pwrite flush trim zero extents can_fast_zero can_fua can_multi_conn can_cache" },
};

const char *module_abilities(const struct module *m)
{
	for (size_t i = 0; i < ARRAY_LEN(abilities); i++)
		if (abilities[i].mod == m)
			return abilities[i].can;
	return "";
}

static const struct module *built_in(const char *name, size_t len, bool filter)
{
	for (const struct module *const *m = modules; *m; m++)
		if ((*m)->filter == filter && strlen((*m)->name) == len && strncmp((*m)->name, name, len) == 0)
			return *m;
	return NULL;
}

/* NAME of .../nbdkit-NAME-KIND.so; false when the path is not built like that. */
static bool name_in_path(const char *path, const char *kind, const char **name, size_t *len)
{
	static const char before[] = "nbdkit-";
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	char after[32];
	size_t all = strlen(base), tail = (size_t)snprintf(after, sizeof after, "-%s.so", kind), head = sizeof before - 1;

	if (all <= head + tail || strncmp(base, before, head) != 0 || strcmp(base + all - tail, after) != 0)
		return false;
	*name = base + head;
	*len = all - head - tail;
	return true;
}

const struct module *module_find(const char *word, bool filter, struct err *e)
{
	const char *kind = filter ? "filter" : "plugin", *name = word;
	size_t len = strlen(word);
	bool path = strpbrk(word, "/.");

	const struct module *m = !path || name_in_path(word, kind, &name, &len) ? built_in(name, len, filter) : NULL;
	if (m)
		return m;
	if (path)
		return err_set(e, "cannot open %s '%s': this build cannot load %ss from files yet", kind, word, kind), NULL;

	struct buf list = { .limit = 512 };
	for (const struct module *const *b = modules; *b; b++)
		if ((*b)->filter == filter)
			buf_printf(&list, " %s", (*b)->name);
	err_set(e, "cannot open %s '%s': not one of those built in:%s", kind, word, buf_str(&list));
	buf_free(&list);
	return NULL;
}
