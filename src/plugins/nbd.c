/* SPDX-License-Identifier: BSD-2-Clause */
/* nbd: a client of another NBD server, so that filters can be put between any client and any disk.  Parameters are
 * those of nbdkit-nbd-plugin(1).
 *
 * Each client of ours has a connection of its own to the far server, on its loop; with shared=true all have one, on
 * another thread (nbd_shared.c).  A request's data are received where the reply is sent from, and sent from where
 * they were received.  When the far server is gone, requests fail with ESHUTDOWN; the client's connection lives.
 * The stage is constant once it serves. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "base/say.h"
#include "core/needs.h"
#include "plugins/nbd.h"
#include "plugins/plugins.h"

enum { THREADS = 4 }; /* connections begun at once, where that may block */

struct nbd {
	struct target target;
	struct pool *pool;       /* NULL: shared */
	struct shared *shared;   /* NULL: not shared, or not yet serving */
};

/* --- opening and closing --- */

static void forget(struct nbd_layer *n)
{
	free(n->description);
	*n = (struct nbd_layer){ 0 };
}

/* OPEN's, LIST's or DEFAULT's connection is there, or not. */
static void told(struct far *f, int err)
{
	struct nbd_slot *s = f->owner;
	struct layer *l = s->layer;
	struct nbd_layer *n = l->data;
	struct req *r = s->req;

	req_unpark(r);
	if (err && f->why[0] && !l->client->gone)
		say_error("nbd: %s", f->why);
	if (r->op == OP_OPEN && !err) {
		err = call_limits(f, &l->limits);
		n->far = f;
		l->limits.description = n->description = nbd_get_export_description(f->nbd);
		if (!err) {
			req_up(l, r, 0);
			return;
		}
		say_error("nbd: the export cannot be served: %s", strerror(err));
		forget(n);
	}
	far_free(f);
	req_up(l, r, err);
}

static void cancel_opening(struct layer *l, struct req *r)
{
	struct nbd_slot *s = slot_of(l, r);
	far_break(s->far);
}

static void open_far(struct layer *l, struct req *r, enum far_want want)
{
	const struct nbd *d = l->stage->block;
	struct nbd_slot *s = slot_of(l, r);
	struct far *f = far_new(&d->target, l->stack->loop, d->pool, want);

	if (!f) {
		req_up(l, r, ENOMEM);
		return;
	}
	*s = (struct nbd_slot){ .layer = l, .req = r, .far = f };
	f->owner = s;
	f->told = told;
	f->names = r->data;
	f->export = want == FAR_SERVE && d->target.dynamic ? l->client->export : NULL;
	req_park(l, r, cancel_opening);
	far_open(f);
}

static void closed(struct far *f)
{
	struct nbd_slot *s = f->owner;
	struct layer *l = s->layer;
	struct req *r = s->req;

	forget(l->data);
	far_free(f);
	req_up(l, r, 0);
}

static void close_far(struct layer *l, struct req *r)
{
	struct nbd_layer *n = l->data;
	struct nbd_slot *s = slot_of(l, r);

	if (!n->far) {
		forget(n);
		req_up(l, r, 0);
		return;
	}
	*s = (struct nbd_slot){ .layer = l, .req = r };
	n->far->owner = s;
	n->far->closed = closed;
	far_close(n->far);
}

/* Without a CLOSE. */
static void gone(struct layer *l)
{
	struct nbd_layer *n = l->data;
	far_free(n->far);
	forget(n);
}

/* --- requests --- */

static void done(struct call *c)
{
	struct nbd_slot *s = container_of(c, struct nbd_slot, call);
	req_unpark(s->req);
	s->req->err_off = c->err_off;
	req_up(s->layer, s->req, c->err);
}

/* libnbd has the data; it comes up when the far server answers, or does not for a while. */
static void cancel(struct layer *l, struct req *r)
{
	struct nbd_layer *n = l->data;
	struct nbd_slot *s = slot_of(l, r);
	call_give_up(&s->call);
	far_abandon(n->far);
}

static void start_call(struct layer *l, struct req *r)
{
	struct nbd_layer *n = l->data;
	struct nbd_slot *s = slot_of(l, r);

	s->layer = l;
	s->req = r;
	s->call = (struct call){ .op = r->op, .flags = r->flags, .off = r->off, .len = r->len, .done = done,
				 .data = r->data, .extents = r->op == OP_EXTENTS ? r->data : r->holes };
	req_park(l, r, cancel);
	call_start(n->far, &s->call);
}

static void submit(struct layer *l, struct req *r)
{
	struct nbd *d = l->stage->block;
	bool names = r->op == OP_LIST || r->op == OP_DEFAULT;

	if (r->op == OP_CLOSE)
		close_far(l, r);
	else if (names && d->target.dynamic)
		open_far(l, r, r->op == OP_LIST ? FAR_NAMES : FAR_DEFAULT);
	else if (plugin_common(l, r))
		return;
	else if (d->shared)
		shared_submit(d->shared, l, r);
	else if (r->op == OP_OPEN)
		open_far(l, r, FAR_SERVE);
	else
		start_call(l, r);
}

/* --- parameters --- */

#define TARGET(block) (&((struct nbd *)(block))->target)

