/* SPDX-License-Identifier: BSD-2-Clause */
/* nbdkit-plugin: how a plug-in looks to the server.
 *
 *     #define NBDKIT_API_VERSION 2
 *     #include <nbdkit-plugin.h>
 *     #define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
 *     static void *my_open(int readonly) { return NBDKIT_HANDLE_NOT_NEEDED; }
 *     static int64_t my_get_size(void *handle) { return 1 << 20; }
 *     static int my_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags) { ... }
 *     static struct nbdkit_plugin plugin = { .name = "my", .open = my_open, .get_size = my_get_size, .pread = my_pread };
 *     NBDKIT_REGISTER_PLUGIN(plugin)
 *
 * name, open, get_size and pread are required; the rest has a default.  Functions return 0, or -1 after
 * nbdkit_error() and, for the client, nbdkit_set_error().  Full story: nbdkit-plugin(3).
 * Fields are only ever added at the end. */
#ifndef NBDKIT_PLUGIN_H
#define NBDKIT_PLUGIN_H

#ifndef NBDKIT_API_VERSION
#define NBDKIT_API_VERSION 1
#elif NBDKIT_API_VERSION - 0 < 1 || NBDKIT_API_VERSION - 0 > 2
#error "NBDKIT_API_VERSION must be 1 or 2"
#endif

#include "nbdkit-common.h"

#ifdef __cplusplus
extern "C" {
#endif

#if NBDKIT_API_VERSION == 1
#define NBDKIT_V1_(name) name
#define NBDKIT_V2_(name) name##_v2_
#else
#define NBDKIT_V1_(name) name##_v1_
#define NBDKIT_V2_(name) name
#endif

struct nbdkit_plugin {
	/* set by NBDKIT_REGISTER_PLUGIN */
	uint64_t _struct_size;
	int _api_version;
	int _thread_model;

	const char *name, *longname, *version, *description;

	void (*load)(void);
	void (*unload)(void);
	int (*config)(const char *key, const char *value);
	int (*config_complete)(void);
	const char *config_help;

	void *(*open)(int readonly);
	void (*close)(void *handle);
	int64_t (*get_size)(void *handle);
	int (*can_write)(void *handle);
	int (*can_flush)(void *handle);
	int (*is_rotational)(void *handle);
	int (*can_trim)(void *handle);

	/* API version 1 */
	int (*NBDKIT_V1_(pread))(void *handle, void *buf, uint32_t count, uint64_t offset);
	int (*NBDKIT_V1_(pwrite))(void *handle, const void *buf, uint32_t count, uint64_t offset);
	int (*NBDKIT_V1_(flush))(void *handle);
	int (*NBDKIT_V1_(trim))(void *handle, uint32_t count, uint64_t offset);
	int (*NBDKIT_V1_(zero))(void *handle, uint32_t count, uint64_t offset, int may_trim);

	int errno_is_preserved;
	void (*dump_plugin)(void);
	int (*can_zero)(void *handle);
	int (*can_fua)(void *handle);

	/* API version 2 */
	int (*NBDKIT_V2_(pread))(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags);
	int (*NBDKIT_V2_(pwrite))(void *handle, const void *buf, uint32_t count, uint64_t offset, uint32_t flags);
	int (*NBDKIT_V2_(flush))(void *handle, uint32_t flags);
	int (*NBDKIT_V2_(trim))(void *handle, uint32_t count, uint64_t offset, uint32_t flags);
	int (*NBDKIT_V2_(zero))(void *handle, uint32_t count, uint64_t offset, uint32_t flags);

	const char *magic_config_key;
	int (*can_multi_conn)(void *handle);
	int (*can_extents)(void *handle);
	int (*extents)(void *handle, uint32_t count, uint64_t offset, uint32_t flags, struct nbdkit_extents *extents);
	int (*can_cache)(void *handle);
	int (*cache)(void *handle, uint32_t count, uint64_t offset, uint32_t flags);
	int (*thread_model)(void);
	int (*can_fast_zero)(void *handle);
	int (*preconnect)(int readonly);
	int (*get_ready)(void);
	int (*after_fork)(void);
	int (*list_exports)(int readonly, int is_tls, struct nbdkit_exports *exports);
	const char *(*default_export)(int readonly, int is_tls);
	const char *(*export_description)(void *handle);
	void (*cleanup)(void);
	int (*block_size)(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum);
};

/* The errno that the client gets for the request that is about to fail. */
extern void nbdkit_set_error(int err);

#define NBDKIT_REGISTER_PLUGIN(plugin)                                   \
	NBDKIT_CXX_LANG_C NBDKIT_DLL_PUBLIC                              \
	struct nbdkit_plugin *plugin_init(void);                         \
	NBDKIT_CXX_LANG_C                                                \
	struct nbdkit_plugin *plugin_init(void)                          \
	{                                                                \
		(plugin)._struct_size = sizeof(plugin);                  \
		(plugin)._api_version = NBDKIT_API_VERSION;              \
		(plugin)._thread_model = THREAD_MODEL;                   \
		return &(plugin);                                        \
	}

#ifdef __cplusplus
}
#endif

#endif
