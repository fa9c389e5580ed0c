/* SPDX-License-Identifier: BSD-2-Clause */
/* sparse memory by itself; test_memory.c has it at the bottom of a stack.  The linker (--wrap, in tests/meson.build) leads what asks for
 * memory here, where it is counted and made to fail. */
#include "base/sparse.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/util.h"
#include "unit/test.h"

#define LEAF MIB(16)
#define PIB ((uint64_t)1 << 50)

/* --- memory that is refused --- */

static bool armed, rest;        /* failures are on; also of all that follow */
static long count, fail_at;     /* calls; the first that fails */
static size_t largest = SIZE_MAX, mapped; /* no more than that is mapped at once; bytes mapped so far */
static long maps;

static bool fails(void)
{
	if (!armed || ++count < fail_at || (count > fail_at && !rest))
		return false;
	errno = ENOMEM;
	return true;
}

/* Declared here, too: the linker alone knows them. */
#define WRAP(type, refused, name, params, args)                  \
	type __real_##name params;                               \
	type __wrap_##name params;                               \
	type __wrap_##name params                                \
	{                                                        \
		return fails() ? refused : __real_##name args;   \
	}

WRAP(void *, NULL, malloc, (size_t n), (n))
WRAP(void *, NULL, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, NULL, aligned_alloc, (size_t alignment, size_t n), (alignment, n))

void *__real_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	if (n > largest || fails())
		return errno = ENOMEM, MAP_FAILED;
	maps++;
	mapped += n;
	return __real_mmap64(at, n, prot, flags, fd, off);
}

/* --- what is done again and again --- */

static struct sparse *s;
static uint8_t data[1 << 20], back[1 << 20];

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 11;
}

static bool put(uint64_t off, uint64_t len, int byte)
{
	memset(data, byte, len);
	return sparse_write(s, off, len, data) == 0;
}

static bool holds(uint64_t off, uint64_t len, int byte)
{
	memset(data, byte, len);
	memset(back, ~byte, len);
	sparse_read(s, off, len, back);
	return memcmp(back, data, len) == 0;
}

/* Pages of the kernel's that are in memory, of len bytes that are lent; 1,000: they are not lent, or more than 1 MiB. */
static unsigned resident(uint64_t off, uint64_t len)
{
	unsigned char in[256] = { 0 };
	unsigned n = 0;
	const uint8_t *p = sparse_lend(s, off, len);
	if (!p || len / 4096 > sizeof in || mincore((void *)p, len, in) < 0)
		return 1000;
	for (unsigned i = 0; i < len / 4096; i++)
		n += in[i] & 1;
	return n;
}

TEST(places_all_over_a_pebibyte_take_few_mappings_and_little_address_space)
{
	enum { PLACES = 16384 };
	uint64_t seed = 5, again = 5;
	maps = 0;
	mapped = 0;
	CHECK(s = sparse_new(PIB));
	for (unsigned i = 0; i < PLACES; i++) {
		uint64_t off = next_random(&seed) % (PIB / 4096) * 4096;
		memcpy(data, &off, sizeof off);
		CHECK(sparse_write(s, off, 4096, data) == 0);
	}
	for (unsigned i = 0; i < PLACES; i++) {
		uint64_t off = next_random(&again) % (PIB / 4096) * 4096;
		const uint8_t *lent = sparse_lend(s, off, 4096);
		CHECK(lent && memcmp(lent, &off, sizeof off) == 0);
		CHECK(holds(off ^ 4096, 1, 0)); /* a place beside it: none of them is as near */
	}
	CHECK(maps > 0 && maps < 64);
	CHECK(mapped < MIB(512)); /* 4 KiB for each, less than 1 KiB of tree, some leaves that had two; and room for more */
	sparse_free(s);
}

TEST(a_leaf_that_begins_small_is_whole_with_the_next_write_and_lends_all_but_its_first_piece_in_one)
{
	const uint64_t leaf = 7 * LEAF, lone = leaf + 5 * SPARSE_PAGE + 8192, end = lone + 8192;
	CHECK(s = sparse_new(PIB));
	CHECK(put(lone + 4000, 100, 1));                /* touches two times 4 KiB */
	const uint8_t *early = sparse_lend(s, lone, 8192);
	CHECK(early && early[3999] == 0 && early[4000] == 1 && early[4100] == 0);
	CHECK(!sparse_lend(s, lone - 1, 2));            /* nothing there yet */
	CHECK(!sparse_lend(s, end, 1));
	CHECK(holds(lone - 100000, 104000, 0));         /* some of it in the same page of 32 KiB */
	CHECK(holds(end, 100000, 0));

	CHECK(put(end - 2, 4, 2));                      /* across its end: the rest of the leaf is there */
	CHECK(sparse_lend(s, lone, 8192) == early);
	CHECK(early[4000] == 1 && early[8191] == 2);
	CHECK(!sparse_lend(s, end - 2, 4));
	CHECK(holds(end - 2, 4, 2));
	CHECK(!sparse_lend(s, leaf, LEAF));
	CHECK(sparse_lend(s, leaf, lone - leaf) != NULL);
	const uint8_t *lent = sparse_lend(s, end, leaf + LEAF - end);
	CHECK(lent && lent[0] == 2 && lent[1] == 2 && lent[2] == 0);
	CHECK(!sparse_lend(s, leaf + LEAF - 1, 2));
	sparse_free(s);
}

