/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/hidden.h"
#include <stdlib.h>
#include <sys/mman.h>
#include "base/util.h"

bool hidden_shown;

void hidden_hide(void *p, size_t len)
{
	if (!hidden_shown)
		madvise(p, len, MADV_DONTDUMP);
}

void *hidden_get(size_t len)
{
	if (UNDER_ASAN || UNDER_TSAN)
		return calloc(1, len);
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	hidden_hide(p, len);
	return p;
}

void hidden_free(void *p, size_t len)
{
	if (UNDER_ASAN || UNDER_TSAN)
		free(p);
	else if (p)
		munmap(p, len);
}
