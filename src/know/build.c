/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "know/inside.h"

/* --- bounds --- */

bool know_grow(void *array, size_t *room, size_t used, size_t max, size_t size)
{
	void **p = array;
	if (used < *room)
		return true;
	size_t more = MIN(MAX(*room * 2, (size_t)64), max);
	void *q = used < more ? realloc(*p, more * size) : NULL;
	if (!q)
		return false;
	*p = q;
	*room = more;
	return true;
}

bool know_room(struct know_build *b, void *array, size_t *room, size_t used, size_t max, size_t size)
{
	if (know_grow(array, room, used, max, size))
		return true;
	b->no_memory |= used < max;
	return false;
}

bool know_ask(struct know_build *b)
{
	if (b->disk->stop && ++b->asked >= 64) {
		b->asked = 0;
		b->told |= b->disk->stop(b->disk->arg);
	}
	return know_stopped(b);
}

bool know_stopped(const struct know_build *b)
{
	return b->no_memory || b->told || b->full;
}

void know_note(struct know_build *b, unsigned volume, const char *fmt, ...)
{
	char line[KNOW_NOTE_MAX], who[120] = "";
	va_list ap;

	if (b->notes > KNOW_NOTES_MAX || know_stopped(b))
		return;
	if (volume)
		know_volume_words(b->map, volume, who, sizeof who);
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (b->notes == KNOW_NOTES_MAX)
		snprintf(line, sizeof line, "there is more to say: this is the last of %d notes", KNOW_NOTES_MAX);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	size_t room = sizeof who + 2 + sizeof line + 1;
	char *more = realloc(b->map->notes, b->notes_len + room);
	if (!more) {
		b->no_memory = true;
		return;
	}
	b->map->notes = more;
	b->notes_len += (size_t)snprintf(more + b->notes_len, room, "%s%s%s\n", who, *who ? ": " : "", line);
	b->notes++;
}

void know_complain(struct know_build *b, unsigned volume, unsigned *complaints, const char *fmt, va_list args)
{
	enum { COMPLAINTS = 20 };
	char line[200];

	if ((*complaints)++ >= COMPLAINTS)
		return;
	vsnprintf(line, sizeof line, fmt, args);
	know_note(b, volume, "%s%s", line, *complaints == COMPLAINTS ? "; there is more of that kind, left out here" : "");
}

/* --- volumes --- */

const struct know_volume *know_volume(const struct know_build *b, unsigned volume)
{
	return &b->map->volume[volume];
}

struct know_volume *know_volume_set(struct know_build *b, unsigned volume)
{
	return &b->map->volume[volume];
}

unsigned know_volumes(const struct know_build *b)
{
	return (unsigned)b->map->volumes;
}

void know_fill(struct know_build *b, unsigned volume, enum know_kind kind)
{
	b->extra[volume].fill = (uint8_t)kind;
}

void know_may_share(struct know_build *b, unsigned volume)
{
	b->extra[volume].may_share = true;
}

int know_add_volume(struct know_build *b, unsigned parent, uint64_t off, uint64_t len, unsigned partition)
{
	const struct know_volume *p = &b->map->volume[parent];

	if (!len || off >= p->len || len > p->len - off || p->depth + 1 >= KNOW_DEPTH_MAX || know_stopped(b))
		return -1;
	if (b->map->volumes == KNOW_VOLUMES_MAX) {
		if (!b->volumes_full)
			know_note(b, parent, "more than %d volumes: the others are left out", KNOW_VOLUMES_MAX);
		b->volumes_full = true;
		return -1;
	}
	b->map->volume[b->map->volumes] = (struct know_volume){ .off = p->off + off, .len = len, .parent = (uint16_t)parent,
		.depth = p->depth + 1, .partition = (uint16_t)MIN(partition, (unsigned)UINT16_MAX) };
	return (int)b->map->volumes++;
}

/* --- reading --- */

static bool inside(const struct know_volume *v, uint64_t off, uint64_t len)
{
	return off <= v->len && len <= v->len - off;
}

/* Of the disk, not of a volume. */
static int read_disk(struct know_build *b, uint64_t off, size_t len, void *to)
{
	uint8_t *p = to;
	int rc = 0;

	while (len && rc == 0) {
		uint32_t n = (uint32_t)MIN(len, (size_t)KNOW_READ_MAX);
		if (know_ask(b))
			return ECANCELED;
		if (b->map->bytes > b->read_max) {
			know_note(b, 0, "it refers to itself: twice its size was read, and what was not looked at by then is left out");
			b->full = true;
			return ECANCELED;
		}
		rc = b->disk->read(b->disk->arg, off, n, p);
		b->map->reads++;
		b->map->bytes += n;
		p += n;
		off += n;
		len -= n;
	}
	return rc;
}

