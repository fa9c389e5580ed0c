/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/rangelock.h"

void rangelock_init(struct rangelock *k)
{
	pthread_mutex_init(&k->mutex, NULL);
	list_init(&k->held);
	list_init(&k->waiting);
}

void rangelock_free(struct rangelock *k)
{
	pthread_mutex_destroy(&k->mutex);
}

static bool overlap(const struct range *a, const struct range *b)
{
	return a->start < b->end && b->start < a->end;
}

/* Does one in the list, before stop, keep r from its range? */
static bool in_the_way(struct list *list, const struct list *stop, const struct range *r)
{
	for (struct list *link = list->next; link != stop; link = link->next) {
		const struct range *other = list_entry(link, struct range, link);
		if (overlap(other, r) && !(other->shared && r->shared))
			return true;
	}
	return false;
}

bool rangelock_take(struct rangelock *k, struct range *r)
{
	pthread_mutex_lock(&k->mutex);
	bool waits = in_the_way(&k->held, &k->held, r) || in_the_way(&k->waiting, &k->waiting, r);
	r->waits = waits;
	list_add_tail(waits ? &k->waiting : &k->held, &r->link);
	pthread_mutex_unlock(&k->mutex);
	return !waits; /* r->waits may have changed already */
}

/* Whoever waited for what r kept from them. */
static void wake(struct rangelock *k, const struct range *r)
{
	list_for_each_safe(&k->waiting, link, next) {
		struct range *w = list_entry(link, struct range, link);
		if (!overlap(w, r) || in_the_way(&k->held, &k->held, w) || in_the_way(&k->waiting, link, w))
			continue;
		list_del(link);
		list_add_tail(&k->held, link);
		w->waits = false;
		loop_post(w->loop, &w->got); /* under the lock: it cannot have been given back yet */
	}
}

bool rangelock_forget(struct rangelock *k, struct range *r)
{
	pthread_mutex_lock(&k->mutex);
	bool waited = r->waits;
	if (waited) {
		r->waits = false;
		list_del(&r->link);
		wake(k, r); /* it may have stood in front of others */
	}
	pthread_mutex_unlock(&k->mutex);
	return waited;
}

void rangelock_give(struct rangelock *k, struct range *r)
{
	pthread_mutex_lock(&k->mutex);
	list_del(&r->link);
	wake(k, r);
	pthread_mutex_unlock(&k->mutex);
}
