/* SPDX-License-Identifier: BSD-2-Clause */
/* fail_nth: preloaded, makes the FAIL_NTH'th call of the server fail (only that one, or with FAIL_REST every one from there
 * on) that asks for memory or a thread, or with FAIL_FDS for a descriptor.  Creates the file FAIL_MARK to say that it came
 * to it.  Any thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static atomic_long count;
static long fail_at, fail_rest;
static bool fds;

__attribute__((constructor)) static void start(void)
{
	const char *at = getenv("FAIL_NTH");
	if (at && strstr(program_invocation_name, "nbdkit"))
		fail_at = atol(at);
	fail_rest = getenv("FAIL_REST") != NULL;
	fds = getenv("FAIL_FDS") != NULL;
}

static bool fails(bool fd)
{
	if (!fail_at || fd != fds)
		return false;
	long n = atomic_fetch_add(&count, 1) + 1;
	if (n != fail_at && !(fail_rest && n > fail_at))
		return false;
	int saved = errno, mark = n == fail_at ? creat(getenv("FAIL_MARK"), 0600) : -1;
	if (mark >= 0)
		close(mark);
	errno = saved;
	return true;
}

/* --- memory --- */

void *malloc(size_t n)
{
	return fails(false) ? (errno = ENOMEM, NULL) : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(false) ? (errno = ENOMEM, NULL) : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails(false) ? (errno = ENOMEM, NULL) : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t all;
	if (__builtin_mul_overflow(n, size, &all))
		return errno = ENOMEM, NULL;
	return realloc(p, all);
}

void *aligned_alloc(size_t alignment, size_t n)
{
	return fails(false) ? (errno = ENOMEM, NULL) : REAL(aligned_alloc)(alignment, n);
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
	return fails(false) ? ENOMEM : REAL(posix_memalign)(p, alignment, n);
}

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
	return fails(false) ? (errno = ENOMEM, MAP_FAILED) : REAL(mmap64)(at, n, prot, flags, fd, off);
}

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
	return fails(false) ? EAGAIN : REAL(pthread_create)(t, a, run, arg);
}

/* --- descriptors --- */

static int no_fd(void)
{
	errno = EMFILE;
	return -1;
}

static int mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;
}

int open64(const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	int mode = mode_of(flags, ap);
	va_end(ap);
	return fails(true) ? no_fd() : REAL(open64)(path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	int mode = mode_of(flags, ap);
	va_end(ap);
	return fails(true) ? no_fd() : REAL(openat64)(dir, path, flags, mode);
}

int socket(int domain, int type, int protocol)
{
	return fails(true) ? no_fd() : REAL(socket)(domain, type, protocol);
}

int accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
	return fails(true) ? no_fd() : REAL(accept4)(fd, from, len, flags);
}

int epoll_create1(int flags)
{
	return fails(true) ? no_fd() : REAL(epoll_create1)(flags);
}

int eventfd(unsigned int n, int flags)
{
	return fails(true) ? no_fd() : REAL(eventfd)(n, flags);
}

int pipe2(int p[2], int flags)
{
	return fails(true) ? no_fd() : REAL(pipe2)(p, flags);
}
