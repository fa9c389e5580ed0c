/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/test.h"
#include "view/model.h"
#include "view/timeline.h"

static struct model m;
static struct err e;
static uint64_t now; /* ns, turned by hand */

#define T0 (1000 * NS_PER_S)

static void open_disk(uint64_t size)
{
	now = T0;
	CHECK(model_init(&m, size, &e) == 0);
}

static void begin(uint64_t conn, uint64_t id, enum ev_op op, uint64_t off, uint64_t len)
{
	model_event(&m, &(struct event){ .time = now, .conn = conn, .id = id, .kind = EV_BEGIN, .op = op,
		.off = off, .len = len }, NULL);
}

static void end(uint64_t conn, uint64_t id, enum ev_op op, int err)
{
	model_event(&m, &(struct event){ .time = now, .conn = conn, .id = id, .kind = EV_END, .op = op,
		.err = err }, NULL);
}

static void happen(enum ev_kind kind, uint64_t conn)
{
	model_event(&m, &(struct event){ .time = now, .conn = conn, .kind = kind }, NULL);
}

TEST(a_write_takes_effect_when_it_is_acknowledged)
{
	open_disk(MIB(1));
	begin(1, 1, EV_WRITE, 4096, 8192);
	CHECK_EQ_U(cell_state(&m.map.cell[1]), ST_NONE);
	end(1, 1, EV_WRITE, 0);
	CHECK_EQ_U(cell_state(&m.map.cell[0]), ST_NONE);
	CHECK_EQ_U(cell_state(&m.map.cell[1]), ST_WRITE);
	CHECK_EQ_U(cell_state(&m.map.cell[2]), ST_WRITE);
	CHECK_EQ_U(m.total.op[EV_WRITE].ops, 1);
	CHECK_EQ_U(m.total.op[EV_WRITE].bytes, 8192);
	model_free(&m);
}

TEST(a_failed_request_changes_no_state_and_flashes_as_an_error)
{
	open_disk(MIB(1));
	begin(1, 1, EV_TRIM, 0, 4096);
	now += NS_PER_MS;
	end(1, 1, EV_TRIM, 5);
	CHECK_EQ_U(cell_state(&m.map.cell[0]), ST_NONE);
	CHECK_EQ_U(m.map.cell[0].last[CL_ERROR], now);
	CHECK_EQ_U(m.map.cell[0].ops[CL_TRIM], 0);
	CHECK_EQ_U(m.total.errors, 1);
	CHECK_EQ_U(m.total.op[EV_TRIM].ops, 0);
	model_free(&m);
}

TEST(the_same_id_on_two_connections_is_two_requests)
{
	open_disk(MIB(1));
	begin(1, 1, EV_WRITE, 0, 4096);
	begin(2, 1, EV_ZERO, 4096, 4096);
	end(2, 1, EV_ZERO, 0);
	CHECK_EQ_U(cell_state(&m.map.cell[0]), ST_NONE);
	CHECK_EQ_U(cell_state(&m.map.cell[1]), ST_ZERO);
	end(1, 1, EV_WRITE, 0);
	CHECK_EQ_U(cell_state(&m.map.cell[0]), ST_WRITE);
	model_free(&m);
}

TEST(answers_count_in_the_order_of_the_log)
{
	open_disk(MIB(1));
	begin(1, 1, EV_WRITE, 0, 4096);
	begin(1, 2, EV_TRIM, 0, 4096);
	end(1, 2, EV_TRIM, 0);
	end(1, 1, EV_WRITE, 0);
	CHECK_EQ_U(cell_state(&m.map.cell[0]), ST_WRITE);
	model_free(&m);
}

TEST(a_read_is_lit_while_in_flight_and_changes_no_state)
{
	open_disk(MIB(1));
	begin(1, 1, EV_READ, 0, 4096);
	begin(1, 2, EV_READ, 0, 4096);
	CHECK_EQ_U(m.map.cell[0].reading, 2);
	end(1, 1, EV_READ, 0);
	end(1, 2, EV_READ, 5);
	CHECK_EQ_U(m.map.cell[0].reading, 0);
	CHECK_EQ_U(m.map.cell[0].ops[CL_READ], 1);
	CHECK_EQ_U(cell_state(&m.map.cell[0]), ST_NONE);
	model_free(&m);
}

TEST(what_a_connection_had_in_flight_goes_with_it)
{
	open_disk(MIB(1));
	begin(1, 1, EV_READ, 0, 4096);
	begin(2, 1, EV_READ, 0, 4096);
	happen(EV_DISCONNECT, 1);
	CHECK_EQ_U(m.map.cell[0].reading, 1);
	CHECK_EQ_U(m.total.abandoned, 1);
	happen(EV_START, 0); /* another run of the server, appended to the same log */
	CHECK_EQ_U(m.map.cell[0].reading, 0);
	CHECK_EQ_U(m.total.abandoned, 2);
	end(2, 1, EV_READ, 0);
	CHECK_EQ_U(m.total.unmatched, 1);
	CHECK_EQ_U(m.total.op[EV_READ].ops, 0);
	model_free(&m);
}

