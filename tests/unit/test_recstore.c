/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks that are prepared on many threads and stored on one: each is where it is said to be, and there once. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/read_fd.h"
#include "filters/recchunks.h"
#include "filters/rechash.h"
#include "trace/rec_at.h"
#include "trace/rec_walk.h"
#include "unit/test.h"

enum {
	THREADS = 3,
	VALUES = 5000,      /* different blocks: some share a place in the table */
	EACH = 6000,        /* writes of a thread */
	WAITING = 64,
};

static bool give_up(void *owner)
{
	(void)owner;
	return true;
}

static bool start(struct recfile *f, struct recstore *s, enum rec_data data)
{
	struct err e;
	if (recfile_open(f, "/dev/null", data, &e) < 0)
		return false;
	f->give_up = give_up;
	return recfile_begin(f, &e) == 0 && recstore_start(s, f, &e) == 0;
}

static void stop(struct recfile *f, struct recstore *s)
{
	struct err e;
	recstore_stop(s);
	recfile_close(f, &e);
}

static void forget(struct rec_open *o)
{
	free(o->runs);
	free(o->hashes);
	*o = (struct rec_open){ 0 };
}

/* A block whose first bytes say which. */
static void make(uint8_t *p, uint64_t value)
{
	memset(p, (int)(value % 255 + 1), REC_BLOCK);
	memcpy(p, &value, sizeof value);
}

static struct {
	struct recstore store;
	pthread_mutex_t lock;  /* guards what follows */
	pthread_cond_t more;
	struct { uint64_t value; uint8_t bytes[REC_BLOCK + 64]; } at[WAITING];
	unsigned count, working;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void *prepare(void *arg)
{
	uint64_t x = 88172645463325252u + (uintptr_t)arg;
	struct rec_event e = { .len = REC_BLOCK };
	uint8_t block[REC_BLOCK], to[REC_BLOCK + 64];

	for (unsigned i = 0; i < EACH; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint64_t value = x % VALUES;
		make(block, value);
		size_t n = recstore_prepare(&all.store, &e, block, to);
		pthread_mutex_lock(&all.lock);
		while (all.count == WAITING)
			pthread_cond_wait(&all.more, &all.lock);
		all.at[all.count].value = value;
		memcpy(all.at[all.count++].bytes, to, n);
		pthread_cond_broadcast(&all.more);
		pthread_mutex_unlock(&all.lock);
	}
	pthread_mutex_lock(&all.lock);
	all.working--;
	pthread_cond_broadcast(&all.more);
	pthread_mutex_unlock(&all.lock);
	return NULL;
}

TEST(what_many_threads_write_lies_where_it_is_said_to_lie)
{
	static uint64_t value_at[THREADS * EACH];
	struct recfile f;
	pthread_t threads[THREADS];
	uint64_t stored = 0, wrong = 0;

	CHECK(start(&f, &all.store, REC_DATA_YES));
	all.working = THREADS;
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, prepare, (void *)i) == 0);
	pthread_mutex_lock(&all.lock);
	while (all.count || all.working) {
		if (!all.count) {
			pthread_cond_wait(&all.more, &all.lock);
			continue;
		}
		struct rec_open o = { .event = { .len = REC_BLOCK } };
		uint64_t value = all.at[--all.count].value, before = all.store.addr;
		if (recstore_add(&all.store, &o, all.at[all.count].bytes) && o.count == 1) {
			if (all.store.addr != before)
				value_at[stored++] = value;
			wrong += o.runs[0].addr / REC_BLOCK >= stored || value_at[o.runs[0].addr / REC_BLOCK] != value;
		} else {
			wrong++;
		}
		forget(&o);
		pthread_cond_broadcast(&all.more);
	}
	pthread_mutex_unlock(&all.lock);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ_U(wrong, 0);
	CHECK(stored >= VALUES * 9 / 10 && stored < VALUES * 3 / 2); /* two that share a place take turns in it */
	stop(&f, &all.store);
}

