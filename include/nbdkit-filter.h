/* SPDX-License-Identifier: BSD-2-Clause */
/* nbdkit-filter: how a filter looks to the server, as nbdkit 1.30 to 1.33 lay it out.
 *
 *     #include <nbdkit-filter.h>
 *     static int my_pread(nbdkit_next *next, void *handle, void *buf, uint32_t count, uint64_t offset,
 *                         uint32_t flags, int *err)
 *     {
 *             return next->pread(next, buf, count, offset, flags, err);
 *     }
 *     static struct nbdkit_filter filter = { .name = "my", .pread = my_pread };
 *     NBDKIT_REGISTER_FILTER(filter)
 *
 * Only name is required; what is missing passes through.  A filter calls what lies below through next, whose
 * functions are as those of a plug-in, but tell an error by *err.  Full story: nbdkit-filter(3).
 * Unlike a plug-in, a filter fits only servers that lay these structs out alike: so it carries a version. */
#ifndef NBDKIT_FILTER_H
#define NBDKIT_FILTER_H

#include <stddef.h>
#include "nbdkit-common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NBDKIT_FILTER_API_VERSION 6
/* The release whose layout these structs have; servers of another release may refuse it. */
#ifndef NBDKIT_FILTER_VERSION
#define NBDKIT_FILTER_VERSION "1.32.5"
#endif

#define NBDKIT_ZERO_NONE 0
#define NBDKIT_ZERO_EMULATE 1
#define NBDKIT_ZERO_NATIVE 2

typedef struct nbdkit_backend nbdkit_backend; /* what lies below, for the life of the server */
typedef struct nbdkit_context nbdkit_context; /* a filter opened for a connection */
typedef struct nbdkit_next_ops nbdkit_next;   /* what lies below, opened */

typedef int nbdkit_next_config(nbdkit_backend *nxdata, const char *key, const char *value);
typedef int nbdkit_next_config_complete(nbdkit_backend *nxdata);
typedef int nbdkit_next_preconnect(nbdkit_backend *nxdata, int readonly);
typedef int nbdkit_next_list_exports(nbdkit_backend *nxdata, int readonly, struct nbdkit_exports *exports);
typedef const char *nbdkit_next_default_export(nbdkit_backend *nxdata, int readonly);
typedef int nbdkit_next_open(nbdkit_context *context, int readonly, const char *exportname);

struct nbdkit_next_ops {
	/* only for a next that the filter opened itself */
	int (*prepare)(nbdkit_next *next);
	int (*finalize)(nbdkit_next *next);

	int64_t (*get_size)(nbdkit_next *next);
	const char *(*export_description)(nbdkit_next *next);
	int (*block_size)(nbdkit_next *next, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum);
	int (*can_write)(nbdkit_next *next);
	int (*can_flush)(nbdkit_next *next);
	int (*is_rotational)(nbdkit_next *next);
	int (*can_trim)(nbdkit_next *next);
	int (*can_zero)(nbdkit_next *next);
	int (*can_fast_zero)(nbdkit_next *next);
	int (*can_extents)(nbdkit_next *next);
	int (*can_fua)(nbdkit_next *next);
	int (*can_multi_conn)(nbdkit_next *next);
	int (*can_cache)(nbdkit_next *next);

	int (*pread)(nbdkit_next *next, void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*pwrite)(nbdkit_next *next, const void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*flush)(nbdkit_next *next, uint32_t flags, int *err);
	int (*trim)(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*zero)(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*extents)(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags,
		       struct nbdkit_extents *extents, int *err);
	int (*cache)(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err);
};

/* Lists of extents: from start up to end, filled by nbdkit_add_extent(). */
struct nbdkit_extent {
	uint64_t offset, length;
	uint32_t type;
};
extern struct nbdkit_extents *nbdkit_extents_new(uint64_t start, uint64_t end);
extern void nbdkit_extents_free(struct nbdkit_extents *);
extern size_t nbdkit_extents_count(const struct nbdkit_extents *);
extern struct nbdkit_extent nbdkit_get_extent(const struct nbdkit_extents *, size_t i);
/* Ask as often as it takes to cover the range. */
extern struct nbdkit_extents *nbdkit_extents_full(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, int *err);
/* What differs within align bytes counts as one extent with what all of it has in common. */
extern int nbdkit_extents_aligned(nbdkit_next *next, uint32_t count, uint64_t offset, uint32_t flags, uint32_t align,
				  struct nbdkit_extents *extents, int *err);

