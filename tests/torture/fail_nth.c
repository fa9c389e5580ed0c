/* SPDX-License-Identifier: BSD-2-Clause */
/* fail_alloc: preloaded, makes the FAIL_ALLOC'th allocation of blkscope-serve fail (only that one, or with FAIL_REST
 * every one from there on), and creates the file FAIL_MARK to say that it came to it.  Any thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static atomic_long count;
static long fail_at, fail_rest;

__attribute__((constructor)) static void start(void)
{
	const char *at = getenv("FAIL_ALLOC");
	if (at && strstr(program_invocation_name, "nbdkit"))
		fail_at = atol(at);
	fail_rest = getenv("FAIL_REST") != NULL;
}

static bool fails(void)
{
	if (!fail_at)
		return false;
	long n = atomic_fetch_add(&count, 1) + 1;
	if (n != fail_at && !(fail_rest && n > fail_at))
		return false;
	int saved = errno, fd = n == fail_at ? open(getenv("FAIL_MARK"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return true;
}

void *malloc(size_t n)
{
	return fails() ? (errno = ENOMEM, NULL) : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? (errno = ENOMEM, NULL) : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails() ? (errno = ENOMEM, NULL) : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t all;
	if (__builtin_mul_overflow(n, size, &all))
		return errno = ENOMEM, NULL;
	return realloc(p, all);
}
