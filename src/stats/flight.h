/* SPDX-License-Identifier: BSD-2-Clause */
/* flight: the requests that have begun and not been answered, by connection and id, and each connection's in a list.
 * Fixed memory: FLIGHT_MAX of them, 6 MiB.  Finding, adding and dropping one takes the same time however many there are.
 * One thread at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { FLIGHT_MAX = 1 << 16 };
#define FLIGHT_NONE UINT32_MAX

struct flight_req {
	uint64_t conn, id;
	uint64_t time;          /* ns, when it began */
	uint64_t off, len;      /* bytes */
	uint32_t row;           /* of the connection, the caller's */
	uint8_t op, flags;      /* enum rec_op; REC_FUA ... */
	bool sequential;
	uint32_t hash_next, next, prev; /* numbers of others; next and prev: in the list */
};

struct flight {
	struct flight_req *at;  /* FLIGHT_MAX, ours */
	uint32_t *buckets;      /* FLIGHT_MAX numbers, ours */
	uint32_t used, count, idle;
};

bool flight_init(struct flight *f); /* false: no memory; flight_free() is fine then, too */
void flight_free(struct flight *f);
/* *list: number of the first of the connection's.  NULL: it is full. */
struct flight_req *flight_add(struct flight *f, uint64_t conn, uint64_t id, uint32_t *list);
struct flight_req *flight_find(const struct flight *f, uint64_t conn, uint64_t id); /* or NULL */
void flight_drop(struct flight *f, struct flight_req *r, uint32_t *list);