TEST(a_small_write_across_leaves_begins_both)
{
	CHECK(s = sparse_new(PIB));
	CHECK(put(5 * LEAF - 10, 20, 7));
	CHECK(sparse_lend(s, 5 * LEAF - 4096, 4096) && sparse_lend(s, 5 * LEAF, 4096));
	CHECK(!sparse_lend(s, 5 * LEAF - 4097, 1) && !sparse_lend(s, 5 * LEAF + 4096, 1));
	CHECK(holds(5 * LEAF - 10, 20, 7));
	sparse_free(s);
}

TEST(a_disk_of_less_than_16_GiB_always_lies_together_in_its_leaves)
{
	CHECK(s = sparse_new(1024 * LEAF - 1));
	CHECK(put(LEAF + 5000, 10, 1) && put(1024 * LEAF - 2, 1, 2));
	CHECK(sparse_lend(s, LEAF, LEAF) && sparse_lend(s, 1023 * LEAF, LEAF - 1));
	sparse_free(s);
}

TEST(a_leaf_that_begins_with_a_large_write_lies_together)
{
	CHECK(s = sparse_new(PIB));
	CHECK(put(3 * LEAF + 1000, SPARSE_PAGE, 1)); /* as large as that, at least */
	const uint8_t *lent = sparse_lend(s, 3 * LEAF, LEAF);
	CHECK(lent && lent[999] == 0 && lent[1000] == 1 && lent[1000 + SPARSE_PAGE] == 0);
	sparse_free(s);
}

TEST(whole_pages_may_be_written_in_their_place)
{
	const uint64_t at = 7 * LEAF + 3 * SPARSE_PAGE, len = 8 * SPARSE_PAGE;
	enum sparse_state state;
	uint64_t look = 0;

	CHECK(s = sparse_new(PIB));
	CHECK(!sparse_place(s, at + 1, len) && !sparse_place(s, at, len - 512)); /* the rest of a page may be zeroed meanwhile */
	CHECK(!sparse_place(s, 8 * LEAF - SPARSE_PAGE, 2 * SPARSE_PAGE)); /* of two leaves */
	uint8_t *place = sparse_place(s, at, len);
	CHECK(place);
	memset(place, 9, len);
	CHECK(sparse_run(s, at, at + len, &look, &state) > 0 && state == SPARSE_HOLE && holds(at, len, 0)); /* not yet */
	sparse_zero(s, at - 512, 512); /* nothing is known of it, so nothing is given back */
	sparse_placed(s, at, len);
	CHECK(sparse_run(s, at, at + len, &look, &state) > 0 && state == SPARSE_DATA && holds(at, len, 9));
	CHECK(holds(at - SPARSE_PAGE, SPARSE_PAGE, 0) && holds(at + len, SPARSE_PAGE, 0));
	CHECK(sparse_place(s, at, len) == place);

	/* a leaf that began small: the lone piece stays where it is */
	CHECK(put(2 * LEAF + 4096, 10, 1));
	CHECK(!sparse_place(s, 2 * LEAF, SPARSE_PAGE) && (place = sparse_place(s, 2 * LEAF + SPARSE_PAGE, SPARSE_PAGE)));
	memset(place, 5, SPARSE_PAGE);
	sparse_placed(s, 2 * LEAF + SPARSE_PAGE, SPARSE_PAGE);
	CHECK(holds(2 * LEAF + 4096, 10, 1) && holds(2 * LEAF + SPARSE_PAGE, SPARSE_PAGE, 5));
	sparse_free(s);
}

/* What proc(5) says of the mapping that has p: 'h' for huge pages, 'n' for none of them, '-' neither, '?' when it cannot tell. */
static char pages_at(const void *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512], told = '?';
	uintptr_t from, to;
	bool here = false;

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			told = strstr(line, " hg") ? 'h' : strstr(line, " nh") ? 'n' : '-';
	}
	if (f)
		fclose(f);
	return told;
}