TEST(a_reused_id_replaces_the_request_that_never_ended)
{
	open_disk(MIB(1));
	begin(1, 1, EV_READ, 0, 4096);
	begin(1, 1, EV_READ, 4096, 4096);
	CHECK_EQ_U(m.map.cell[0].reading, 0);
	CHECK_EQ_U(m.map.cell[1].reading, 1);
	CHECK_EQ_U(m.total.abandoned, 1);
	model_free(&m);
}

TEST(requests_without_answers_cost_bounded_memory)
{
	open_disk(MIB(1));
	for (uint64_t i = 0; i < 2 * INFLIGHT_MAX; i++)
		begin(1, i, EV_READ, 0, 4096);
	CHECK_EQ_U(m.open.open, INFLIGHT_MAX);
	CHECK_EQ_U(m.map.cell[0].reading, INFLIGHT_MAX);
	end(1, 0, EV_READ, 0); /* the oldest were given up */
	CHECK_EQ_U(m.total.unmatched, 1);
	end(1, 2 * INFLIGHT_MAX - 1, EV_READ, 0);
	CHECK_EQ_U(m.total.op[EV_READ].ops, 1);
	model_free(&m);
}

TEST(a_request_beyond_the_disk_is_clipped_and_counted)
{
	open_disk(MIB(1));
	begin(1, 1, EV_WRITE, MIB(1) - 4096, 8192);
	end(1, 1, EV_WRITE, 0);
	begin(1, 2, EV_WRITE, UINT64_MAX, UINT64_MAX);
	end(1, 2, EV_WRITE, 0);
	CHECK_EQ_U(m.map.cell[255].state[ST_WRITE], 1);
	CHECK_EQ_U(m.total.op[EV_WRITE].bytes, 4096);
	CHECK_EQ_U(m.total.clipped, 2);
	model_free(&m);
}

TEST(rates_are_of_the_last_second_of_recording)
{
	open_disk(MIB(1));
	for (uint64_t i = 0; i < 10; i++) {
		begin(1, i, EV_WRITE, 0, 512);
		end(1, i, EV_WRITE, 0);
		now += 100 * NS_PER_MS;
	}
	CHECK_EQ_U(model_rate(&m, EV_WRITE, now - 100 * NS_PER_MS).ops, 10);
	CHECK_EQ_U(model_rate(&m, EV_WRITE, now - 100 * NS_PER_MS).bytes, 5120);
	CHECK_EQ_U(model_rate(&m, EV_WRITE, now + 400 * NS_PER_MS).ops, 5);
	CHECK_EQ_U(model_rate(&m, EV_WRITE, now + 2 * NS_PER_S).ops, 0);
	CHECK_EQ_U(model_rate(&m, EV_READ, now).ops, 0);
	now += 3600 * NS_PER_S;
	begin(1, 1, EV_WRITE, 0, 512);
	end(1, 1, EV_WRITE, 0);
	CHECK_EQ_U(model_rate(&m, EV_WRITE, now).ops, 1);
	model_free(&m);
}

/* ---- the timeline ---- */

static uint64_t sum_of(const struct timeline *t, int c)
{
	uint64_t sum = 0;
	for (int i = 0; i < TIMELINE_BINS; i++)
		sum += t->n[i][c];
	return sum;
}

TEST(a_timeline_of_any_length_loses_no_request)
{
	static struct timeline t;
	uint64_t times[] = { 0, NS_PER_MS, NS_PER_S, 3600 * NS_PER_S, 86400ull * 365 * 100 * NS_PER_S };

	t = (struct timeline){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		timeline_event(&t, &(struct event){ .time = T0 + times[i], .kind = EV_END, .op = EV_READ });
		timeline_event(&t, &(struct event){ .time = T0 + times[i], .kind = EV_END, .op = EV_WRITE, .err = 5 });
		timeline_event(&t, &(struct event){ .time = T0 + times[i], .kind = EV_BEGIN, .op = EV_WRITE });
		CHECK_EQ_U(sum_of(&t, TL_READ), i + 1);
		CHECK_EQ_U(sum_of(&t, TL_ERROR), i + 1);
		CHECK_EQ_U(sum_of(&t, TL_WRITE), 0);
		CHECK_EQ_U(t.n[times[i] / t.bin][TL_READ] > 0, 1);
	}
}
