/* SPDX-License-Identifier: BSD-2-Clause */
/* seen: numbers of nodes that were visited, so that trees whose pointers form loops, or meet again, end. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEEN_MAX = 1 << 23 }; /* numbers in a set */

struct seen {                 /* zeroes: empty */
	uint64_t *key;        /* room places, open hash, ours; 0: empty, so a number is kept plus one */
	size_t count, room;   /* room: 0 or a power of two */
};

/* True when the number is new, and is kept.  False as well when there is no room for it: a walk then ends instead of going on for ever. */
bool seen_add(struct seen *s, uint64_t number);
void seen_free(struct seen *s); /* as before the first seen_add() */

/* What is to be visited yet, the last that was added first. */
struct know_todo_node {
	uint64_t at;
	unsigned level;
};
struct know_todo {
	struct know_todo_node *node; /* count, ours */
	size_t count, room;
};
bool todo_add(struct know_todo *t, uint64_t at, unsigned level); /* false: no memory */
bool todo_take(struct know_todo *t, struct know_todo_node *n);   /* false: empty */
void todo_free(struct know_todo *t);
