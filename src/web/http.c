/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/http.h"
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "web/answers.h"
#include "web/guard.h"
#include "web/host.h"
#include "web/page.h"

#define TOKEN 32 /* hexadecimal digits */

struct http {
	struct session *session;
	struct host host;
	struct guard guard;
	struct MHD_Daemon *daemon;
	char token[TOKEN + 1];
	char address[HTTP_ADDRESS_MAX];
};

/* A request that is being received. */
struct request {
	struct buf body;
	bool too_long;
};

/* ---- answers ---- */

static const char *const headers[][2] = {
	{ "Cache-Control", "no-store" },
	{ "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
				     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Referrer-Policy", "no-referrer" }, /* the address is the secret */
	{ "X-Content-Type-Options", "nosniff" },
};

static enum MHD_Result send_response(struct MHD_Connection *c, unsigned status, const char *type, struct MHD_Response *r)
{
	if (!r)
		return MHD_NO;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		MHD_add_response_header(r, headers[i][0], headers[i][1]);
	MHD_add_response_header(r, "Content-Type", type);
	enum MHD_Result ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
	return send_response(c, status, "text/plain; charset=utf-8", r);
}

static enum MHD_Result send_page(struct MHD_Connection *c, const struct page_file *f)
{
	return send_response(c, 200, f->type, MHD_create_response_from_buffer(f->len, (void *)f->data, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct answer *a)
{
	struct buf *b = &a->body;
	char *shrunk = b->p ? realloc(b->p, MAX(b->len, (size_t)1)) : NULL; /* reserved for the worst */
	struct MHD_Response *r = shrunk ? MHD_create_response_from_buffer(b->len, shrunk, MHD_RESPMEM_MUST_FREE) : NULL;

	if (!r && shrunk)
		free(shrunk); /* b has it no more */
	else if (!r)
		buf_free(b);
	return send_response(c, a->status, a->type, r);
}

/* ---- what was asked ---- */

static bool is_token(const struct http *h, const char *url)
{
	unsigned char differs = 0;

	if (strnlen(url, TOKEN + 2) != TOKEN + 2 || url[0] != '/' || url[TOKEN + 1] != '/')
		return false;
	for (size_t i = 0; i < TOKEN; i++) /* in the same time, wherever they differ */
		differs |= (unsigned char)(url[1 + i] ^ h->token[i]);
	return !differs;
}

static const struct page_file *find_page(const char *name)
{
	for (size_t i = 0; i < page_count; i++)
		if (strcmp(page_files[i].name, *name ? name : "index.html") == 0)
			return &page_files[i];
	return NULL;
}

struct reading {
	struct query query;
	struct err e;
	bool bad;
};

static enum MHD_Result add_word(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len, const char *value, size_t len)
{
	struct reading *r = arg;

	r->bad = query_add(&r->query, key, key_len, value, len, &r->e) < 0;
	return r->bad ? MHD_NO : MHD_YES;
}

static enum MHD_Result answer(struct http *h, struct MHD_Connection *c, const char *name, bool post, const struct request *req)
{
	struct reading r = { 0 };
	struct answer a = { .body.limit = ANSWER_MAX };

	MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, add_word, &r);
	if (r.bad) {
		answer_error(&a, 400, "%s", r.e.msg);
		return send_answer(c, &a);
	}
	struct ask q = { .name = name, .post = post, .query = &r.query, .body = req->body.p, .body_len = req->body.len };
	session_answer(h->session, &q, &a);
	return send_answer(c, &a);
}

static enum MHD_Result route(struct http *h, struct MHD_Connection *c, const char *url, bool post, const struct request *req)
{
	const char *name = url + TOKEN + 2;
	const struct page_file *f = post ? NULL : find_page(name);

	if (req->too_long)
		return send_text(c, 413, "that is too long\n");
	return f ? send_page(c, f) : answer(h, c, name, post, req);
}

/* Who may not ask, and what is not asked in this way, is told so before a byte of a body is read. */
static unsigned refusal(const struct http *h, struct MHD_Connection *c, const char *url, const char *method)
{
	const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
	const char *origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin");
	bool post = strcmp(method, "POST") == 0;

	if (!host || !host_is_ours(&h->host, host) || (post && origin && !host_is_origin(host, origin)))
		return 403;
	if (!is_token(h, url))
		return 404;
	return post || strcmp(method, "GET") == 0 ? 0 : 405;
}

static enum MHD_Result take(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version,
			    const char *data, size_t *size, void **state)
{
	struct http *h = arg;
	struct request *req = *state;

	if (!req) {
		unsigned no = refusal(h, c, url, method);
		if (no)
			return send_text(c, no, no == 403 ? "not for this host\n" : no == 404 ? "not found\n" : "only GET and POST\n");
		if (!(req = *state = calloc(1, sizeof *req)))
			return MHD_NO;
		buf_init(&req->body, HTTP_BODY_MAX);
		return MHD_YES;
	}
	if (*size) {
		req->too_long |= !buf_add(&req->body, data, *size);
		*size = 0;
		return MHD_YES;
	}
	guard_answering(guard_of(c));
	return route(h, c, url, strcmp(method, "POST") == 0, req);
}

static void completed(void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
	struct request *req = *state;

	guard_waiting(guard_of(c));
	if (req)
		buf_free(&req->body);
	free(req);
	*state = NULL;
}

/* ---- life ---- */

static int make_token(char *to, struct err *e)
{
	unsigned char random[TOKEN / 2];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return err_set(e, "web: no random numbers: %s", strerror(errno));
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(to + 2 * i, 3, "%02x", random[i]);
	return 0;
}

struct http *http_start(struct session *s, const char *where, struct err *e)
{
	struct http *h = calloc(1, sizeof *h);
	int fd;

	if (!h || make_token(h->token, e) < 0 || (fd = host_listen(&h->host, where, e)) < 0) {
		if (!h)
			err_set(e, "web: out of memory");
		free(h);
		return NULL;
	}
	h->session = s;
	snprintf(h->address, sizeof h->address, "http://%s/%s/", h->host.name, h->token);
	if (guard_start(&h->guard, e) < 0) {
		close(fd);
		free(h);
		return NULL;
	}
	const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;
	h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, take, h, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, GUARD_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)KIB(512), MHD_OPTION_NOTIFY_COMPLETED, completed, h,
		MHD_OPTION_NOTIFY_CONNECTION, guard_notify, &h->guard, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (h->daemon)
		return h;
	err_set(e, "web: cannot start the HTTP server: %s", strerror(errno));
	guard_stop(&h->guard);
	close(fd);
	free(h);
	return NULL;
}

const char *http_address(const struct http *h)
{
	return h->address;
}

void http_stop(struct http *h)
{
	if (!h)
		return;
	MHD_stop_daemon(h->daemon);
	guard_stop(&h->guard);
	free(h);
}
