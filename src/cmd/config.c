/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/config.h"
#include <stdlib.h>
#include <string.h>
#include "cmd/modules.h"

static int add_stage(const struct args *a, struct stages *ss, const char *word, bool filter, struct err *e)
{
	const struct module *m = module_find(word, filter, a->flags, a->flag_count, e);
	if (!m)
		return -1;
	struct stage *s = &ss->at[ss->count];
	*s = (struct stage){ .mod = m, .block = calloc(1, MAX(m->stage_size, (size_t)1)), .all = ss };
	if (!s->block)
		return err_set(e, "%s: out of memory", word);
	ss->count++;
	return 0;
}

int config_filters(const struct args *a, struct stages *ss, struct err *e)
{
	*ss = (struct stages){ .at = calloc(a->filter_count + 1, sizeof *ss->at) };
	if (!ss->at)
		return err_set(e, "out of memory");
	for (unsigned i = 0; i < a->filter_count; i++)
		if (add_stage(a, ss, a->filters[i], true, e) < 0)
			return -1;
	return 0;
}

int config_stages(const struct args *a, struct stages *ss, struct err *e)
{
	if (config_filters(a, ss, e) < 0)
		return -1;
	if (a->word_count == 0)
		return err_set(e, "no plugins given on the command line: "
				  "use '%s --help' or read the manual page", say_name());
	return add_stage(a, ss, a->words[0], false, e);
}

/* Length of the key in key=value; 0: it is a bare word.  nbdkit's rule: a letter, then
 * letters, digits, '.', '_' and '-'. */
static size_t key_length(const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strspn(word, others);
	return word[n] == '=' && strspn(word, letters) > 0 ? n : 0;
}

static int bare_word(struct stages *ss, const char *word, bool first, struct err *e)
{
	const struct module *plugin = ss->at[ss->count - 1].mod;
	const struct option *magic = option_magic(plugin->options);
	if (magic || plugin->magic)
		return stage_param(ss->at, magic ? magic->key : plugin->magic, word, e);
	if (first && (plugin->config || option_find(plugin->options, "script")))
		return stage_param(ss->at, "script", word, e);
	return err_set(e, "expecting key=value on the command line but got: '%s'", word);
}

int config_params(const struct args *a, struct stages *ss, struct err *e)
{
	for (unsigned i = 1; i < a->word_count; i++) {
		const char *word = a->words[i];
		size_t n = key_length(word);
		int rc;
		if (n > 0) {
			char *key = strndup(word, n);
			rc = key ? stage_param(ss->at, key, word + n + 1, e) : err_set(e, "out of memory");
			free(key);
		} else {
			rc = bare_word(ss, word, i == 1, e);
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

void config_free(struct stages *ss)
{
	stages_stop(ss);
	free(ss->at);
	*ss = (struct stages){ 0 };
}
