/* SPDX-License-Identifier: BSD-2-Clause */
/* rechash: XXH3, 128 bits, of a block, with the instructions that this processor has.  Any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* The functions of one build. */
struct rechash {
	XXH128_hash_t (*plain)(const void *p, size_t n);
	XXH128_hash_t (*seeded)(const void *p, size_t n, uint64_t seed);
};
extern const struct rechash rechash_avx2; /* where there is AVX2: half the time */
/* The best of them.  A constant. */
const struct rechash *rechash_best(void);
