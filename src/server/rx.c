/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/rx.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "base/hidden.h"

struct rx *rx_get(struct rx_pool *p)
{
	struct rx *rx = p->spare;
	if (rx) {
		p->spare = rx->next;
		p->count--;
	} else if (!(rx = hidden_get(sizeof *rx + RX_SIZE))) {
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

void rx_drop(struct rx *rx)
{
	if (!rx || --rx->holders)
		return;
	struct rx_pool *p = rx->pool;
	if (!p) {
		free(rx);
		return;
	}
	if (p->count == RX_SPARE_MAX) {
		hidden_free(rx, sizeof *rx + RX_SIZE);
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
		hidden_free(rx, sizeof *rx + RX_SIZE);
	}
	p->count = 0;
}
