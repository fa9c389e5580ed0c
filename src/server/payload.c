/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/payload.h"
#include <stdlib.h>

/* PAYLOAD_CLASSES or more: too large to keep. */
static unsigned class_of(size_t len)
{
	if (len <= (size_t)1 << PAYLOAD_MIN_SHIFT)
		return 0;
	return (unsigned)(64 - __builtin_clzll(len - 1)) - PAYLOAD_MIN_SHIFT;
}

void *payload_get(struct payload_pool *p, size_t len)
{
	unsigned c = class_of(len);
	if (c >= PAYLOAD_CLASSES)
		return malloc(len);
	size_t size = (size_t)1 << (c + PAYLOAD_MIN_SHIFT);
	void *data = p->spare[c];
	if (!data)
		return malloc(size);
	p->spare[c] = *(void **)data;
	p->kept -= size;
	return data;
}

void payload_put(struct payload_pool *p, void *data, size_t len)
{
	unsigned c = class_of(len);
	if (!data)
		return;
	size_t size = (size_t)1 << (c + PAYLOAD_MIN_SHIFT);
	if (c >= PAYLOAD_CLASSES || p->kept + size > PAYLOAD_KEEP) {
		free(data);
		return;
	}
	*(void **)data = p->spare[c];
	p->spare[c] = data;
	p->kept += size;
}

void payload_pool_free(struct payload_pool *p)
{
	for (unsigned c = 0; c < PAYLOAD_CLASSES; c++)
		while (p->spare[c]) {
			void *data = p->spare[c];
			p->spare[c] = *(void **)data;
			free(data);
		}
	p->kept = 0;
}