/* Unaligned, zeroes, known and new ones in one write: runs that follow one another, and cover it. */
TEST(a_write_is_cut_at_the_blocks_of_the_disk)
{
	enum { LEN = 5 * REC_BLOCK };
	static uint8_t data[LEN], to[LEN + 1000];
	struct recfile f;
	struct recstore s;
	struct rec_open o = { .event = { .op = REC_WRITE, .off = REC_BLOCK - 100, .len = 100 + 3 * REC_BLOCK + 7 } };

	CHECK(start(&f, &s, REC_DATA_YES));
	make(data + 100, 1);
	memset(data, 9, 100);
	make(data + 100 + 2 * REC_BLOCK, 1);        /* block 2 is zeroes */
	memset(data + 100 + 3 * REC_BLOCK, 5, 7);
	size_t n = recstore_prepare(&s, &o.event, data, to);
	CHECK(n <= recstore_room(&s, &o.event));
	CHECK(recstore_add(&s, &o, to));
	CHECK_EQ_U(o.count, 3);
	CHECK(o.runs[0].off == REC_BLOCK - 100 && o.runs[0].len == 100 + REC_BLOCK && o.runs[0].addr == 0);
	CHECK(o.runs[1].len == REC_BLOCK && o.runs[1].addr == REC_ZEROES);
	CHECK(o.runs[2].len == REC_BLOCK + 7 && o.runs[2].addr == 100); /* block 1 again; what was stored next comes right behind */
	forget(&o);
	o.event = (struct rec_event){ .op = REC_WRITE, .len = REC_BLOCK };
	CHECK(recstore_prepare(&s, &o.event, data + 100, to) < 64); /* known: its bytes stay where they are */
	CHECK(recstore_add(&s, &o, to) && o.count == 1 && o.runs[0].addr == 100);
	forget(&o);
	stop(&f, &s);
}

TEST(with_hashes_a_write_is_a_hash_for_each_piece)
{
	static uint8_t data[3 * REC_BLOCK], to[100];
	struct recfile f;
	struct recstore s;
	struct rec_open o = { .event = { .op = REC_WRITE, .off = 4095, .len = 2 + REC_BLOCK } };

	CHECK(start(&f, &s, REC_DATA_HASH));
	memset(data, 7, sizeof data);
	CHECK_EQ_U(recstore_prepare(&s, &o.event, data, to), 3 * REC_HASH_SIZE);
	CHECK_EQ_U(recstore_room(&s, &o.event), 3 * REC_HASH_SIZE);
	CHECK(recstore_add(&s, &o, to) && o.count == 1 && o.runs[0].len == 2 + REC_BLOCK && o.runs[0].hashes == o.hashes);
	CHECK(memcmp(o.hashes, o.hashes + 2 * REC_HASH_SIZE, REC_HASH_SIZE) == 0); /* both of one byte */
	CHECK(memcmp(o.hashes, o.hashes + REC_HASH_SIZE, REC_HASH_SIZE) != 0);
	forget(&o);
	stop(&f, &s);
}

TEST(the_hash_is_the_same_with_any_instructions)
{
	uint8_t data[REC_BLOCK];
	for (uint64_t i = 0; i < 200; i++) {
		make(data, i * 0x9e3779b97f4a7c15u);
		size_t n = i % 2 ? sizeof data : i * 20;
		XXH128_hash_t here = XXH3_128bits(data, n), there = rechash_best()->plain(data, n);
		CHECK(here.low64 == there.low64 && here.high64 == there.high64);
		here = XXH3_128bits_withSeed(data, n, i);
		there = rechash_best()->seeded(data, n, i);
		CHECK(here.low64 == there.low64 && here.high64 == there.high64);
	}
}

/* A recording in a file of its own, which is gone when it is closed. */
static bool make_file(struct recfile *f, enum rec_data data)
{
	char path[] = "/tmp/recfile-XXXXXX";
	int made = mkstemp(path);
	struct err e;
	bool ok = made >= 0 && recfile_open(f, path, data, &e) == 0;
	if (made >= 0) {
		unlink(path);
		close(made);
	}
	f->give_up = give_up;
	return ok && recfile_begin(f, &e) == 0;
}

/* Hours of a quiet disk: a segment holds more heads than one list can. */
TEST(so_many_small_chunks_that_a_segment_cannot_list_them_are_all_in_the_file)
{
	enum { CHUNKS = REC_BODY_MAX / REC_HEAD_SIZE + 1000 };
	struct recfile f;
	struct rec_file r;
	struct err e;
	uint64_t failed = 0;

	CHECK(make_file(&f, REC_DATA_NO));
	for (uint64_t i = 0; i < CHUNKS; i++) {
		struct rec_head h = { .kind = REC_EVENTS, .raw = 3, .first = i, .count = 1, .time = i };
		failed += !recfile_append(&f, &h, "abc", true);
	}
	CHECK(failed == 0 && f.segment == 1);
	struct rec_source source = { .read = read_fd, .owner = &f.fd, .size = f.at };
	CHECK(rec_open(&r, &source, &e) == 0);
	CHECK(r.count == CHUNKS && r.events.count == CHUNKS && !r.trouble && !r.skipped && r.scanned == f.at);
	rec_close(&r);
	recfile_close(&f, &e);
}

