/* SPDX-License-Identifier: BSD-2-Clause */
/* nbd::buffer: bytes that can be changed in place, which a Tcl value can't.  By name; all interpreters see the same
 * ones, and each command is whole: nobody sees half of it.  Pages that are zeroed go back to the system. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vm.h"

struct buffer {
	struct buffer *next;
	unsigned char *bytes;
	Tcl_WideInt size;
	pthread_rwlock_t lock;
	char name[];
};

static struct buffer *buffers; /* only grows */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

static struct buffer *find_locked(const char *name)
{
	struct buffer *b = buffers;
	while (b && strcmp(b->name, name) != 0)
		b = b->next;
	return b;
}

static struct buffer *find(const char *name)
{
	pthread_mutex_lock(&list_lock);
	struct buffer *b = find_locked(name);
	pthread_mutex_unlock(&list_lock);
	return b;
}

static struct buffer *make(const char *name, Tcl_WideInt size)
{
	struct buffer *b = calloc(1, sizeof *b + strlen(name) + 1);
	if (!b)
		return NULL;
	strcpy(b->name, name);
	b->size = size;
	b->bytes = mmap(NULL, size ? (size_t)size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->bytes == MAP_FAILED) {
		free(b);
		return NULL;
	}
	pthread_rwlock_init(&b->lock, NULL);
	b->next = buffers;
	return buffers = b;
}

/* The second interpreter that reads the script finds what the first one made. */
static int create(Tcl_Interp *tcl, Tcl_Obj *name, Tcl_WideInt size)
{
	const char *what = NULL;

	pthread_mutex_lock(&list_lock);
	const struct buffer *b = find_locked(Tcl_GetString(name));
	if (size < 0)
		what = "a size is not negative";
	else if (b && b->size != size)
		what = "there is a buffer of that name and another size";
	else if (!b && !make(Tcl_GetString(name), size))
		what = "not enough memory";
	pthread_mutex_unlock(&list_lock);
	if (what)
		Tcl_SetObjResult(tcl, Tcl_NewStringObj(what, -1));
	return what ? TCL_ERROR : TCL_OK;
}

static void zero(struct buffer *b, size_t offset, size_t count)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), from = (offset + page - 1) / page * page, to = (offset + count) / page * page;

	if (from >= to || madvise(b->bytes + from, to - from, MADV_DONTNEED) < 0) {
		memset(b->bytes + offset, 0, count);
		return;
	}
	memset(b->bytes + offset, 0, from - offset);
	memset(b->bytes + to, 0, offset + count - to);
}

enum { CREATE, GET, SET, SIZE, CLEAR };

static int access_bytes(Tcl_Interp *tcl, struct buffer *b, int what, Tcl_Obj *const args[])
{
	Tcl_WideInt offset, count = 0;
	const unsigned char *from = NULL;
	Tcl_Size n = 0;

	if (Tcl_GetWideIntFromObj(tcl, args[3], &offset) != TCL_OK)
		return TCL_ERROR;
	if (what == SET) {
		if (!(from = Tcl_GetBytesFromObj(tcl, args[4], &n)))
			return TCL_ERROR;
		count = n;
	} else if (Tcl_GetWideIntFromObj(tcl, args[4], &count) != TCL_OK) {
		return TCL_ERROR;
	}
	if (offset < 0 || count < 0 || count > b->size || offset > b->size - count || (what == GET && count > INT32_MAX)) {
		Tcl_SetObjResult(tcl, Tcl_NewStringObj("beyond the end of the buffer", -1));
		return TCL_ERROR;
	}
	if (what == GET)
		pthread_rwlock_rdlock(&b->lock);
	else
		pthread_rwlock_wrlock(&b->lock);
	if (what == GET)
		Tcl_SetObjResult(tcl, Tcl_NewByteArrayObj(b->bytes + offset, (Tcl_Size)count));
	else if (what == SET)
		memcpy(b->bytes + offset, from, (size_t)count);
	else
		zero(b, (size_t)offset, (size_t)count);
	pthread_rwlock_unlock(&b->lock);
	return TCL_OK;
}

int buffer_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	static const char *const words[] = { "create", "get", "set", "size", "zero", NULL };
	static const char *const usage[] = { "name size", "name offset count", "name offset bytes", "name", "name offset count" };
	static const int lengths[] = { 4, 5, 5, 3, 5 };
	Tcl_WideInt size;
	int what;

	if (n < 2) {
		Tcl_WrongNumArgs(tcl, 1, args, "create|get|set|size|zero name ?...?");
		return TCL_ERROR;
	}
	if (Tcl_GetIndexFromObj(tcl, args[1], words, "subcommand", TCL_EXACT, &what) != TCL_OK)
		return TCL_ERROR;
	if (n != lengths[what]) {
		Tcl_WrongNumArgs(tcl, 2, args, usage[what]);
		return TCL_ERROR;
	}
	if (what == CREATE)
		return Tcl_GetWideIntFromObj(tcl, args[3], &size) == TCL_OK ? create(tcl, args[2], size) : TCL_ERROR;
	struct buffer *b = find(Tcl_GetString(args[2]));
	if (!b) {
		Tcl_SetObjResult(tcl, Tcl_ObjPrintf("there is no buffer \"%s\"", Tcl_GetString(args[2])));
		return TCL_ERROR;
	}
	if (what != SIZE)
		return access_bytes(tcl, b, what, args);
	Tcl_SetObjResult(tcl, Tcl_NewWideIntObj(b->size));
	return TCL_OK;
}
