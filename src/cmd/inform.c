/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/inform.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "cmd/modules.h"
#include "cmd/sandbox.h"

/* The nbdkit whose command line this one follows. */
#define LIKE_NBDKIT "1.32"

static const char *longname(const struct module *m)
{
	return m->longname ? m->longname : m->name;
}

static void module_help(const struct module *m)
{
	printf("\n%s: %s", m->filter ? "filter" : "plugin", m->name);
	if (strcmp(longname(m), m->name) != 0)
		printf(" (%s)", longname(m));
	putchar('\n');
	if (m->description)
		printf("%s%s", m->description, m->description[strlen(m->description) - 1] == '\n' ? "" : "\n");
	if (m->help)
		printf("%s%s", m->help, *m->help && m->help[strlen(m->help) - 1] == '\n' ? "" : "\n");
	for (const struct option *o = m->options; o && o->key; o++) {
		char left[64];
		snprintf(left, sizeof left, o->magic ? "[%s=]<%s>" : "%s=<%s>", o->key, o->arg ? o->arg : "VALUE");
		printf("%-30s %s\n", left, o->help ? o->help : "");
	}
}

void inform_help(const struct stages *ss)
{
	const char *name = say_name();
	printf("Usage: %s [OPTION]... PLUGIN [[KEY=]VALUE [KEY=VALUE [...]]]\n"
	       "       %s --dump-config\n"
	       "       %s PLUGIN --dump-plugin\n"
	       "       %s --help [--filter=FILTER]... [PLUGIN]\n"
	       "       %s --version\n\n", name, name, name, name, name);
	args_print_help();
	printf("\nBuilt-in plug-ins and filters:");
	for (const struct module *const *m = modules; *m; m++)
		printf(" %s", (*m)->name);
	printf("\nThe manual page %s(1) tells more.\n", strcmp(name, "nbdkit") == 0 ? name : "blkscope-serve");
	for (unsigned i = 0; i < ss->count; i++)
		module_help(ss->at[i].mod);
}

void inform_version(const struct stages *ss)
{
	printf("%s %s\n", say_name(), VERSION);
	for (unsigned i = 0; i < ss->count; i++)
		printf("%s %s\n", ss->at[i].mod->name, ss->at[i].mod->version ? ss->at[i].mod->version : VERSION);
}

static void own_path(char *path, size_t room)
{
	ssize_t n = readlink("/proc/self/exe", path, room - 1);
	path[MAX(n, 0)] = '\0';
}

static void built_in(const char *key, bool filter)
{
	const char *sep = "";
	printf("%s=", key);
	for (const struct module *const *m = modules; *m; m++)
		if ((*m)->filter == filter) {
			printf("%s%s", sep, (*m)->name);
			sep = " ";
		}
	putchar('\n');
}

/* Keys in alphabetical order, as nbdkit's. */
void inform_config(void)
{
	char path[PATH_MAX];
	struct utsname u = { 0 };
	unsigned major = 0, minor = 0;

	own_path(path, sizeof path);
	uname(&u);
	sscanf(VERSION, "%u.%u", &major, &minor);
	printf("binary=%s\n", path);
	printf("bindir=%s\n", BINDIR);
	built_in("builtin_filters", true);
	built_in("builtin_plugins", false);
	printf("exit_with_parent=yes\n");
	printf("filterdir=%s/blkscope/filters\n", LIBDIR);
	printf("host_cpu=%s\n", u.machine);
	printf("host_os=linux-gnu\n");
	printf("libdir=%s\n", LIBDIR);
	printf("like_nbdkit=%s\n", LIKE_NBDKIT);
	printf("mandir=%s\n", MANDIR);
	printf("name=%s\n", say_name());
	printf("plugindir=%s/blkscope/plugins\n", LIBDIR);
	printf("root_tls_certificates_dir=%s/pki/nbdkit\n", SYSCONFDIR);
	printf("sandbox=%s\n", sandbox_built() ? "yes" : "no");
	printf("sbindir=%s\n", BINDIR);
	printf("selinux=yes\n");
	printf("sysconfdir=%s\n", SYSCONFDIR);
	printf("tls=yes\n");
	printf("version=%s\nversion_major=%u\nversion_minor=%u\n", VERSION, major, minor);
	printf("zstd=no\n");
}

static void has_each(const char *names)
{
	for (size_t n; *names; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		printf("has_%.*s=1\n", (int)n, names);
	}
}

/* What loaded filters have to add, the innermost first. */
static void dump_filters(const struct stages *ss)
{
	fflush(stdout);
	for (unsigned i = ss->count - 1; i-- > 0;)
		if (ss->at[i].mod->dump)
			ss->at[i].mod->dump(&ss->at[i]);
}

void inform_plugin(const struct stages *ss)
{
	const struct module *m = ss->at[ss->count - 1].mod;
	const struct option *magic = option_magic(m->options);
	char path[PATH_MAX];

	if (m->dump) {
		m->dump(&ss->at[ss->count - 1]);
		dump_filters(ss);
		return;
	}
	own_path(path, sizeof path);
	printf("path=%s\n", path);
	printf("name=%s\n", m->name);
	printf("version=%s\n", VERSION);
	printf("api_version=2\n");
	printf("builtin=1\n");
	printf("max_thread_model=parallel\n");
	printf("thread_model=parallel\n");
	printf("errno_is_preserved=1\n");
	if (magic)
		printf("magic_config_key=%s\n", magic->key);
	if (longname(m) != m->name)
		printf("longname=%s\n", m->longname);
	has_each(m->options ? "config config_help" : "");
	has_each("open get_size pread");
	has_each(module_abilities(m));
	if (m->dump_more)
		m->dump_more();
	dump_filters(ss);
}
