/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads of an empty pipe fly until the test writes to it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "plugins/file_ring.h"
#include "unit/test.h"

enum { OPS = 3 * RING_FLYING };
struct read_op {
	struct ring_op op;
	char byte;
	int res;
	bool prepared, done;
};

static struct loop l;
static struct ring *r;
static int pipe_fd[2] = { -1, -1 };
static struct read_op ops[OPS];
static unsigned prepared, finished;

static void prepare(struct ring_op *op, struct io_uring_sqe *sqe)
{
	struct read_op *o = container_of(op, struct read_op, op);
	io_uring_prep_read(sqe, pipe_fd[0], &o->byte, 1, (uint64_t)-1);
	o->prepared = true;
	prepared++;
}

static void done(struct ring_op *op, int res)
{
	struct read_op *o = container_of(op, struct read_op, op);
	o->res = res;
	o->done = true;
	finished++;
}

static void give(unsigned i)
{
	ops[i] = (struct read_op){ .op = { .prepare = prepare, .done = done } };
	list_init(&ops[i].op.link);
	ring_run(r, &ops[i].op);
}

/* False: the kernel has no io_uring for us, or something failed. */
static bool start(void)
{
	struct err e;
	prepared = finished = 0;
	if (pipe2(pipe_fd, O_CLOEXEC) < 0 || loop_start(&l, &e) < 0) {
		test_failed(__FILE__, __LINE__, "cannot start");
		return false;
	}
	r = ring_new(&l);
	if (!r) {
		printf("skip ring: %s\n", strerror(errno));
		loop_free(&l);
	}
	return r;
}

static void stop(void)
{
	ring_free(r);
	loop_free(&l);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void turns_until(unsigned want)
{
	for (unsigned i = 0; finished < want && i < 100000; i++)
		loop_turn(&l, true);
}

TEST(what_a_ring_is_given_comes_back_in_a_turn_of_its_loop)
{
	if (!start())
		return;
	give(0);
	CHECK(prepared == 1 && finished == 0);
	loop_turn(&l, false); /* handed over; the pipe is empty */
	CHECK(finished == 0);
	CHECK(write(pipe_fd[1], "a", 1) == 1);
	CHECK(finished == 0);
	turns_until(1);
	CHECK(ops[0].done && ops[0].res == 1 && ops[0].byte == 'a');
	stop();
}

TEST(more_than_a_ring_holds_waits_and_comes_when_there_is_room)
{
	static const char bytes[OPS];
	if (!start())
		return;
	for (unsigned i = 0; i < OPS; i++)
		give(i);
	loop_turn(&l, false);
	CHECK_EQ_U(prepared, RING_FLYING);
	CHECK_EQ_U(finished, 0);
	CHECK(write(pipe_fd[1], bytes, 10) == 10);
	turns_until(10);
	CHECK_EQ_U(finished, 10);
	CHECK_EQ_U(prepared, RING_FLYING + 10);
	CHECK(write(pipe_fd[1], bytes, OPS - 10) == OPS - 10);
	turns_until(OPS);
	CHECK_EQ_U(finished, OPS);
	for (unsigned i = 0; i < OPS; i++)
		CHECK(ops[i].done && ops[i].res == 1);
	stop();
}

TEST(what_waits_can_be_taken_back_and_what_flies_cannot)
{
	static const char bytes[OPS];
	if (!start())
		return;
	for (unsigned i = 0; i < RING_FLYING + 2; i++)
		give(i);
	CHECK(!ring_take_back(&ops[0].op));
	CHECK(ring_take_back(&ops[RING_FLYING].op));
	CHECK(!ring_take_back(&ops[RING_FLYING].op));
	CHECK(write(pipe_fd[1], bytes, RING_FLYING + 1) == RING_FLYING + 1);
	turns_until(RING_FLYING + 1);
	CHECK_EQ_U(finished, RING_FLYING + 1);
	CHECK(!ops[RING_FLYING].prepared && !ops[RING_FLYING].done);
	CHECK(ops[RING_FLYING + 1].done);
	stop();
}

TEST(an_error_is_a_negative_errno)
{
	if (!start())
		return;
	int fd = pipe_fd[0];
	pipe_fd[0] = -1;
	give(0);
	turns_until(1);
	pipe_fd[0] = fd;
	CHECK(ops[0].done && ops[0].res == -EBADF);
	stop();
}

/* As a thread of a pool does that drives the loop: one read is with the kernel already, one is new. */
static void *drive(void *arg)
{
	give(1);
	if (write(pipe_fd[1], "ab", 2) != 2)
		return arg;
	for (unsigned i = 0; finished < 2 && i < 200; i++)
		loop_turn(&l, true);
	return arg;
}

TEST(the_turns_of_its_loop_may_be_run_by_another_thread)
{
	pthread_t other;
	if (!start())
		return;
	give(0);
	loop_turn(&l, false);
	CHECK(pthread_create(&other, NULL, drive, NULL) == 0);
	pthread_join(other, NULL);
	CHECK_EQ_U(finished, 2);
	CHECK(ops[0].res == 1 && ops[1].res == 1);
	give(2);
	CHECK(write(pipe_fd[1], "c", 1) == 1);
	turns_until(3);
	CHECK(ops[2].done && ops[2].byte == 'c');
	stop();
}

TEST(each_loop_has_one_ring)
{
	struct rings rs;
	struct loop other;
	struct err e;
	if (!start())
		return;
	CHECK(loop_start(&other, &e) == 0);
	rings_init(&rs);
	struct ring *first = rings_here(&rs, &l), *second = rings_here(&rs, &other);
	CHECK(first && second && first != second);
	CHECK(rings_here(&rs, &l) == first && rings_here(&rs, &other) == second);
	rings_free(&rs);
	loop_free(&other);
	stop();
}
