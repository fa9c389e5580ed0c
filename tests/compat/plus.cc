// SPDX-License-Identifier: BSD-2-Clause
// The header is for C++, too: a session, and every function has a C name to link with.
#include <miniexpect.h>
#include <cstring>
#include <string>

int main()
{
	char wrong[100];
	pcre2_code *re = mexp_compile("Hello, (\\w+)!", MEXP_REGEX, wrong, sizeof(wrong));
	const mexp_regexp list[] = { { 1, re, 0 }, { 0, nullptr, 0 } };
	struct mexp_spawn_opts opts = {}; // there is a function of that name
	opts.struct_size = sizeof(opts);
	opts.flags = MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO;
	const char *argv[] = { "sh", "-c", "read name; echo \"Hello, $name!\"", nullptr };
	mexp_h *h = mexp_spawn_opts(&opts, "sh", const_cast<char **>(argv));
	if (!re || !h || mexp_spawnl("/no/such/program", "program", nullptr))
		return 1;
	mexp_set_timeout(h, 10);
	mexp_set_order(h, MEXP_ORDER_LEFTMOST);
	mexp_send_line(h, "Ada");
	mexp_wait_for w = { h, list, nullptr, 0 };
	if (mexp_expect_any(&w, 1, -1) != 1 || w.result != 1)
		return 2;
	size_t len;
	const char *name = mexp_match(h, 1, &len);
	if (std::string(name, len) != "Ada" || mexp_expect(h, nullptr, nullptr) != MEXP_EOF)
		return 3;
	pcre2_code_free(re);
	std::puts("as in C");
	return mexp_close(h);
}
