/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel could not write back: file.h says why it must be remembered. */
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "plugins/file.h"

struct loss {
	struct list link;
	dev_t dev;
	ino_t ino;
	int err;
};

void losses_init(struct losses *ls)
{
	pthread_mutex_init(&ls->lock, NULL);
	list_init(&ls->list);
}

void losses_free(struct losses *ls)
{
	struct list *link;
	while ((link = list_pop(&ls->list)))
		free(list_entry(link, struct loss, link));
	pthread_mutex_destroy(&ls->lock);
}

/* Lock held.  0, or the errno. */
static int find(const struct file_export *x)
{
	list_for_each_safe(&x->losses->list, link, next) {
		const struct loss *l = list_entry(link, struct loss, link);
		if (l->dev == x->dev && l->ino == x->ino)
			return l->err;
	}
	return x->losses->all ? EIO : 0;
}

static void remember(const struct file_export *x, int err)
{
	struct losses *ls = x->losses;
	struct loss *l = malloc(sizeof *l);
	ls->all |= !l;
	if (l) {
		*l = (struct loss){ .dev = x->dev, .ino = x->ino, .err = err };
		list_add_tail(&ls->list, &l->link);
	}
	atomic_store(&ls->any, true);
}

int file_synced(const struct file_export *x, int err)
{
	if (!err)
		return 0;
	pthread_mutex_lock(&x->losses->lock);
	bool news = !find(x);
	if (news)
		remember(x, err);
	pthread_mutex_unlock(&x->losses->lock);
	if (news)
		say_error("file: %s: the disk failed to take what was written: %s; flushes fail until this server is started again",
			  x->name, strerror(err));
	return err;
}

int file_flushed(const struct file_export *x, int err)
{
	if (err || !atomic_load(&x->losses->any))
		return err;
	pthread_mutex_lock(&x->losses->lock);
	err = find(x);
	pthread_mutex_unlock(&x->losses->lock);
	return err;
}
