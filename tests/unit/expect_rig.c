/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include "unit/expect_rig.h"

bool talk_open(struct talk *t)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	t->far = ends[1];
	if (!(t->h = mexp_attach(ends[0], 0, 0)))
		return false;
	mexp_set_timeout_ms(t->h, 20000); /* a failure, not a test that hangs */
	mexp_set_settle_ms(t->h, -1);
	return true;
}

bool talk_say(struct talk *t, const char *bytes, size_t len)
{
	return send(t->far, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

void talk_end(struct talk *t)
{
	if (t->far >= 0)
		close(t->far);
	t->far = -1;
}

void talk_close(struct talk *t)
{
	talk_end(t);
	mexp_close(t->h);
}

int talk_pieces(struct talk *t, const mexp_regexp *list, pcre2_match_data *md, ...)
{
	int r = MEXP_AGAIN;
	va_list pieces;
	va_start(pieces, md);
	for (const char *p; r == MEXP_AGAIN && (p = va_arg(pieces, const char *));)
		r = talk_say(t, p, strlen(p)) ? mexp_try_expect(t->h, list, md) : MEXP_ERROR;
	va_end(pieces);
	return r;
}

mexp_h *sh(unsigned flags, const char *script)
{
	return mexp_spawnlf(flags, "sh", "sh", "-c", script, NULL);
}

pcre2_code *re_with(const char *pattern, uint32_t options)
{
	enum { MANY = 256 };
	static struct {
		const char *pattern;
		uint32_t options;
		pcre2_code *code;
	} known[MANY];
	size_t i, at;
	int error;
	for (i = 0; i < MANY - 1 && known[i].code; i++)
		if (known[i].options == options && strcmp(known[i].pattern, pattern) == 0)
			return known[i].code;
	known[i].pattern = pattern;
	known[i].options = options;
	known[i].code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
	if (!known[i].code)
		test_failed(__FILE__, __LINE__, "'%s' cannot be compiled: %d at %zu", pattern, error, at);
	return known[i].code;
}

pcre2_code *re(const char *pattern)
{
	return re_with(pattern, 0);
}

uint64_t ms_since(uint64_t ns)
{
	return (monotonic_ns() - ns) / NS_PER_MS;
}

void pause_ms(int ms)
{
	for (uint64_t start = monotonic_ns(); ms_since(start) < (uint64_t)ms;)
		poll(NULL, 0, ms - (int)ms_since(start));
}

size_t open_fds(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}