TEST(a_leaf_has_huge_pages_from_its_first_large_write_on)
{
	const uint64_t large = 256 << 10, bytes = 4096;
	bool has_them = access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;

	CHECK(s = sparse_new(PIB));
	CHECK(put(0, bytes, 1) && put(LEAF / 2, bytes, 1) && put(LEAF, large, 2) && sparse_place(s, 2 * LEAF, large));
	CHECK(sparse_place(s, 3 * LEAF, SPARSE_PAGE));
	if (has_them) {
		CHECK_EQ_U(pages_at(sparse_lend(s, LEAF / 2, bytes)), 'n');
		CHECK_EQ_U(pages_at(sparse_lend(s, LEAF + 4096, bytes)), 'h');
		CHECK_EQ_U(pages_at(sparse_lend(s, 2 * LEAF + 4096, bytes)), 'h');
		CHECK_EQ_U(pages_at(sparse_lend(s, 3 * LEAF, bytes)), 'n');
	}
	CHECK(put(5 * LEAF / 16, large, 3));
	CHECK(!has_them || pages_at(sparse_lend(s, LEAF / 2 + 4096, bytes)) == 'h');
	CHECK(holds(0, bytes, 1) && holds(LEAF / 2, bytes, 1) && holds(LEAF, large, 2) && holds(5 * LEAF / 16, large, 3));
	sparse_free(s);
}

TEST(where_no_memory_is_left_there_is_no_place)
{
	CHECK(s = sparse_new(PIB));
	armed = rest = true;
	count = 0;
	fail_at = 1;
	uint8_t *place = sparse_place(s, LEAF, SPARSE_PAGE);
	armed = rest = false;
	CHECK(!place && sparse_place(s, LEAF, SPARSE_PAGE));
	sparse_free(s);
}

TEST(what_is_zeroed_gives_its_memory_back)
{
	const uint64_t rest_at = LEAF + 20480, rest_len = 1 << 20;
	CHECK(s = sparse_new(PIB));
	CHECK(put(LEAF, 20000, 1));                     /* a lone piece, */
	CHECK(put(rest_at, rest_len, 2));               /* and what lies together, behind it in the same page of 32 KiB */
	CHECK_EQ_U(resident(LEAF, 20480), 5);
	CHECK_EQ_U(resident(rest_at, rest_len), 256);

	sparse_zero(s, LEAF, 20000);                    /* half of what the page has: nothing is given back */
	CHECK_EQ_U(resident(LEAF, 20480), 5);
	sparse_zero(s, rest_at, SPARSE_PAGE - 20480);   /* the other half */
	CHECK_EQ_U(resident(LEAF, 20480), 0);
	CHECK_EQ_U(resident(rest_at, rest_len), 256 - 3);
	CHECK(put(LEAF, 10, 3));
	CHECK_EQ_U(resident(LEAF, 20480), 1);

	sparse_zero(s, LEAF, 3 * SPARSE_PAGE + 1);      /* from the one into the other, by whole pages */
	CHECK_EQ_U(resident(LEAF, 20480), 0);
	CHECK_EQ_U(resident(rest_at, rest_len), 256 - 3 - 2 * 8);
	CHECK(holds(LEAF, 3 * SPARSE_PAGE + 1, 0));
	CHECK(holds(LEAF + 3 * SPARSE_PAGE + 1, 1000, 2));
	sparse_zero(s, 0, PIB);
	CHECK_EQ_U(resident(rest_at, rest_len), 0);
	sparse_free(s);
}

/* In the middle of a disk, around an edge of leaves. */
TEST(a_random_history_across_leaves_agrees_with_a_plain_array)
{
	enum { SIZE = 1 << 20 };
	const uint64_t base = PIB / 3 / LEAF * LEAF - SIZE / 2;
	static uint8_t model[SIZE];
	for (uint64_t round = 1, seed = 9; round <= 20; round++) {
		memset(model, 0, SIZE);
		CHECK(s = sparse_new(PIB));
		for (unsigned i = 1; i < 150; i++) {
			uint64_t off = next_random(&seed) % SIZE, len = 1 + next_random(&seed) % (round % 2 ? 9000 : 200000);
			len = MIN(len, SIZE - off);
			if (next_random(&seed) % 4) {
				CHECK(put(base + off, len, (int)i));
				memset(model + off, (int)i, len);
			} else {
				sparse_zero(s, base + off, len);
				memset(model + off, 0, len);
			}
			const uint8_t *lent = sparse_lend(s, base + off, len);
			CHECK(!lent || memcmp(lent, model + off, len) == 0);
			sparse_read(s, base, SIZE, back);
			CHECK(memcmp(back, model, SIZE) == 0);
		}
		enum sparse_state state;
		uint64_t look = SIZE;
		for (uint64_t off = 0, n; off < SIZE; off += n) {
			n = sparse_run(s, base + off, base + SIZE, &look, &state);
			CHECK(n && n <= SIZE - off);
			CHECK(state == SPARSE_DATA || (model[off] == 0 && memcmp(model + off, model + off + 1, n - 1) == 0));
		}
		sparse_free(s);
	}
}

