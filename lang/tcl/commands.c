/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands nbd::... that a script has beyond Tcl's own. */
#define NBDKIT_API_VERSION 2
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "nbdkit-plugin.h"
#include "text.h"
#include "worker.h"

static int fail(Tcl_Interp *tcl, const char *words)
{
	Tcl_SetObjResult(tcl, Tcl_NewStringObj(words, -1));
	return TCL_ERROR;
}

/* nbd::error NAME ?WORDS?: the errno for the client, the words for the log. */
static int error_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	if (n < 2 || n > 3) {
		Tcl_WrongNumArgs(tcl, 1, args, "errno ?message?");
		return TCL_ERROR;
	}
	int err = errno_of(Tcl_GetString(args[1]));
	if (!err) {
		Tcl_SetObjResult(tcl, Tcl_ObjPrintf("unknown errno \"%s\"", Tcl_GetString(args[1])));
		return TCL_ERROR;
	}
	Tcl_Obj *words = n == 3 ? args[2] : Tcl_NewStringObj(strerror(err), -1);
	Tcl_Obj *code[] = { Tcl_NewStringObj("POSIX", -1), args[1], words };
	Tcl_SetObjResult(tcl, words);
	Tcl_SetObjErrorCode(tcl, Tcl_NewListObj(3, code));
	return TCL_ERROR;
}

static int debug_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	if (n != 2) {
		Tcl_WrongNumArgs(tcl, 1, args, "message");
		return TCL_ERROR;
	}
	char *words = text_to_system(Tcl_GetString(args[1]));
	nbdkit_debug("%s", words ? words : "");
	free(words);
	return TCL_OK;
}

/* nbd::sync CHANNEL: what was written is on the disk.  Tcl's flush only hands it to the kernel. */
static int sync_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	void *handle;
	int mode;

	if (n != 2) {
		Tcl_WrongNumArgs(tcl, 1, args, "channel");
		return TCL_ERROR;
	}
	Tcl_Channel channel = Tcl_GetChannel(tcl, Tcl_GetString(args[1]), &mode);
	if (!channel)
		return TCL_ERROR;
	if (!(mode & TCL_WRITABLE) || Tcl_GetChannelHandle(channel, TCL_WRITABLE, &handle) != TCL_OK)
		return fail(tcl, "not a file that is open for writing");
	if (Tcl_Flush(channel) == TCL_OK && fdatasync((int)(intptr_t)handle) == 0)
		return TCL_OK;
	const char *words = Tcl_PosixError(tcl); /* sets errorCode */
	Tcl_SetObjResult(tcl, Tcl_ObjPrintf("cannot sync %s: %s", Tcl_GetString(args[1]), words));
	return TCL_ERROR;
}

/* --- what only the thread that waits may ask the server --- */

struct question {
	const char *text;
	int64_t number;
	char *answer;              /* malloc'd */
};

static void ask_size(void *arg)
{
	struct question *q = arg;
	q->number = nbdkit_parse_size(q->text);
}

static void ask_bool(void *arg)
{
	struct question *q = arg;
	q->number = nbdkit_parse_bool(q->text);
}

static void ask_export_name(void *arg)
{
	struct question *q = arg;
	const char *name = nbdkit_export_name();
	q->answer = name ? strdup(name) : NULL;
}

static void ask_is_tls(void *arg)
{
	struct question *q = arg;
	q->number = nbdkit_is_tls();
}

static void ask_pid(void *arg)
{
	struct question *q = arg;
	q->number = nbdkit_peer_pid();
}

static void ask_uid(void *arg)
{
	struct question *q = arg;
	q->number = nbdkit_peer_uid();
}

static void ask_gid(void *arg)
{
	struct question *q = arg;
	q->number = nbdkit_peer_gid();
}

/* 127.0.0.1:1234, [::1]:1234, unix:/path */
static void ask_address(void *arg)
{
	struct question *q = arg;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} a = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof a;
	char text[INET6_ADDRSTRLEN];

	if (nbdkit_peer_name(&a.any, &len) < 0)
		return;
	int rc = -1;
	if (a.any.sa_family == AF_INET)
		rc = asprintf(&q->answer, "%s:%d", inet_ntop(AF_INET, &a.v4.sin_addr, text, sizeof text), ntohs(a.v4.sin_port));
	else if (a.any.sa_family == AF_INET6)
		rc = asprintf(&q->answer, "[%s]:%d", inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof text), ntohs(a.v6.sin6_port));
	else if (a.any.sa_family == AF_UNIX)
		rc = asprintf(&q->answer, "unix:%s", len > sizeof(sa_family_t) ? a.un.sun_path : "");
	if (rc < 0)
		q->answer = NULL;
}

