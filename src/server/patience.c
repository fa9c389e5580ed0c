/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a client may take for the handshake, and be idle: one timer a connection, which no request touches. */
#include <inttypes.h>
#include "base/say.h"
#include "server/conn.h"

static void start_patience(struct conn *c, uint64_t due)
{
	if (!timer_start(c->loop, &c->patience, due))
		say_debug("connection=%" PRIu64 " out of memory for a timer: no timeout", c->client.id);
}

void conn_be_patient(struct conn *c)
{
	uint64_t now = c->loop->now;

	if (!c->transmitting && c->config->timeout && !c->deadline)
		start_patience(c, c->deadline = now + c->config->timeout);
	if (!c->transmitting)
		return;
	timer_stop(c->loop, &c->patience);
	if (c->config->idle_timeout)
		start_patience(c, now + c->config->idle_timeout);
}

/* Seldom: nothing is done to the timer while a client is busy.  What the stack takes its time for is not the client's fault. */
void conn_patience_over(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, patience);
	uint64_t now = c->loop->now;
	bool settles = !list_empty(&c->settle.link); /* something moved in this very turn */
	bool ours = c->busy || !stack_idle(c->stack) || (c->transmitting && settles);
	uint64_t limit = c->transmitting ? c->config->idle_timeout : c->config->timeout;
	uint64_t due = c->transmitting ? c->moved + limit : c->deadline;

	if (ours || due > now) {
		start_patience(c, ours ? now + limit : due);
		return;
	}
	c->dead = true; /* what still waits to be sent was not taken in all that time */
	conn_hang_up(c, c->transmitting ? "the client was idle for too long" : "the client took too long for the handshake");
	conn_settle_later(c);
}