/* More under way than a chunk carries: those that are not carried are found in chunks before. */
TEST(what_ends_is_on_the_disk_however_much_was_under_way)
{
	enum { FLYING = 250000, ENDED = 50005 };
	struct recfile f;
	struct recchunks c;
	struct rec_file r;
	struct err e;
	unsigned failed = 0;

	CHECK(make_file(&f, REC_DATA_YES) && recchunks_start(&c, &f, &e) == 0);
	for (uint64_t i = 0; i < FLYING; i++) {
		struct rec_event ev = { .type = REC_BEGIN, .op = REC_TRIM, .id = i, .off = i * REC_BLOCK, .len = REC_BLOCK };
		failed += !recchunks_add(&c, &ev, NULL);
	}
	for (uint64_t i = 0; i < FLYING; i++) {
		struct rec_event ev = { .type = REC_END, .id = i };
		failed += !recchunks_add(&c, &ev, NULL);
	}
	recchunks_end(&c);
	struct rec_source source = { .read = read_fd, .owner = &f.fd, .size = f.at };
	CHECK(!failed && rec_open(&r, &source, &e) == 0);
	CHECK(r.events.at[rec_chunk_of_event(&r, FLYING + ENDED - 1)].level & REC_CUT);
	struct rec_at *a = rec_at_open(&r, FLYING + ENDED, &e);
	struct buf map = { .limit = SIZE_MAX };
	CHECK(a && rec_at_map(a, 0, FLYING * (uint64_t)REC_BLOCK, &map) == 0);
	CHECK_EQ_U(map.len / sizeof(struct rec_extent), ENDED);
	buf_free(&map);
	rec_at_close(a);
	rec_close(&r);
	recchunks_free(&c);
	recfile_close(&f, &e);
}

/* Of a chunk that is damaged at least what was under way at its end is known. */
TEST(what_began_in_a_chunk_that_is_damaged_and_ended_behind_it_is_told)
{
	static const struct { uint8_t type, id; } said[] = {
		{ REC_BEGIN, 1 }, { 0, 0 }, { REC_BEGIN, 2 }, { REC_BEGIN, 3 }, { REC_END, 3 }, { 0, 0 },
		{ REC_END, 1 }, { REC_END, 2 }, { 0, 0 }, { REC_BEGIN, 4 }, { 0, 0 } };
	static const struct { uint8_t type, id; uint64_t number; } want[] = { { REC_BEGIN, 1, 0 }, { REC_CARRY, 1, 4 }, { REC_CARRY, 2, 4 },
		{ REC_END, 1, 4 }, { REC_END, 2, 5 }, { REC_BEGIN, 4, 6 } };
	struct recfile f;
	struct recchunks c;
	struct rec_file r;
	struct rec_walk w;
	struct rec_event ev;
	struct err e;
	uint64_t number;
	unsigned seen[2] = { 0 };

	CHECK(make_file(&f, REC_DATA_NO) && recchunks_start(&c, &f, &e) == 0);
	for (unsigned i = 0; i < ARRAY_LEN(said); i++) {
		ev = (struct rec_event){ .type = said[i].type, .op = REC_TRIM, .id = said[i].id, .off = said[i].id * 512u, .len = 512,
					 .time = i };
		if (ev.type)
			CHECK(recchunks_add(&c, &ev, NULL));
		else
			recchunks_end(&c);
	}
	struct rec_source source = { .read = read_fd, .owner = &f.fd, .size = f.at };
	CHECK(rec_open(&r, &source, &e) == 0 && r.events.count == 4);
	CHECK(pwrite(f.fd, "x", 1, (off_t)r.events.at[1].at + REC_HEAD_SIZE) == 1);
	rec_walk_start(&w, &r, 0);
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		CHECK(rec_walk_next(&w, &ev, &number));
		if (ev.type == REC_CARRY) { /* in any order */
			CHECK(ev.id <= 2 && number == 4 && !seen[ev.id - 1]++);
			continue;
		}
		CHECK_EQ_U(ev.type, want[i].type);
		CHECK_EQ_U(ev.id, want[i].id);
		CHECK_EQ_U(number, want[i].number);
	}
	CHECK(!rec_walk_next(&w, &ev, &number) && w.bad == 1 && seen[0] && seen[1]);
	rec_walk_end(&w);
	rec_close(&r);
	recchunks_free(&c);
	recfile_close(&f, &e);
}
