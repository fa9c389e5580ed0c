/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/rx.h"
#include <stdlib.h>
#include <string.h>
#include "base/hidden.h"
#include "base/util.h"

static size_t counted(const struct rx *rx)
{
	return MAX(rx->touched, (uint32_t)RX_LEAST);
}

struct rx *rx_get(struct rx_pool *p)
{
	struct rx *rx = p->spare;
	if (rx) {
		p->spare = rx->next;
		p->bytes -= counted(rx);
	} else if (!(rx = hidden_get(sizeof *rx + RX_SIZE))) { /* zeroed: nothing is touched */
		return NULL;
	}
	rx->pool = p;
	rx->holders = 1;
	rx->len = 0;
	rx->size = RX_SIZE;
	return rx;
}

struct rx *rx_keep(const uint8_t *bytes, uint32_t len)
{
	struct rx *rx = malloc(sizeof *rx + len);
	if (!rx)
		return NULL;
	*rx = (struct rx){ .holders = 1, .len = len, .size = len };
	memcpy(rx->bytes, bytes, len);
	return rx;
}

void rx_reset(struct rx *rx)
{
	rx->touched = MAX(rx->touched, rx->len);
	rx->len = 0;
}

void rx_drop(struct rx *rx)
{
	if (!rx || --rx->holders)
		return;
	struct rx_pool *p = rx->pool;
	if (!p) {
		free(rx);
		return;
	}
	rx_reset(rx);
	if (p->bytes + counted(rx) > RX_SPARE_BYTES) {
		hidden_free(rx, sizeof *rx + RX_SIZE);
		return;
	}
	rx->next = p->spare;
	p->spare = rx;
	p->bytes += counted(rx);
}

void rx_pool_free(struct rx_pool *p)
{
	while (p->spare) {
		struct rx *rx = p->spare;
		p->spare = rx->next;
		hidden_free(rx, sizeof *rx + RX_SIZE);
	}
	p->bytes = 0;
}
