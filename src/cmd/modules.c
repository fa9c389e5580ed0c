/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/modules.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "filters/filters.h"
#include "plugins/plugins.h"

const struct module *const modules[] = {
	&mod_file, &mod_memory, &mod_nbd, &mod_null, &mod_recording,
	&mod_blocksize, &mod_cow, &mod_delay, &mod_error, &mod_ip, &mod_limit, &mod_log, &mod_offset,
	&mod_partition, &mod_passthrough, &mod_record,
	NULL
};

static const struct {
	const struct module *mod;
	const char *can;
} abilities[] = {
	{ &mod_file, "list_exports pwrite flush trim zero extents can_write can_trim can_zero can_fast_zero can_extents can_fua "
		     "can_multi_conn can_cache cache is_rotational" },
	{ &mod_memory, "pwrite flush trim zero extents can_fast_zero can_fua can_multi_conn can_cache" },
	{ &mod_nbd, "list_exports default_export export_description block_size can_write can_flush is_rotational can_trim can_zero "
		    "can_fast_zero can_extents can_fua can_multi_conn can_cache pwrite flush trim zero extents cache" },
	{ &mod_recording, "extents can_multi_conn can_cache" },
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

/* Where plug-ins and filters lie, first come first served; MULTIARCH is Debian's folder for this machine. */
static const char *const dirs[] = {
	LIBDIR "/blkscope", "/usr/lib/" MULTIARCH "/nbdkit", "/usr/lib64/nbdkit", "/usr/lib/nbdkit",
};

/* The plug-in in the build tree that this program runs from, which is newer than any installed one. */
static bool in_build_tree(const char *name, char *path, size_t room)
{
	char exe[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
	if (len <= 0)
		return false;
	exe[len] = '\0';
	*strrchr(exe, '/') = '\0';
	int n = snprintf(path, room, "%s/../lang/%s/nbdkit-%s-plugin.so", exe, name, name);
	return n < (int)room && access(path, R_OK) == 0;
}

/* The file nbdkit-NAME-KIND with that ending in the first folder that has one. */
static bool in_folders(const char *name, const char *kind, const char *ending, char *path, size_t room)
{
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		int n = snprintf(path, room, "%s/%ss/nbdkit-%s-%s%s", dirs[i], kind, name, kind, ending);
		if (n < (int)room && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

static const struct module *load_by_name(const char *name, bool filter, const struct debug_flag *flags, unsigned count, struct err *e)
{
	const char *kind = filter ? "filter" : "plugin";
	char path[PATH_MAX];

	if ((!filter && in_build_tree(name, path, sizeof path)) || in_folders(name, kind, ".so", path, sizeof path))
		return (filter ? filter_load : plugin_load)(path, flags, count, e);
	struct buf list = { .limit = 512 };
	for (const struct module *const *b = modules; *b; b++)
		if ((*b)->filter == filter)
			buf_printf(&list, " %s", (*b)->name);
	err_set(e, "cannot open %s '%s': not built in (%s ), and no nbdkit-%s-%s.so in %s/%ss or where nbdkit keeps its own",
		kind, name, buf_str(&list), name, kind, dirs[0], kind);
	buf_free(&list);
	return NULL;
}

bool module_script(const char *name, char *path, size_t room)
{
	return !strpbrk(name, "/.") && !built_in(name, strlen(name), false) && !in_build_tree(name, path, room)
	       && !in_folders(name, "plugin", ".so", path, room) && in_folders(name, "plugin", "", path, room);
}

const struct module *module_find(const char *word, bool filter, const struct debug_flag *flags, unsigned count, struct err *e)
{
	const char *name = word;
	size_t len = strlen(word);
	bool path = strpbrk(word, "/.");

	if (!path || name_in_path(word, filter ? "filter" : "plugin", &name, &len)) {
		const struct module *m = built_in(name, len, filter);
		if (m)
			return m;
	}
	if (path)
		return (filter ? filter_load : plugin_load)(word, flags, count, e);
	return load_by_name(word, filter, flags, count, e);
}
