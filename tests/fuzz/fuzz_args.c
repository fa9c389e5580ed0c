/* SPDX-License-Identifier: BSD-2-Clause */
/* Any words, one a line, as the server's command line: parsed, checked, given to the plug-ins and filters it names.  Nothing
 * is started or left open; what is refused is refused with one line. */
/* Aims at src: cmd/args cmd/config base/option */
#include <string.h>
#include <unistd.h>
#include "base/say.h"
#include "cmd/args.h"
#include "cmd/config.h"
#include "filters/filters.h"
#include "fuzz/input.h"
#include "plugins/plugins.h"

enum { WORDS = 64 };

/* In the place of the bridge's: what is loaded is loaded for good. */
const struct module *__wrap_plugin_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e);
const struct module *__wrap_filter_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e);

const struct module *__wrap_plugin_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e)
{
	err_set(e, "cannot open plugin '%s'", path);
	return NULL;
}

const struct module *__wrap_filter_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e)
{
	err_set(e, "cannot open filter '%s'", path);
	return NULL;
}

/* Of those that open no file and no connection. */
static bool may_start(const struct stages *ss)
{
	for (unsigned i = 0; i < ss->count; i++) {
		const struct module *m = ss->at[i].mod;
		if (m == &mod_file || m == &mod_nbd || m == &mod_log || m == &mod_cow)
			return false;
	}
	return true;
}

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);
	close(fd);
	return fd;
}

static void check(int rc, const struct err *e)
{
	MUST(rc == 0 || rc == -1);
	MUST(rc == 0 || (*e->msg && strlen(e->msg) < sizeof e->msg && !strchr(e->msg, '\n')));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n), *argv[WORDS + 2] = { (char[]){ "nbdkit" } }, *save = NULL;
	int argc = 1, before = lowest_fd();
	struct args a;
	struct stages ss = { 0 };
	struct err e = { "" };

	MUST(text);
	say_start("fuzz", SAY_NULL, false);
	for (char *w = strtok_r(text, "\n", &save); w && argc <= WORDS; w = strtok_r(NULL, "\n", &save))
		argv[argc++] = w;
	int rc = args_parse(&a, argc, argv, &e);
	if (rc == 0)
		rc = args_check(&a, n % 2, &e);
	check(rc, &e);
	if (rc == 0) {
		MUST(a.word_count < (unsigned)argc && a.filter_count < (unsigned)argc);
		rc = config_stages(&a, &ss, &e);
		if (rc == 0)
			rc = config_params(&a, &ss, &e);
		if (rc == 0 && may_start(&ss))
			rc = stages_start(&ss, &e);
		check(rc, &e);
	}
	config_free(&ss);
	args_free(&a);
	free(text);
	MUST(lowest_fd() == before);
	return 0;
}
