/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "miniexpect.h"

/* [set] or [!set], which begins at g: how much of it there is, or 0: no set, just a bracket. */
static size_t set_length(const char *g)
{
	size_t n = 1;
	if (g[n] == '!' || g[n] == '^')
		n++;
	if (g[n] == ']')
		n++;
	while (g[n] && g[n] != ']')
		n += g[n] == '\\' && g[n + 1] ? 2 : 1;
	return g[n] == ']' ? n + 1 : 0;
}

/* Inside of a set only these mean something else to PCRE2 than in a glob. */
static char *put_set(char *p, const char *g, size_t len)
{
	size_t i = 1;
	*p++ = '[';
	if (g[i] == '!' || g[i] == '^') {
		*p++ = '^';
		i++;
	}
	for (; i < len - 1; i++) {
		if (g[i] == '\\' && i + 2 < len) {
			*p++ = '\\';
			i++;
		} else if (strchr("[]^\\", g[i]))
			*p++ = '\\';
		*p++ = g[i];
	}
	*p++ = ']';
	return p;
}

/* As a regexp, for free(): * takes as little as it can. */
static char *glob_to_regexp(const char *g)
{
	char *regexp = malloc(strlen(g) * 3 + 8), *p = regexp;
	if (!regexp)
		return NULL;
	p = stpcpy(p, "(?s)");
	for (; *g; g++) {
		size_t set = *g == '[' ? set_length(g) : 0;
		if (*g == '*')
			p = stpcpy(p, ".*?");
		else if (*g == '?')
			*p++ = '.';
		else if (set) {
			p = put_set(p, g, set);
			g += set - 1;
		} else {
			if (*g == '\\' && g[1])
				g++;
			if (strchr("\\^$.[]|()?*+{}#", *g))
				*p++ = '\\';
			*p++ = *g;
		}
	}
	*p = 0;
	return regexp;
}

pcre2_code *mexp_compile(const char *pattern, unsigned flags, char *err, size_t errlen)
{
	char *regexp = NULL;
	int error;
	size_t at;
	/* As the text grows, a line may begin where it ends at this moment: PCRE2 would not come back to a ^ there. */
	uint32_t options = PCRE2_ALT_CIRCUMFLEX | (flags & MEXP_ICASE ? PCRE2_CASELESS : 0) |
			   (flags & MEXP_UTF ? PCRE2_UTF | PCRE2_MATCH_INVALID_UTF : 0);
	if (flags & MEXP_GLOB && !(regexp = glob_to_regexp(pattern))) {
		if (err && errlen)
			snprintf(err, errlen, "out of memory");
		return NULL;
	}
	if (flags & MEXP_EXACT && !regexp)
		options = (options & ~PCRE2_ALT_CIRCUMFLEX) | PCRE2_LITERAL;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)(regexp ? regexp : pattern), PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
	free(regexp);
	if (re && !(flags & MEXP_UTF)) /* JIT (10.42) misses matches with PCRE2_MATCH_INVALID_UTF; without JIT it is only slower */
		pcre2_jit_compile(re, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
	if (!re && err && errlen) {
		char why[160] = "";
		pcre2_get_error_message(error, (PCRE2_UCHAR *)why, sizeof(why));
		snprintf(err, errlen, "%s, at offset %zu of '%s'", why, at, pattern);
	}
	return re;
}