static int note_unread(struct know_build *b, unsigned volume, uint64_t off, int rc)
{
	if (rc && rc != ECANCELED && !b->extra[volume].unread) {
		know_note(b, volume, "cannot be read near byte %" PRIu64 ": %s", off, strerror(rc));
		b->extra[volume].unread = true;
	}
	return rc;
}

int know_read(struct know_build *b, unsigned volume, uint64_t off, size_t len, void *to)
{
	const struct know_volume *v = &b->map->volume[volume];

	if (!inside(v, off, len))
		return EINVAL;
	return note_unread(b, volume, off, read_disk(b, v->off + off, len, to));
}

/* The block that holds byte at of the disk, or NULL. */
static const uint8_t *get_block(struct know_build *b, uint64_t at)
{
	at &= ~(uint64_t)(KNOW_PEEK - 1);
	struct know_peek_block *k = &b->peek[(at / KNOW_PEEK * 0x9e3779b97f4a7c15u) >> 56 & (KNOW_PEEKS - 1)];
	if (k->bytes && k->at == at)
		return k->bytes;
	if (!k->bytes && !(k->bytes = malloc(KNOW_PEEK))) {
		b->no_memory = true;
		return NULL;
	}
	k->at = UINT64_MAX;
	if (read_disk(b, at, (size_t)MIN((uint64_t)KNOW_PEEK, b->map->size - at), k->bytes))
		return NULL;
	k->at = at;
	return k->bytes;
}

const void *know_peek(struct know_build *b, unsigned volume, uint64_t off, size_t len)
{
	const struct know_volume *v = &b->map->volume[volume];
	const uint8_t *p;

	if (!inside(v, off, len) || !len || len > KNOW_READ_MAX || know_ask(b))
		return NULL;
	uint64_t at = v->off + off, in = at & (KNOW_PEEK - 1);
	if (in + len <= KNOW_PEEK && (p = get_block(b, at)))
		return p + in;
	if (!b->spill && !(b->spill = malloc(KNOW_READ_MAX))) {
		b->no_memory = true;
		return NULL;
	}
	for (size_t done = 0; done < len && in + len > KNOW_PEEK && len <= 2 * KNOW_PEEK;) {
		size_t n = MIN(len - done, (size_t)(KNOW_PEEK - in));
		if (!(p = get_block(b, at + done)))
			break;
		memcpy(b->spill + done, p + in, n);
		in = 0;
		if ((done += n) == len)
			return b->spill;
	}
	/* large; or one of the blocks cannot be read, and perhaps what is wanted of it can */
	return note_unread(b, volume, off, read_disk(b, at, len, b->spill)) ? NULL : b->spill;
}

/* --- regions --- */

bool know_continues(const struct know_region *a, const struct know_region *b)
{
	return a->off + a->len == b->off && a->kind == b->kind && a->volume == b->volume && a->file == b->file && a->number == b->number &&
		a->flags == b->flags && (a->home == KNOW_NOWHERE ? b->home == KNOW_NOWHERE : a->home + a->len == b->home);
}

void know_add(struct know_build *b, unsigned volume, enum know_layer layer, const struct know_region *r)
{
	const struct know_volume *v = &b->map->volume[volume];
	struct know_region new = *r;

	if (new.off >= v->len || !new.len || know_stopped(b))
		return;
	new.len = MIN(new.len, v->len - new.off);
	new.off += v->off;
	new.volume = (uint16_t)volume;
	new.kind = (uint8_t)(new.kind | (layer + 1) << KNOW_LAYER_SHIFT);
	if (b->regions && know_continues(&b->region[b->regions - 1], &new)) {
		b->region[b->regions - 1].len += new.len;
		return;
	}
	if (!know_room(b, &b->region, &b->region_room, b->regions, KNOW_REGIONS_MAX, sizeof *b->region)) {
		if (!b->no_memory)
			know_note(b, 0, "more than %d regions: what was not looked at by then is left out", KNOW_REGIONS_MAX);
		b->full = true;
		return;
	}
	b->region[b->regions++] = new;
}

void know_add_plain(struct know_build *b, unsigned volume, enum know_layer layer, enum know_kind kind, uint64_t off, uint64_t len,
	uint64_t number, unsigned flags)
{
	const struct know_region r = { .off = off, .len = len, .number = number, .home = KNOW_NOWHERE, .file = KNOW_NO_FILE,
		.kind = (uint8_t)kind, .flags = (uint8_t)flags };
	know_add(b, volume, layer, &r);
}

