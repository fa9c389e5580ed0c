/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz/expect_random.h"

enum { PATTERN_MAX = 160, TEXT_MAX = 4000, PIECES_MAX = 8 };

static _Thread_local char patterns[EXPECT_PATTERNS_MAX][PATTERN_MAX + 1], text[TEXT_MAX];
static _Thread_local unsigned char pieces[PIECES_MAX];
static _Thread_local uint32_t compiled[EXPECT_PATTERNS_MAX];

unsigned throw_dice(struct dice *d, unsigned sides)
{
	if (d->n) {
		d->n--;
		return *d->bytes++ % sides;
	}
	if (d->stop)
		return 0;
	d->state ^= d->state << 13; /* xorshift64 */
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (unsigned)((d->state >> 24) % sides);
}

struct writer {
	struct dice *d;
	char *out;
	size_t n;
	int groups;
	bool behind; /* of fixed length, for a lookbehind */
	bool nested;
};

static void put(struct writer *w, const char *s)
{
	size_t len = strlen(s);
	if (w->n + len <= PATTERN_MAX) {
		memcpy(w->out + w->n, s, len);
		w->n += len;
	}
}

#define ONE_OF(w, table) (table)[throw_dice((w)->d, sizeof(table) / sizeof((table)[0]))]

static void alternatives(struct writer *w, int depth);

static void atom(struct writer *w, int depth)
{
	static const char *const letters[] = { "a", "b", "c", "ab", "abc", "\\n", " ", ":", "\xc3\xa9", "7" };
	static const char *const sets[] = { ".", "[ab]", "[^a]", "\\w", "\\W", "\\d", "\\s", "\\S", "[^\\n]", "[a-c]", "\\N" };
	static const char *const places[] = { "^", "$", "\\b", "\\B", "\\A", "\\z", "\\Z", "(?m)^", "(?m:^)", "(?m:$)" };
	static const char *const groups[] = { "(", "(?:", "(?>", "(?=", "(?!", "(?s:", "(?i:" };
	static const char *const behinds[] = { "(?<=", "(?<!" };
	static const char *const others[] = { "\\R", "\\1", "\\K", "(?(1)a|b)", "\\X", "\\h+" };
	unsigned what = throw_dice(w->d, 20);
	w->nested |= w->behind && what >= 13;
	if (what >= 16 && depth >= 3)
		what = 0;
	if (what < 9)
		put(w, ONE_OF(w, letters));
	else if (what < 13)
		put(w, ONE_OF(w, sets));
	else if (what < 15)
		put(w, ONE_OF(w, places));
	else if (what < 16) {
		if (!w->behind)
			put(w, ONE_OF(w, others));
	} else if (what < 19) {
		put(w, ONE_OF(w, groups));
		alternatives(w, depth + 1);
		put(w, ")");
	} else {
		bool was = w->behind;
		put(w, ONE_OF(w, behinds));
		w->behind = true;
		alternatives(w, depth + 1);
		w->behind = was;
		put(w, ")");
	}
}

static void alternatives(struct writer *w, int depth)
{
	static const char *const repeats[] = { "*", "+", "?", "*?", "+?", "??", "*+", "++", "{2}", "{1,3}", "{2,}?" };
	unsigned branches = throw_dice(w->d, 5) == 0 ? 2 : 1;
	for (unsigned b = 0; b < branches; b++) {
		if (b)
			put(w, "|");
		for (unsigned i = 0, n = throw_dice(w->d, 4) + (depth == 0); i < n; i++) {
			atom(w, depth);
			if (!w->behind && throw_dice(w->d, 3) == 0)
				put(w, ONE_OF(w, repeats));
		}
	}
}