/* --- when memory is refused --- */

static const struct { uint64_t off, len; } writes[] = {
	{ PIB / 2, 4096 }, { PIB / 2 + 3 * SPARSE_PAGE, 4096 }, { 5, 1 }, { PIB - 100000, 100000 }, { PIB / 2 + LEAF, 10 },
	{ LEAF - 40000, 80000 }, { 3 * SPARSE_PAGE, 9 },
};

/* Everything once with the n'th call refused, and then what was missing.  *more: it took as many calls. */
static void fail_nth(long n, bool *more)
{
	int err[ARRAY_LEN(writes)];
	fail_at = n;
	count = 0;
	armed = true;
	s = sparse_new(PIB);
	for (unsigned i = 0; s && i < ARRAY_LEN(writes); i++) {
		memset(data, (int)i + 1, writes[i].len);
		err[i] = sparse_write(s, writes[i].off, writes[i].len, data);
	}
	armed = false;
	*more = count >= n;
	for (unsigned i = 0; s && i < ARRAY_LEN(writes); i++)
		CHECK(err[i] == ENOMEM || (err[i] == 0 && holds(writes[i].off, writes[i].len, (int)i + 1)));
	for (unsigned i = 0; s && i < ARRAY_LEN(writes); i++)
		CHECK(put(writes[i].off, writes[i].len, (int)i + 1) && holds(writes[i].off, writes[i].len, (int)i + 1));
	sparse_free(s);
}

TEST(each_refusal_of_memory_fails_what_needs_it_and_nothing_else)
{
	for (int all = 0; all < 2; all++) {
		long n = 0;
		rest = all;
		for (bool more = true; more && n < 1000;)
			fail_nth(++n, &more);
		CHECK(n > 8 && n < 1000);
	}
}

TEST(where_much_address_space_is_refused_less_will_do)
{
	CHECK(s = sparse_new(PIB));
	largest = LEAF;
	for (uint64_t i = 0; i < 40; i++)
		CHECK(put(i * 1000 * LEAF, SPARSE_PAGE, (int)i + 1));
	largest = LEAF - 1;
	memset(data, 0xff, SPARSE_PAGE);
	CHECK_EQ_U(sparse_write(s, LEAF, SPARSE_PAGE, data), ENOMEM);
	CHECK(!sparse_lend(s, LEAF, 1));
	CHECK(holds(LEAF, SPARSE_PAGE, 0));
	largest = SIZE_MAX;
	for (uint64_t i = 0; i < 40; i++)
		CHECK(holds(i * 1000 * LEAF, SPARSE_PAGE, (int)i + 1));
	sparse_free(s);
}

/* --- threads --- */

enum { THREADS = 4, EACH = 3000 };

/* Places of all threads are in the same leaves, and each leaf is new to all of them at about the same time. */
static uint64_t place(uint64_t thread, uint64_t i)
{
	return i / 3 * 12345 * LEAF % PIB + (i % 3 * THREADS + thread) * (SPARSE_PAGE / 2);
}

static void *write_all_over(void *arg)
{
	uint64_t thread = (uintptr_t)arg, bad = 0;
	for (uint64_t i = 0, off, got; i < EACH; i++) {
		off = place(thread, i);
		bad += sparse_write(s, off, sizeof off, &off) != 0;
		sparse_read(s, off, sizeof got, &got);
		bad += got != off;
	}
	return (void *)(uintptr_t)bad;
}

TEST(threads_make_the_same_leaves_at_the_same_time)
{
	pthread_t th[THREADS];
	void *bad;
	CHECK(s = sparse_new(PIB));
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&th[i], NULL, write_all_over, (void *)i) == 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(th[i], &bad);
		CHECK(!bad);
	}
	for (uint64_t thread = 0; thread < THREADS; thread++)
		for (uint64_t i = 0, got; i < EACH; i++) {
			sparse_read(s, place(thread, i), sizeof got, &got);
			CHECK_EQ_U(got, place(thread, i));
		}
	sparse_free(s);
}
