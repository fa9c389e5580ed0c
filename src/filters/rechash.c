/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/rechash.h"

static XXH128_hash_t plain(const void *p, size_t n)
{
	return XXH3_128bits(p, n);
}

static XXH128_hash_t seeded(const void *p, size_t n, uint64_t seed)
{
	return XXH3_128bits_withSeed(p, n, seed);
}

#ifdef RECHASH_AVX2 /* this file is built twice */

const struct rechash rechash_avx2 = { plain, seeded };

#else

const struct rechash *rechash_best(void)
{
	static const struct rechash here = { plain, seeded };
#ifdef HAVE_RECHASH_AVX2
	if (__builtin_cpu_supports("avx2"))
		return &rechash_avx2;
#endif
	return &here;
}

#endif