static void random_text(struct dice *d, struct expect_case *c, bool utf)
{
	static const char *const words[] = { "a", "b", "c", "ab", "abc", "aaa", "\n", " ", ":", "\xc3\xa9", "7", "\r\n",
					     "x", "bca", "aab ", "\xf0\x9f\x98\x80" };
	static const char *const broken[] = { "\xc3", "\xa9", "\xff", "\xf0\x9f", "\xe2\x82" };
	size_t n = throw_dice(d, 8) ? throw_dice(d, 24) : throw_dice(d, 250);
	c->len = 0;
	bool breaks = throw_dice(d, 4) == 0;
	while (n--) {
		const char *s = breaks && throw_dice(d, 12) == 0 ? broken[throw_dice(d, 5)] : words[throw_dice(d, 16)];
		if (!utf && throw_dice(d, 50) == 0)
			s = "";
		size_t len = *s ? strlen(s) : 1; /* a NUL */
		memcpy(text + c->len, s, len);
		c->len += len;
	}
	c->text = text;
}

bool expect_random_case(struct dice *d, struct expect_case *c)
{
	memset(c, 0, sizeof(*c));
	unsigned mode = throw_dice(d, 32);
	bool utf = mode & 1, jit = mode & 2, lenient = (mode & 12) != 0;
	c->n = throw_dice(d, 4) ? 1 : 1 + throw_dice(d, EXPECT_PATTERNS_MAX);
	uint32_t options = throw_dice(d, 8) == 0    ? PCRE2_DOTALL
			   : throw_dice(d, 8) == 0  ? PCRE2_MULTILINE
			   : throw_dice(d, 40) == 0 ? PCRE2_ENDANCHORED
						    : 0;
	for (size_t i = 0; i < c->n; i++) {
		struct writer w = { .d = d, .out = patterns[i] };
		int error;
		size_t at;
		alternatives(&w, 0);
		patterns[i][w.n] = 0;
		c->nested |= w.nested;
		compiled[i] = PCRE2_ALT_CIRCUMFLEX | options | (utf ? PCRE2_UTF | (lenient ? PCRE2_MATCH_INVALID_UTF : 0) : 0);
		c->re[i] = pcre2_compile((PCRE2_SPTR)patterns[i], w.n, compiled[i], &error, &at, NULL);
		if (!c->re[i])
			return false;
		if (jit && !(utf && lenient))
			pcre2_jit_compile(c->re[i], PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
		c->options[i] = throw_dice(d, 40) == 0	 ? PCRE2_ANCHORED
				: throw_dice(d, 40) == 0 ? PCRE2_NOTBOL
				: throw_dice(d, 40) == 0 ? PCRE2_NOTEMPTY
							 : 0;
		uint32_t plain = PCRE2_NO_START_OPTIMIZE | (compiled[i] & ~PCRE2_MATCH_INVALID_UTF);
		plain |= (uint32_t)c->options[i] & PCRE2_ANCHORED;
		c->truth[i] = pcre2_compile((PCRE2_SPTR)patterns[i], w.n, plain, &error, &at, NULL);
	}
	random_text(d, c, utf);
	c->n_pieces = 1 + throw_dice(d, PIECES_MAX);
	unsigned large = throw_dice(d, 3) == 0 ? 40 : 4;
	for (size_t i = 0; i < c->n_pieces; i++)
		pieces[i] = (unsigned char)(1 + throw_dice(d, large));
	c->pieces = pieces;
	unsigned how = throw_dice(d, 8);
	c->eager_forget = how & 1;
	c->by_start = how & 2;
	c->large_scans = how & 4;
	return true;
}

void expect_random_free(struct expect_case *c)
{
	for (size_t i = 0; i < c->n; i++) {
		pcre2_code_free(c->re[i]);
		pcre2_code_free(c->truth[i]);
	}
}

static void quote(const char *s, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] == 0x7f)
			printf("\\%03o", (unsigned char)s[i]);
		else
			putchar(s[i]);
	putchar('"');
}

void expect_random_tell(const struct expect_case *c)
{
	for (size_t i = 0; i < c->n; i++)
		printf("  /%s/ compiled with 0x%x, matched with 0x%x\n", patterns[i], compiled[i], (unsigned)c->options[i]);
	printf("  text ");
	quote(c->text, c->len);
	printf("\n  pieces");
	for (size_t i = 0; i < c->n_pieces; i++)
		printf(" %u", c->pieces[i]);
	printf("%s%s%s\n", c->eager_forget ? ", forgets" : "", c->by_start ? ", start by start" : "",
	       c->large_scans ? ", large scans" : "");
}
