/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include "view/names.h"

/* "export" NUL "client" */
static void read_recorded(struct conn_name *n, const uint8_t *text, size_t len)
{
	const uint8_t *nul = memchr(text, 0, len);
	size_t export = nul ? (size_t)(nul - text) : len;

	n->export = strndup((const char *)text, MIN(export, NAME_ROOM - 1u));
	if (nul && export + 1 < len)
		n->client = strndup((const char *)nul + 1, MIN(len - export - 1, NAME_ROOM - 1u));
}

void names_add(struct names *l, const struct cursor *c, const struct tape *t, const struct event *ev)
{
	struct conn_name n = { .conn = ev->conn, .time = ev->time };
	char name[NAME_ROOM];

	if (l->n == NAMES_MAX) {
		l->more++;
		return;
	}
	if (!(l->n & (l->n - 1))) { /* room for a power of two */
		struct conn_name *more = reallocarray(l->at, l->n ? 2 * l->n : 1, sizeof *more);
		if (!more) {
			l->more++;
			return;
		}
		l->at = more;
	}
	if (t->is_rec && c->rec.text)
		read_recorded(&n, c->rec.text, c->rec.text_len);
	else if (!t->is_rec && c->reader.line && log_export(c->reader.line, c->reader.line_len, name, sizeof name))
		n.export = strdup(name);
	l->at[l->n++] = n;
}

const struct conn_name *names_find(const struct names *l, uint64_t conn, uint64_t time)
{
	for (size_t i = l->n; i-- > 0;)
		if (l->at[i].conn == conn && l->at[i].time <= time)
			return &l->at[i];
	return NULL;
}

void names_free(struct names *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].export);
		free(l->at[i].client);
	}
	free(l->at);
	*l = (struct names){ 0 };
}