static int set_command(void *block, const char *key, const char *value, struct err *e)
{
	if (!*value)
		return err_set(e, "command: empty");
	return target_add_arg(TARGET(block), value, true, e);
}

static int set_arg(void *block, const char *key, const char *value, struct err *e)
{
	return target_add_arg(TARGET(block), value, false, e);
}

static int set_fd(void *block, const char *key, const char *value, struct err *e)
{
	struct target *t = TARGET(block);
	t->has_fd = true;
	return parse_unsigned(key, value, 0, INT32_MAX, &t->fd, e);
}

static int set_tls(void *block, const char *key, const char *value, struct err *e)
{
	struct target *t = TARGET(block);
	bool on;

	t->has_tls = true;
	if (strcmp(value, "require") == 0) {
		t->tls = LIBNBD_TLS_REQUIRE;
		return 0;
	}
	if (parse_bool(key, value, &on, e) < 0)
		return err_set(e, "%s: unknown value \"%s\": expected off, on or require", key, value);
	t->tls = on ? LIBNBD_TLS_ALLOW : LIBNBD_TLS_DISABLE;
	return 0;
}

static int set_tls_verify(void *block, const char *key, const char *value, struct err *e)
{
	struct target *t = TARGET(block);
	bool verify;
	if (parse_bool(key, value, &verify, e) < 0)
		return -1;
	t->tls_no_verify = !verify;
	return 0;
}

static int start(struct stage *s, struct err *e)
{
	struct nbd *d = s->block;
	return nbd_lib_load(e) < 0 || target_check(&d->target, e) < 0 ? -1 : 0;
}

static int forked(struct stage *s, bool daemon, struct err *e)
{
	struct nbd *d = s->block;
	if (d->target.shared)
		d->shared = shared_start(&d->target, e);
	else
		d->pool = pool_new(THREADS, e);
	return d->shared || d->pool ? 0 : -1;
}

static void needs(const struct stage *s, struct needs *n)
{
	const struct nbd *d = s->block;
	target_needs(&d->target, n);
}

static void stop(struct stage *s)
{
	struct nbd *d = s->block;
	shared_stop(d->shared);
	pool_free(d->pool);
	target_free(&d->target);
}

static void dump(void)
{
	struct err e;
	struct nbd_handle *h = nbd_lib_load(&e) < 0 ? NULL : nbd_create();
	if (!h)
		return;
	printf("libnbd_version=%s\nlibnbd_tls=%d\nlibnbd_uri=%d\nlibnbd_vsock=1\nlibnbd_dynamic_list=1\n", nbd_get_version(h),
	       nbd_supports_tls(h) == 1, nbd_supports_uri(h) == 1);
	nbd_close(h);
}

static const struct option options[] = {
	{ .key = "uri", .type = OPTION_STRING, .offset = offsetof(struct nbd, target.uri), .arg = "URI",
	  .help = "the NBD server: nbd://HOST/EXPORT, nbd+unix:///EXPORT?socket=PATH ...", .magic = true },
	OPT_PATH("socket", struct nbd, target.socket, "PATH", "or its Unix socket"),
	OPT_STRING("hostname", struct nbd, target.hostname, "HOST", "or its host"),
	OPT_STRING("port", struct nbd, target.port, "PORT", "port or service name, with hostname or vsock (default: 10809)"),
	OPT_STRING("vsock", struct nbd, target.vsock, "CID", "or its context identifier: it is in another virtual machine"),
	OPT_CALL("socket-fd", set_fd, "FD", "or a descriptor that is connected to it"),
	OPT_CALL("command", set_command, "COMMAND", "or a program to start, which gets a socket as from systemd"),
	OPT_CALL("arg", set_arg, "ARG", "an argument of the command; as often as there are some"),
	OPT_STRING("export", struct nbd, target.export, "NAME", "the export to open (default: \"\")"),
	OPT_BOOL("dynamic-export", struct nbd, target.dynamic, "open the export that our client asks for"),
	OPT_UNSIGNED("retry", struct nbd, target.retry, "try N times more to connect, a second apart (default: 0)"),
	OPT_BOOL("shared", struct nbd, target.shared, "one connection for all clients, made at the start"),
	OPT_CALL("tls", set_tls, "off|on|require", "encrypt: never, when the server can, or always"),
	OPT_PATH("tls-certificates", struct nbd, target.tls_certificates, "DIR", "X.509 certificates"),
	OPT_CALL("tls-verify", set_tls_verify, "BOOL", "whether to verify the server's name (default: true)"),
	OPT_STRING("tls-username", struct nbd, target.tls_username, "NAME", "the user name to present"),
	OPT_PATH("tls-psk", struct nbd, target.tls_psk, "FILE", "pre-shared keys"),
	{ 0 }
};

const struct module mod_nbd = {
	.name = "nbd",
	.longname = "another NBD server, as its client",
	.stage_size = sizeof(struct nbd),
	.layer_size = sizeof(struct nbd_layer),
	.slot_size = sizeof(struct nbd_slot),
	.options = options,
	.start = start,
	.forked = forked,
	.stop = stop,
	.needs = needs,
	.submit = submit,
	.gone = gone,
	.dump_more = dump,
};
