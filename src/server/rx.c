/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/rx.h"
#include <stddef.h>
#include "base/hidden.h"

struct rx *rx_get(struct rx_pool *p)
{
	struct rx *rx = p->spare;
	if (rx) {
		p->spare = rx->next;
		p->count--;
	} else if (!(rx = hidden_get(sizeof *rx))) {
		return NULL;
	}
	rx->pool = p;
	rx->holders = 1;
	rx->len = 0;
	return rx;
}

void rx_drop(struct rx *rx)
{
	if (!rx || --rx->holders)
		return;
	struct rx_pool *p = rx->pool;
	if (p->count == RX_SPARE_MAX) {
		hidden_free(rx, sizeof *rx);
		return;
	}
	rx->next = p->spare;
	p->spare = rx;
	p->count++;
}

void rx_pool_free(struct rx_pool *p)
{
	while (p->spare) {
		struct rx *rx = p->spare;
		p->spare = rx->next;
		hidden_free(rx, sizeof *rx);
	}
	p->count = 0;
}
