/* SPDX-License-Identifier: BSD-2-Clause */
/* copy: memcpy() for much data that nobody reads again soon.
 * Ordinary stores first fetch the cache line that they overwrite; streaming stores save that third of the
 * traffic, and leave the cache to others.  Worth it from some tens of KiB on.  Any alignment. */
#pragma once
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline void copy_streaming(uint8_t *to, const uint8_t *from, size_t n)
{
#ifdef __SSE2__
	size_t head = -(uintptr_t)to & 63;
	if (n >= head + 64) {
		memcpy(to, from, head);
		to += head;
		from += head;
		n -= head;
		for (; n >= 64; n -= 64, to += 64, from += 64) {
			__m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
			__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
			__m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
			__m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
			_mm_stream_si128((__m128i *)(void *)to, a);
			_mm_stream_si128((__m128i *)(void *)(to + 16), b);
			_mm_stream_si128((__m128i *)(void *)(to + 32), c);
			_mm_stream_si128((__m128i *)(void *)(to + 48), d);
		}
		_mm_sfence(); /* seen by other threads before what is stored after it */
	}
#endif
	memcpy(to, from, n);
}
