/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/script.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/modules.h"

enum { FIRST_LINE = 256 }; /* bytes: what kernels take */

/* "#!/path/nbdkit WORD\n", also with env before it: WORD, for the caller to free.  NULL: it is not like that. */
static char *interpreter(const char *line)
{
	char *word = NULL;
	const char *name = strstr(line, "nbdkit ");
	if (strncmp(line, "#!", 2) != 0 || !name || (name[-1] != '/' && name[-1] != ' '))
		return NULL;
	return sscanf(name, "nbdkit %ms", &word) == 1 ? word : NULL;
}

static char *interpreter_of(const char *path)
{
	char line[FIRST_LINE];
	FILE *f = fopen(path, "re");
	char *word = f && fgets(line, sizeof line, f) ? interpreter(line) : NULL;
	if (f)
		fclose(f);
	return word;
}

int script_expand(struct args *a, struct err *e)
{
	char path[PATH_MAX];
	if (a->word_count == 0 || !module_script(a->words[0], path, sizeof path))
		return 0;
	char *plugin = interpreter_of(path), *script = strdup(path);
	char **words = calloc(a->word_count + 2, sizeof *words);
	if (!plugin || !script || !words) {
		free(script);
		free(words);
		err_set(e, plugin ? "out of memory" : "%s: its first line does not say which plug-in it is for", path);
		free(plugin);
		return -1;
	}
	words[0] = plugin;
	words[1] = script;
	memcpy(words + 2, a->words + 1, (a->word_count - 1) * sizeof *words);
	a->words = a->script_words = words;
	a->word_count++;
	return 0;
}
