/* SPDX-License-Identifier: BSD-2-Clause */
#include <sys/socket.h>
#include <unistd.h>
#include "base/say.h"
#include "server/guests.h"
#include "unit/test.h"

/* Two sockets of this very user, and a pipe, which is nobody's. */
static int pair[2], pipes[2];

static bool open_some(void)
{
	say_start("test", SAY_NULL, false);
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(pipes) == 0;
}

static void close_all(void)
{
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(pipes[i]);
	}
}

TEST(one_peer_has_its_number_and_all_have_theirs)
{
	struct guests g;
	struct guest *a, *b, *c, *p;

	CHECK(open_some());
	guests_init(&g, 4, 2);
	CHECK(guests_enter(&g, pair[0], &a));
	CHECK(guests_enter(&g, pair[1], &b));
	CHECK(a == b);
	CHECK(!guests_enter(&g, pair[0], &c));
	CHECK(guests_enter(&g, pipes[0], &p)); /* no peer: counts in all only */
	CHECK(!p);
	CHECK(guests_enter(&g, pipes[0], &p));
	CHECK(!guests_enter(&g, pipes[0], &p)); /* five */
	guests_leave(&g, a);
	CHECK(guests_enter(&g, pair[0], &a));
	guests_leave(&g, a);
	guests_leave(&g, b);
	CHECK(guests_enter(&g, pair[0], &a)); /* its peer was forgotten meanwhile */
	CHECK_EQ_U(g.count, 3);
	guests_free(&g);
	close_all();
}

TEST(without_limits_everybody_comes_in)
{
	struct guests g;
	struct guest *a;

	CHECK(open_some());
	guests_init(&g, 0, 0);
	for (int i = 0; i < 1000; i++)
		CHECK(guests_enter(&g, pair[0], &a));
	CHECK(!a);
	CHECK_EQ_U(g.count, 1000);
	guests_free(&g);
	close_all();
}