static int text_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[], void (*ask)(void *), Tcl_Obj *(*text)(const char *))
{
	struct question q = { 0 };
	if (n != 1) {
		Tcl_WrongNumArgs(tcl, 1, args, "");
		return TCL_ERROR;
	}
	on_asking_thread(data, ask, &q);
	if (!q.answer)
		return fail(tcl, "there is no client here");
	Tcl_SetObjResult(tcl, text(q.answer));
	free(q.answer);
	return TCL_OK;
}

static int export_name_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	return text_command(data, tcl, n, args, ask_export_name, text_from_wire);
}

static int number(void *data, Tcl_Interp *tcl, const char *text, void (*ask)(void *), const char *bad)
{
	struct question q = { .text = text };
	on_asking_thread(data, ask, &q);
	if (q.number < 0)
		return fail(tcl, bad);
	Tcl_SetObjResult(tcl, Tcl_NewWideIntObj(q.number));
	return TCL_OK;
}

static int parse_size_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	if (n == 2)
		return number(data, tcl, Tcl_GetString(args[1]), ask_size, "no size");
	Tcl_WrongNumArgs(tcl, 1, args, "size");
	return TCL_ERROR;
}

static int parse_bool_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	if (n == 2)
		return number(data, tcl, Tcl_GetString(args[1]), ask_bool, "neither true nor false");
	Tcl_WrongNumArgs(tcl, 1, args, "boolean");
	return TCL_ERROR;
}

static int is_tls_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	if (n == 1)
		return number(data, tcl, NULL, ask_is_tls, "there is no client here");
	Tcl_WrongNumArgs(tcl, 1, args, "");
	return TCL_ERROR;
}

static int peer_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	static const char *const words[] = { "address", "pid", "uid", "gid", NULL };
	static void (*const asks[])(void *) = { ask_address, ask_pid, ask_uid, ask_gid };
	int which;
	if (n != 2) {
		Tcl_WrongNumArgs(tcl, 1, args, "address|pid|uid|gid");
		return TCL_ERROR;
	}
	if (Tcl_GetIndexFromObj(tcl, args[1], words, "part", TCL_EXACT, &which) != TCL_OK)
		return TCL_ERROR;
	if (which == 0)
		return text_command(data, tcl, 1, args, ask_address, text_from_system);
	return number(data, tcl, NULL, asks[which], "not known of this client");
}

/* --- the end --- */

static int shutdown_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	if (n != 1) {
		Tcl_WrongNumArgs(tcl, 1, args, "");
		return TCL_ERROR;
	}
	nbdkit_shutdown();
	return TCL_OK;
}

/* A script that calls exit must not tear the server from under its clients. */
static int exit_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[])
{
	struct vm *vm = data;
	if (n > 2) {
		Tcl_WrongNumArgs(tcl, 1, args, "?returnCode?");
		return TCL_ERROR;
	}
	if (vm->serving)
		nbdkit_shutdown();
	Tcl_SetErrorCode(tcl, "POSIX", "ESHUTDOWN", "the script called exit", NULL);
	return fail(tcl, "the script called exit");
}

void commands_add(struct vm *vm)
{
	static const struct {
		const char *name;
		Tcl_ObjCmdProc *run;
	} commands[] = {
		{ "nbd::error", error_command },
		{ "nbd::debug", debug_command },
		{ "nbd::sync", sync_command },
		{ "nbd::parse_size", parse_size_command },
		{ "nbd::parse_bool", parse_bool_command },
		{ "nbd::export_name", export_name_command },
		{ "nbd::is_tls", is_tls_command },
		{ "nbd::peer", peer_command },
		{ "nbd::shutdown", shutdown_command },
		{ "nbd::buffer", buffer_command },
		{ "exit", exit_command },
	};
	Tcl_CreateNamespace(vm->tcl, "nbd", NULL, NULL);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		Tcl_CreateObjCommand(vm->tcl, commands[i].name, commands[i].run, vm, NULL);
}