/* --- files --- */

static uint32_t keep_name(struct know_build *b, const void *name, size_t len)
{
	size_t n = strnlen(name, len), at = b->names;

	if (!n)
		return 0;
	while (b->names_room - at < n + 1) {
		size_t more = MAX(b->names_room * 2, (size_t)4096);
		char *p = more <= KNOW_NAMES_MAX ? realloc(b->map->names, more) : NULL;
		if (!p) {
			b->no_memory |= more <= KNOW_NAMES_MAX;
			if (!b->names_full)
				know_note(b, 0, "more than %d MiB of names: the others are left out", KNOW_NAMES_MAX >> 20);
			b->names_full = true;
			return 0;
		}
		b->map->names = p;
		b->names_room = more;
	}
	memcpy(b->map->names + at, name, n);
	b->map->names[at + n] = '\0';
	b->names += n + 1;
	return (uint32_t)at;
}

uint32_t know_add_file(struct know_build *b, const struct know_file *f, const void *name, size_t name_len)
{
	if (know_stopped(b) || !know_room(b, &b->map->file, &b->file_room, b->map->files, KNOW_FILES_MAX, sizeof *b->map->file)) {
		if (!b->files_full)
			know_note(b, f->volume, "more than %d files: the others are left out", KNOW_FILES_MAX);
		b->files_full = true;
		return KNOW_NO_FILE;
	}
	struct know_file *new = &b->map->file[b->map->files];
	*new = *f;
	if (name)
		new->name = keep_name(b, name, name_len);
	return (uint32_t)b->map->files++;
}

struct know_file *know_file_set(struct know_build *b, uint32_t file)
{
	return &b->map->file[file];
}

const char *know_name(const struct know_build *b, uint32_t file)
{
	return file < b->map->files && b->map->file[file].name ? b->map->names + b->map->file[file].name : "";
}

void know_file_name(struct know_build *b, uint32_t file, uint32_t parent, const void *name, size_t name_len)
{
	if (file >= b->map->files)
		return;
	b->map->file[file].parent = parent;
	b->map->file[file].name = keep_name(b, name, name_len);
}

/* --- all --- */

static void free_build(struct know_build *b)
{
	for (size_t i = 0; i < KNOW_PEEKS; i++)
		free(b->peek[i].bytes);
	free(b->spill);
	free(b->extra);
	free(b->region);
	free(b->data);
	free(b->told_of.piece);
	free(b->asked_for.piece);
	free(b->by_name);
	free(b);
}

struct know_build *know_begin(const struct know_disk *d)
{
	struct know_build *b = calloc(1, sizeof *b);
	struct know_map *m = calloc(1, sizeof *m);

	if (!b || !m) {
		free(b);
		free(m);
		return NULL;
	}
	b->disk = d;
	b->map = m;
	m->size = d->size;
	b->read_max = d->size > UINT64_MAX / 4 ? UINT64_MAX : d->size * 2 + MIB(256); /* however the disk's pointers cross */
	m->volume = calloc(KNOW_VOLUMES_MAX, sizeof *m->volume);
	b->extra = calloc(KNOW_VOLUMES_MAX, sizeof *b->extra);
	m->notes = calloc(1, 1);
	m->names = calloc(1, 64);
	b->names_room = 64;
	b->names = 1; /* 0 is no name */
	b->no_memory = !m->volume || !b->extra || !m->notes || !m->names;
	m->volumes = 1;
	if (m->volume)
		m->volume[0].len = d->size;
	return b;
}

struct know_map *know_end(struct know_build *b, struct err *e)
{
	struct know_map *m = b ? b->map : NULL;

	if (b) {
		know_apps(b);
		know_flatten(b);
	}
	if (!b || b->no_memory || b->told) {
		err_set(e, !b || b->no_memory ? "out of memory" : "told to stop");
		know_free(m);
		m = NULL;
	}
	if (b)
		free_build(b);
	return m;
}

struct know_map *know_disk_map(const struct know_disk *d, struct err *e)
{
	struct know_build *b = know_begin(d);

	for (unsigned v = 0; b && !know_stopped(b) && v < b->map->volumes; v++)
		if (!b->map->volume[v].format)
			know_look(b, v);
	return know_end(b, e);
}

void know_free(struct know_map *m)
{
	if (!m)
		return;
	free(m->region);
	free(m->share);
	free(m->volume);
	free(m->file);
	free(m->names);
	free(m->notes);
	free(m);
}