/* Lists of exports, filled by nbdkit_add_export(). */
struct nbdkit_export {
	char *name, *description;
};
extern struct nbdkit_exports *nbdkit_exports_new(void);
extern void nbdkit_exports_free(struct nbdkit_exports *);
extern size_t nbdkit_exports_count(const struct nbdkit_exports *);
extern struct nbdkit_export nbdkit_get_export(const struct nbdkit_exports *, size_t i);

/* For filters that open what lies below themselves, more than once, or again. */
extern nbdkit_backend *nbdkit_context_get_backend(nbdkit_context *context);
extern nbdkit_next *nbdkit_next_context_open(nbdkit_backend *backend, int readonly, const char *exportname, int shared);
extern void nbdkit_next_context_close(nbdkit_next *next);
extern nbdkit_next *nbdkit_context_set_next(nbdkit_context *context, nbdkit_next *next);

struct nbdkit_filter {
	/* set by NBDKIT_REGISTER_FILTER */
	int _api_version;
	const char *_version;

	const char *name, *longname, *description;

	void (*load)(void);
	void (*unload)(void);
	int (*config)(nbdkit_next_config *next, nbdkit_backend *nxdata, const char *key, const char *value);
	int (*config_complete)(nbdkit_next_config_complete *next, nbdkit_backend *nxdata);
	const char *config_help;
	int (*thread_model)(void);
	int (*get_ready)(int thread_model);
	int (*after_fork)(nbdkit_backend *backend);
	void (*cleanup)(nbdkit_backend *backend);
	int (*preconnect)(nbdkit_next_preconnect *next, nbdkit_backend *nxdata, int readonly);
	int (*list_exports)(nbdkit_next_list_exports *next, nbdkit_backend *nxdata, int readonly, int is_tls,
			    struct nbdkit_exports *exports);
	const char *(*default_export)(nbdkit_next_default_export *next, nbdkit_backend *nxdata, int readonly, int is_tls);

	void *(*open)(nbdkit_next_open *next, nbdkit_context *context, int readonly, const char *exportname, int is_tls);
	void (*close)(void *handle);
	int (*prepare)(nbdkit_next *next, void *handle, int readonly);
	int (*finalize)(nbdkit_next *next, void *handle);

	int64_t (*get_size)(nbdkit_next *next, void *handle);
	const char *(*export_description)(nbdkit_next *next, void *handle);
	int (*block_size)(nbdkit_next *next, void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum);
	int (*can_write)(nbdkit_next *next, void *handle);
	int (*can_flush)(nbdkit_next *next, void *handle);
	int (*is_rotational)(nbdkit_next *next, void *handle);
	int (*can_trim)(nbdkit_next *next, void *handle);
	int (*can_zero)(nbdkit_next *next, void *handle);
	int (*can_fast_zero)(nbdkit_next *next, void *handle);
	int (*can_extents)(nbdkit_next *next, void *handle);
	int (*can_fua)(nbdkit_next *next, void *handle);
	int (*can_multi_conn)(nbdkit_next *next, void *handle);
	int (*can_cache)(nbdkit_next *next, void *handle);

	int (*pread)(nbdkit_next *next, void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*pwrite)(nbdkit_next *next, void *handle, const void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*flush)(nbdkit_next *next, void *handle, uint32_t flags, int *err);
	int (*trim)(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*zero)(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags, int *err);
	int (*extents)(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags,
		       struct nbdkit_extents *extents, int *err);
	int (*cache)(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags, int *err);
};

#ifdef __cplusplus
#define NBDKIT_FILTER_EXTERN_C_ extern "C"
}
#else
#define NBDKIT_FILTER_EXTERN_C_ extern
#endif

#define NBDKIT_REGISTER_FILTER(filter)                                   \
	NBDKIT_FILTER_EXTERN_C_                                          \
	struct nbdkit_filter *filter_init(void);                         \
	struct nbdkit_filter *filter_init(void)                          \
	{                                                                \
		(filter)._api_version = NBDKIT_FILTER_API_VERSION;       \
		(filter)._version = NBDKIT_FILTER_VERSION;               \
		return &(filter);                                        \
	}

#endif
