/* SPDX-License-Identifier: BSD-2-Clause */
/* list: a doubly linked ring whose links lie inside what they link.
 * An empty list, and a link in no list, point at themselves: so list_del() is
 * safe twice, and list_empty(&thing->link) tells whether the thing is linked.
 * No function allocates or fails.  Not locked: the list's owner is. */
#pragma once
#include <stdbool.h>
#include "base/util.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }

/* Put link before at: with at the list's head, that is the tail. */
static inline void list_add_tail(struct list *at, struct list *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

static inline void list_del(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* The first link taken out, or NULL. */
static inline struct list *list_pop(struct list *l)
{
	struct list *first = l->next;
	if (first == l)
		return NULL;
	list_del(first);
	return first;
}

/* Everything of from to the end of to; from is left empty. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(link, type, member) container_of(link, type, member)
#define list_first(l, type, member) container_of((l)->next, type, member)
/* The body may take out and free the entry it is at, and no other. */
#define list_for_each_safe(l, p, n) \
	for (struct list *p = (l)->next, *n = p->next; p != (l); p = n, n = p->next)
