/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/wish.h"
#include <string.h>
#include "view/model.h"
#include "web/json_in.h"
#include "web/query.h"

static void read_ops(struct wish *w, struct json_in *j)
{
	for (bool first = true; json_element(j, &first);) {
		char name[16];
		uint32_t bit = 0;
		json_text(j, name, sizeof name);
		for (unsigned i = 0; i < EV_OPS; i++)
			if (strcmp(name, op_names[i]) == 0)
				bit = 1u << i;
		j->bad |= !bit;
		w->ops |= bit;
	}
}

static void read_conns(struct wish *w, struct json_in *j)
{
	char key[16];

	w->has_conns = true;
	for (bool first = true; json_element(j, &first);) {
		uint64_t n[2] = { 0 };
		for (bool inner = true; json_member(j, &inner, key, sizeof key);)
			if (strcmp(key, "disk") == 0)
				n[0] = json_number(j);
			else if (strcmp(key, "id") == 0)
				n[1] = json_number(j);
			else
				j->bad = true;
		if (w->conns == WISH_CONNS_MAX) {
			j->bad = true;
			return;
		}
		w->conn[w->conns].disk = n[0];
		w->conn[w->conns++].id = n[1];
	}
}

static void read_box(struct wish *w, struct json_in *j)
{
	uint32_t *const to[] = { &w->area.x, &w->area.y, &w->area.w, &w->area.h };
	size_t n = 0;

	for (bool first = true; json_element(j, &first); n++) {
		uint64_t v = json_number(j);
		if (n < ARRAY_LEN(to) && v <= UINT32_MAX)
			*to[n] = (uint32_t)v;
		else
			j->bad = true;
	}
	j->bad |= n != ARRAY_LEN(to) || w->area.w > QUERY_SIDE_MAX || w->area.h > QUERY_SIDE_MAX
		|| (uint64_t)w->area.w * w->area.h > QUERY_UNITS_MAX;
}

static void read_region(struct wish *w, struct json_in *j)
{
	char key[16], order[16];

	w->has_region = true;
	for (bool first = true; json_member(j, &first, key, sizeof key);) {
		if (strcmp(key, "disk") == 0) {
			w->region_disk = json_number(j);
		} else if (strcmp(key, "from") == 0) {
			w->from = json_number(j);
		} else if (strcmp(key, "to") == 0) {
			w->to = json_number(j);
		} else if (strcmp(key, "cols") == 0) {
			w->cols = json_number(j);
		} else if (strcmp(key, "zoom") == 0) {
			w->zoom = json_number(j);
		} else if (strcmp(key, "box") == 0) {
			read_box(w, j);
		} else if (strcmp(key, "order") == 0) {
			json_text(j, order, sizeof order);
			w->hilbert = strcmp(order, "hilbert") == 0;
			j->bad |= !w->hilbert && strcmp(order, "row") != 0;
		} else {
			j->bad = true;
		}
	}
	j->bad |= w->to > INT64_MAX || w->from > w->to || w->cols > MAP_COLS_MAX || w->zoom > 16;
}

int wish_read(struct wish *w, const char *text, size_t len, struct err *e)
{
	struct json_in j = { .p = text, .end = text + len };
	char key[16];

	memset(w, 0, sizeof *w);
	for (bool first = true; json_member(&j, &first, key, sizeof key);) {
		if (strcmp(key, "ops") == 0)
			read_ops(w, &j);
		else if (strcmp(key, "connections") == 0)
			read_conns(w, &j);
		else if (strcmp(key, "region") == 0)
			read_region(w, &j);
		else if (strcmp(key, "path") == 0)
			json_text(&j, w->path, sizeof w->path);
		else
			j.bad = true;
	}
	return json_over(&j) ? 0 : err_set(e, "filter: at byte %zu: that is not what a filter looks like", (size_t)(j.p - text));
}
