/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "unit/test.h"
#include "base/util.h"
#include "view/asker.h"

/* A disk of 1 MiB with a partition table, from the second event on. */
static int read_disk(void *arg, uint64_t off, uint32_t len, void *to)
{
	static const unsigned char entry[] = { 0, 0, 2, 0, 0x83, 0, 0, 0, 8, 0, 0, 0, 0, 4, 0, 0 };
	uint8_t sector[512] = { 0 };

	memcpy(sector + 446, entry, sizeof entry);
	sector[510] = 0x55;
	sector[511] = 0xaa;
	memset(to, 0, len);
	for (uint32_t i = 0; i < len && off + i < sizeof sector; i++)
		((uint8_t *)to)[i] = sector[off + i];
	return 0;
}

static void *open_disk(void *arg, uint64_t events, struct know_disk *d, struct err *e)
{
	if (events < 2) {
		err_set(e, "too early");
		return NULL;
	}
	*d = (struct know_disk){ .size = MIB(1), .read = read_disk };
	return arg;
}

static void close_disk(void *handle) { }

static int place;
static const struct contents contents = { .open = open_disk, .close = close_disk, .moves = true, .arg = &place };

static void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); }

static void map_of(struct asker *a, uint64_t events, struct know_map **map, char *trouble, size_t room)
{
	uint64_t of = 0;
	struct know_map *k = NULL;

	asker_ask_map(a, events);
	*trouble = '\0';
	for (int i = 0; i < 20000 && !k && !*trouble; i++, nap())
		k = asker_take_map(a, &of, trouble, room);
	CHECK_EQ_U(of, events);
	CHECK(!asker_busy(a));
	*map = k;
}

TEST(an_asker_makes_maps_on_the_side_and_says_why_there_is_none)
{
	struct err e;
	char trouble[100];
	struct asker *a = asker_start(&contents, &e);
	CHECK(a);
	struct know_map *k = NULL;
	map_of(a, 7, &k, trouble, sizeof trouble);
	CHECK(k && know_find(k, 0));
	know_free(k);
	map_of(a, 1, &k, trouble, sizeof trouble);
	CHECK(!k && strstr(trouble, "too early"));
	asker_ask_map(a, 9); /* nobody waits for it */
	asker_stop(a);
}

static void log_file(int *fd)
{
	static const char text[] =
		"2026-01-01 00:00:00.000000 connection=1 Connect export=\"\" tls=0 size=0x100000 write=1\n"
		"2026-01-01 00:00:01.000000 connection=1 Write id=1 offset=0x1000 count=0x1000 fua=0 ...\n"
		"2026-01-01 00:00:02.000000 connection=1 ...Write id=1 return=0\n"
		"2026-01-01 00:00:03.000000 connection=1 Read id=2 offset=0x0 count=0x8000 ...\n"
		"2026-01-01 00:00:04.000000 connection=1 ...Read id=2 return=0\n";
	char path[200];
	const char *tmp = getenv("TMPDIR");

	snprintf(path, sizeof path, "%s/asker-XXXXXX", tmp ? tmp : "/tmp");
	*fd = mkstemp(path);
	CHECK(*fd >= 0 && write(*fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
	unlink(path);
}

static struct spot s;

static void find_spot(struct asker *a, int fd, uint64_t off, uint64_t events, bool bytes)
{
	s = (struct spot){ .off = UINT64_MAX };
	asker_ask_spot(a, fd, off, 4096, events, events, bytes);
	for (int i = 0; i < 20000 && !(asker_take_spot(a, &s) && s.off == off && s.events == events); i++)
		nap();
	for (int i = 0; i < 20000 && asker_seeks(a); i++)
		nap();
	CHECK(!asker_seeks(a));
}

TEST(an_asker_tells_what_happened_to_a_place_until_then)
{
	struct err e;
	int fd;
	log_file(&fd);
	struct asker *a = asker_start(&contents, &e);
	CHECK(a);
	for (uint64_t i = 0; i < 200; i++) /* the newest counts */
		asker_ask_spot(a, fd, 4096 * (i % 3), 4096, 5, 5, false);
	find_spot(a, fd, 4096, 5, false);
	CHECK_EQ_U(s.count, 2);
	CHECK(s.touches == 2 && s.at[0].op == EV_READ && s.at[1].op == EV_WRITE && s.n == 0);
	CHECK(s.has_writer && s.writer.id == 1);
	find_spot(a, fd, 4096, 3, false);
	CHECK_EQ_U(s.count, 1);
	find_spot(a, fd, 0, 5, true);
	CHECK(s.count == 1 && !s.has_writer && s.n == PLACE_BYTES);
	asker_stop(a);
	close(fd);
}
