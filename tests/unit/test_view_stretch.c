/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "unit/test.h"
#include "view/stretch.h"

#define START (1767225600ull * NS_PER_S) /* 2026-01-01 */
#define AT(us) (START + (us) * 1000ull)

static char path[200];
static struct stretch s;
static struct err e;

/* A request each 10 us from 1000 us on, answered 25 us later: up to three are under way. */
static void start(void)
{
	const char *dir = getenv("TMPDIR");
	snprintf(path, sizeof path, "%s/stretch.%d.log", dir ? dir : "/tmp", getpid());
	FILE *f = fopen(path, "w");
	CHECK(f != NULL);
	fprintf(f, "2026-01-01 00:00:00.000000 connection=1 Connect export=\"\" tls=0 size=0x100000 write=1\n");
	for (unsigned us = 1000; us < 5000; us += 5) {
		if (us % 10 == 0)
			fprintf(f, "2026-01-01 00:00:00.%06u connection=1 %s id=%u offset=0x%x count=0x1000 %s...\n", us,
				us % 20 ? "Read" : "Write", us, us % 20 ? 0 : 0x80000, us % 20 ? "" : "fua=0 ");
		else if (us >= 1025)
			fprintf(f, "2026-01-01 00:00:00.%06u connection=1 ...%s id=%u return=0\n", us, (us - 25) % 20 ? "Read" : "Write",
				us - 25);
	}
	fclose(f);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(stretch_open(&s, fd, &e) == 0);
	close(fd);
}

static void end(void)
{
	stretch_close(&s);
	unlink(path);
}

static void look(uint64_t from, uint64_t to, const struct filter *f)
{
	stretch_go(&s, AT(from), AT(to), MIB(1));
	int more;
	do
		more = stretch_walk(&s, f, 7, &e);
	while (more > 0);
	CHECK(more == 0);
}

static unsigned ops(enum heat_class c)
{
	unsigned n = 0;
	for (unsigned i = 0; i < HEAT_BINS; i++)
		n += s.heat.at[i].ops[c];
	return n;
}

TEST(a_stretch_has_its_own_bins_and_all_of_its_requests)
{
	start();
	look(2000, 3000, NULL);
	CHECK_EQ_U(s.heat.start, AT(2000));
	CHECK_EQ_U(s.heat.bin, 977); /* a millisecond in 1024 */
	CHECK_EQ_U(ops(HEAT_READ) + ops(HEAT_WRITE), 100);
	CHECK_EQ_U(ops(HEAT_READ), 50);
	CHECK_EQ_U(s.heat.at[0].deepest, 3); /* begun before the stretch */
	/* the one that was answered at 2005 us: begun at 1980, in 25 us, in the middle of the disk */
	const struct heat_bin *b = &s.heat.at[5000 / 977];
	CHECK_EQ_U(b->ops[HEAT_WRITE], 1);
	CHECK_EQ_U(b->took[HEAT_WRITE][14], 1);
	CHECK_EQ_U(b->at[HEAT_WRITE][0x80000 / s.heat.row], 1);
	end();
}

TEST(the_ends_of_a_stretch_are_exact)
{
	start();
	look(2005, 2006, NULL);
	CHECK_EQ_U(ops(HEAT_WRITE), 1);
	look(2004, 2005, NULL);
	CHECK_EQ_U(ops(HEAT_WRITE) + ops(HEAT_READ), 0);
	look(2006, 2015, NULL);
	CHECK_EQ_U(ops(HEAT_WRITE) + ops(HEAT_READ), 0);
	stretch_go(&s, AT(2005), AT(2005) + 1, 0); /* a nanosecond */
	CHECK(stretch_walk(&s, NULL, UINT64_MAX, &e) == 0);
	CHECK_EQ_U(s.heat.bin, 1);
	CHECK_EQ_U(ops(HEAT_WRITE), 1);
	end();
}

TEST(a_later_stretch_goes_on_and_an_earlier_one_begins_anew)
{
	start();
	look(2000, 2100, NULL);
	CHECK_EQ_U(ops(HEAT_READ) + ops(HEAT_WRITE), 10);
	uint64_t pos = s.taken;
	CHECK(pos >= AT(2090) && pos < AT(2100));
	look(2100, 2200, NULL);
	CHECK_EQ_U(ops(HEAT_READ) + ops(HEAT_WRITE), 10);
	CHECK_EQ_U(s.heat.at[0].deepest, 3);
	look(2050, 2250, NULL); /* overlaps */
	CHECK_EQ_U(ops(HEAT_READ) + ops(HEAT_WRITE), 20);
	look(0, 10000, NULL);
	CHECK_EQ_U(ops(HEAT_READ) + ops(HEAT_WRITE), 398);
	end();
}

TEST(a_stretch_is_seen_through_a_filter)
{
	struct filter f = { .ops = 1u << EV_WRITE };
	start();
	look(2000, 3000, &f);
	CHECK_EQ_U(ops(HEAT_READ), 0);
	CHECK_EQ_U(ops(HEAT_WRITE), 50);
	uint32_t deepest = 0;
	for (unsigned i = 0; i < HEAT_BINS; i++)
		deepest = MAX(deepest, s.heat.at[i].deepest);
	CHECK_EQ_U(deepest, 2); /* of writes: one begins before the last one ends */
	end();
}

TEST(a_log_that_grows_goes_on)
{
	start();
	look(4900, 9000, NULL);
	unsigned before = ops(HEAT_READ) + ops(HEAT_WRITE);
	FILE *f = fopen(path, "a");
	fprintf(f, "2026-01-01 00:00:00.006000 connection=1 ...Read id=4990 return=0\n");
	fclose(f);
	CHECK(stretch_walk(&s, NULL, UINT64_MAX, &e) == 0);
	CHECK_EQ_U(ops(HEAT_READ) + ops(HEAT_WRITE), before + 1);
	end();
}
