/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/payload.h"
#include "base/hidden.h"
#include "base/util.h"

/* Mapped at once for small blocks.  A sanitizer is to see each one's end. */
enum { BATCH = UNDER_ASAN || UNDER_TSAN ? 0 : 256 << 10 };

/* PAYLOAD_CLASSES or more: too large to keep. */
static unsigned class_of(size_t len)
{
	if (len <= (size_t)1 << PAYLOAD_MIN_SHIFT)
		return 0;
	return (unsigned)(64 - __builtin_clzll(len - 1)) - PAYLOAD_MIN_SHIFT;
}

/* From what was mapped for this class and never used. */
static void *fresh(struct payload_pool *p, unsigned c)
{
	size_t size = (size_t)1 << (c + PAYLOAD_MIN_SHIFT), batch = MAX((size_t)BATCH, size);
	uint8_t *data = p->fresh[c];

	if (!p->fresh_len[c]) {
		data = hidden_get(batch);
		p->fresh_len[c] = data ? batch : size;
	}
	p->fresh_len[c] -= size;
	p->fresh[c] = data && p->fresh_len[c] ? data + size : NULL;
	return data;
}

void *payload_get(struct payload_pool *p, size_t len)
{
	unsigned c = class_of(len);
	if (c >= PAYLOAD_CLASSES)
		return hidden_get(len);
	size_t size = (size_t)1 << (c + PAYLOAD_MIN_SHIFT);
	void *data = p->spare[c];
	if (!data)
		return fresh(p, c);
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
	if (c >= PAYLOAD_CLASSES) {
		hidden_free(data, len);
	} else if (p->kept + size > PAYLOAD_KEEP) {
		hidden_free(data, size);
	} else {
		*(void **)data = p->spare[c];
		p->spare[c] = data;
		p->kept += size;
	}
}

void payload_pool_free(struct payload_pool *p)
{
	for (unsigned c = 0; c < PAYLOAD_CLASSES; c++) {
		while (p->spare[c]) {
			void *data = p->spare[c];
			p->spare[c] = *(void **)data;
			hidden_free(data, (size_t)1 << (c + PAYLOAD_MIN_SHIFT));
		}
		hidden_free(p->fresh[c], p->fresh_len[c]);
	}
	*p = (struct payload_pool){ 0 };
}
