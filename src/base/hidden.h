/* SPDX-License-Identifier: BSD-2-Clause */
/* hidden: memory for what disks hold, which core dumps leave out (madvise(2), MADV_DONTDUMP).
 * Any thread.  A build with a sanitizer takes it from malloc(), whose ends it guards. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Set once, before anything is allocated: dumps are to be whole. */
extern bool hidden_shown;

/* Whole pages, zeroed; NULL: out of memory.  Any whole pages of it may be freed by themselves. */
void *hidden_get(size_t len);
void hidden_free(void *p, size_t len); /* NULL is fine */
/* Memory that was mapped by the caller. */
void hidden_hide(void *p, size_t len);
