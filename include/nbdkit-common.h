/* SPDX-License-Identifier: BSD-2-Clause */
/* nbdkit-common: what plug-ins and filters of nbdkit's ABI share: constants, and functions of the server that
 * they may call.  Written from the documented contract (nbdkit-plugin(3), nbdkit-filter(3)); source and binary
 * compatible with nbdkit's own header.  Include nbdkit-plugin.h or nbdkit-filter.h instead. */
#ifndef NBDKIT_COMMON_H
#define NBDKIT_COMMON_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "nbdkit-version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the server looks for stays visible, however the rest is compiled. */
#define NBDKIT_DLL_PUBLIC __attribute__((__visibility__("default")))
#ifdef __cplusplus
#define NBDKIT_CXX_LANG_C extern "C"
#else
#define NBDKIT_CXX_LANG_C
#endif

#if defined(__GNUC__)
#define NBDKIT_PRINTF_(fmt, first) __attribute__((__format__(__printf__, fmt, first)))
#else
#define NBDKIT_PRINTF_(fmt, first)
#endif

/* How many requests a plug-in takes at once. */
#define NBDKIT_THREAD_MODEL_SERIALIZE_CONNECTIONS 0
#define NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS 1
#define NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS 2
#define NBDKIT_THREAD_MODEL_PARALLEL 3

/* Flags of a request. */
#define NBDKIT_FLAG_MAY_TRIM (1 << 0)
#define NBDKIT_FLAG_FUA (1 << 1)
#define NBDKIT_FLAG_REQ_ONE (1 << 2)
#define NBDKIT_FLAG_FAST_ZERO (1 << 3)

#define NBDKIT_FUA_NONE 0
#define NBDKIT_FUA_EMULATE 1
#define NBDKIT_FUA_NATIVE 2

#define NBDKIT_CACHE_NONE 0
#define NBDKIT_CACHE_EMULATE 1
#define NBDKIT_CACHE_NATIVE 2

#define NBDKIT_EXTENT_HOLE (1 << 0)
#define NBDKIT_EXTENT_ZERO (1 << 1)

/* A handle for a plug-in that needs none: any pointer but NULL. */
#define NBDKIT_HANDLE_NOT_NEEDED (&errno)

struct nbdkit_extents;
struct nbdkit_exports;

/* Messages: one line without newline; debug lines appear with -v. */
extern void nbdkit_error(const char *msg, ...) NBDKIT_PRINTF_(1, 2);
extern void nbdkit_verror(const char *msg, va_list args) NBDKIT_PRINTF_(1, 0);
extern void nbdkit_debug(const char *msg, ...) NBDKIT_PRINTF_(1, 2);
extern void nbdkit_vdebug(const char *msg, va_list args) NBDKIT_PRINTF_(1, 0);
/* Debug lines of 16 bytes in hex and as text; prefix may be NULL, start is the first byte's offset. */
extern void nbdkit_debug_hexdump(const void *buf, size_t len, const char *prefix, uint64_t start);
extern void nbdkit_debug_hexdiff(const void *buf1, const void *buf2, size_t len, const char *prefix, uint64_t start);
/* The time now, UTC, to put into messages; valid until the thread's next call. */
extern const char *nbdkit_timestamp(void);
/* How this server was called by its starter; NULL: it was not. */
extern const char *nbdkit_name(void);

/* Parsing: 0, or -1 after nbdkit_error(); parse_size returns bytes, parse_bool 0 or 1. */
extern int nbdkit_parse_int(const char *what, const char *str, int *r);
extern int nbdkit_parse_unsigned(const char *what, const char *str, unsigned *r);
extern int nbdkit_parse_int8_t(const char *what, const char *str, int8_t *r);
extern int nbdkit_parse_uint8_t(const char *what, const char *str, uint8_t *r);
extern int nbdkit_parse_int16_t(const char *what, const char *str, int16_t *r);
extern int nbdkit_parse_uint16_t(const char *what, const char *str, uint16_t *r);
extern int nbdkit_parse_int32_t(const char *what, const char *str, int32_t *r);
extern int nbdkit_parse_uint32_t(const char *what, const char *str, uint32_t *r);
extern int nbdkit_parse_int64_t(const char *what, const char *str, int64_t *r);
extern int nbdkit_parse_uint64_t(const char *what, const char *str, uint64_t *r);
extern int64_t nbdkit_parse_size(const char *str);
extern int nbdkit_parse_bool(const char *str);
extern int nbdkit_parse_probability(const char *what, const char *str, double *r); /* may be more than 1 */
extern int nbdkit_parse_delay(const char *what, const char *str, unsigned *sec, unsigned *nsec); /* 1.5, 40ms, 100us */
extern int nbdkit_read_password(const char *value, char **password);

/* Files: malloc'd, for the caller to free; before the server changes directory. */
extern char *nbdkit_absolute_path(const char *path);
extern char *nbdkit_realpath(const char *path);
extern int nbdkit_stdio_safe(void);

/* Ends early, with -1 after nbdkit_error(), when the client or the server goes. */
extern int nbdkit_nanosleep(unsigned sec, unsigned nsec);

/* Strings that live as long as the connection, or the server when there is none. */
extern const char *nbdkit_strdup_intern(const char *str);
extern const char *nbdkit_strndup_intern(const char *str, size_t n);
extern const char *nbdkit_printf_intern(const char *fmt, ...) NBDKIT_PRINTF_(1, 2);
extern const char *nbdkit_vprintf_intern(const char *fmt, va_list ap) NBDKIT_PRINTF_(1, 0);

/* The client of the request being served. */
extern const char *nbdkit_export_name(void);
extern int nbdkit_is_tls(void);
extern int nbdkit_peer_name(struct sockaddr *addr, socklen_t *addrlen);
extern int64_t nbdkit_peer_pid(void);
extern int64_t nbdkit_peer_uid(void);
extern int64_t nbdkit_peer_gid(void);
/* These are malloc'd, for the caller to free.  No label: NULL, which is no error; no certificate: "". */
extern char *nbdkit_peer_security_context(void);
extern char *nbdkit_peer_tls_dn(void);
extern char *nbdkit_peer_tls_issuer_dn(void);

/* The end: of the server, of this connection. */
extern void nbdkit_shutdown(void);
extern void nbdkit_disconnect(int force);

extern int nbdkit_add_extent(struct nbdkit_extents *, uint64_t offset, uint64_t length, uint32_t type);
extern int nbdkit_add_export(struct nbdkit_exports *, const char *name, const char *description);
extern int nbdkit_use_default_export(struct nbdkit_exports *);

#ifdef __cplusplus
}
#endif

#endif
