/* SPDX-License-Identifier: BSD-2-Clause */
/* libnbd, loaded when it is needed.  It brings fifteen libraries along (XML, TLS, Unicode tables): linked in, each
 * server would map them, 50 MiB of locked memory with --swap, whatever it serves; and whoever looks at
 * a file would wait some ms for nothing.
 *
 * Its functions are called by their own names, which are macros here; they may be called once nbd_lib_load() went well. */
#pragma once
#include <libnbd.h>
#include "base/err.h"

#define NBD_LIB_FUNCTIONS(X) \
	X(add_meta_context) \
	X(aio_block_status) \
	X(aio_cache) \
	X(aio_connect_socket) \
	X(aio_connect_systemd_socket_activation) \
	X(aio_connect_tcp) \
	X(aio_connect_unix) \
	X(aio_connect_uri) \
	X(aio_connect_vsock) \
	X(aio_disconnect) \
	X(aio_flush) \
	X(aio_get_direction) \
	X(aio_get_fd) \
	X(aio_in_flight) \
	X(aio_is_closed) \
	X(aio_is_dead) \
	X(aio_is_negotiating) \
	X(aio_is_ready) \
	X(aio_notify_read) \
	X(aio_notify_write) \
	X(aio_opt_abort) \
	X(aio_opt_go) \
	X(aio_opt_info) \
	X(aio_opt_list) \
	X(aio_pread) \
	X(aio_pread_structured) \
	X(aio_pwrite) \
	X(aio_trim) \
	X(aio_zero) \
	X(block_status) \
	X(can_cache) \
	X(can_fast_zero) \
	X(can_flush) \
	X(can_fua) \
	X(can_meta_context) \
	X(can_multi_conn) \
	X(can_trim) \
	X(can_zero) \
	X(close) \
	X(connect_uri) \
	X(create) \
	X(get_block_size) \
	X(get_canonical_export_name) \
	X(get_errno) \
	X(get_error) \
	X(get_export_description) \
	X(get_size) \
	X(get_version) \
	X(is_read_only) \
	X(is_rotational) \
	X(poll) \
	X(pread) \
	X(set_export_name) \
	X(set_full_info) \
	X(set_opt_mode) \
	X(set_tls) \
	X(set_tls_certificates) \
	X(set_tls_psk_file) \
	X(set_tls_username) \
	X(set_tls_verify_peer) \
	X(set_uri_allow_local_file) \
	X(shutdown) \
	X(supports_tls) \
	X(supports_uri)

struct nbd_lib {
#define X(name) __typeof__(nbd_##name) *name;
	NBD_LIB_FUNCTIONS(X)
#undef X
};

extern struct nbd_lib nbd_lib; /* constant after nbd_lib_load() */

/* One thread at a time, before others call libnbd; again: no effect.  0, or -1 with e set. */
int nbd_lib_load(struct err *e);

#define nbd_add_meta_context nbd_lib.add_meta_context
#define nbd_aio_block_status nbd_lib.aio_block_status
#define nbd_aio_cache nbd_lib.aio_cache
#define nbd_aio_connect_socket nbd_lib.aio_connect_socket
#define nbd_aio_connect_systemd_socket_activation nbd_lib.aio_connect_systemd_socket_activation
#define nbd_aio_connect_tcp nbd_lib.aio_connect_tcp
#define nbd_aio_connect_unix nbd_lib.aio_connect_unix
#define nbd_aio_connect_uri nbd_lib.aio_connect_uri
#define nbd_aio_connect_vsock nbd_lib.aio_connect_vsock
#define nbd_aio_disconnect nbd_lib.aio_disconnect
#define nbd_aio_flush nbd_lib.aio_flush
#define nbd_aio_get_direction nbd_lib.aio_get_direction
#define nbd_aio_get_fd nbd_lib.aio_get_fd
#define nbd_aio_in_flight nbd_lib.aio_in_flight
#define nbd_aio_is_closed nbd_lib.aio_is_closed
#define nbd_aio_is_dead nbd_lib.aio_is_dead
#define nbd_aio_is_negotiating nbd_lib.aio_is_negotiating
#define nbd_aio_is_ready nbd_lib.aio_is_ready
#define nbd_aio_notify_read nbd_lib.aio_notify_read
#define nbd_aio_notify_write nbd_lib.aio_notify_write
#define nbd_aio_opt_abort nbd_lib.aio_opt_abort
#define nbd_aio_opt_go nbd_lib.aio_opt_go
#define nbd_aio_opt_info nbd_lib.aio_opt_info
#define nbd_aio_opt_list nbd_lib.aio_opt_list
#define nbd_aio_pread nbd_lib.aio_pread
#define nbd_aio_pread_structured nbd_lib.aio_pread_structured
#define nbd_aio_pwrite nbd_lib.aio_pwrite
#define nbd_aio_trim nbd_lib.aio_trim
#define nbd_aio_zero nbd_lib.aio_zero
#define nbd_block_status nbd_lib.block_status
#define nbd_can_cache nbd_lib.can_cache
#define nbd_can_fast_zero nbd_lib.can_fast_zero
#define nbd_can_flush nbd_lib.can_flush
#define nbd_can_fua nbd_lib.can_fua
#define nbd_can_meta_context nbd_lib.can_meta_context
#define nbd_can_multi_conn nbd_lib.can_multi_conn
#define nbd_can_trim nbd_lib.can_trim
#define nbd_can_zero nbd_lib.can_zero
#define nbd_close nbd_lib.close
#define nbd_connect_uri nbd_lib.connect_uri
#define nbd_create nbd_lib.create
#define nbd_get_block_size nbd_lib.get_block_size
#define nbd_get_canonical_export_name nbd_lib.get_canonical_export_name
#define nbd_get_errno nbd_lib.get_errno
#define nbd_get_error nbd_lib.get_error
#define nbd_get_export_description nbd_lib.get_export_description
#define nbd_get_size nbd_lib.get_size
#define nbd_get_version nbd_lib.get_version
#define nbd_is_read_only nbd_lib.is_read_only
#define nbd_is_rotational nbd_lib.is_rotational
#define nbd_poll nbd_lib.poll
#define nbd_pread nbd_lib.pread
#define nbd_set_export_name nbd_lib.set_export_name
#define nbd_set_full_info nbd_lib.set_full_info
#define nbd_set_opt_mode nbd_lib.set_opt_mode
#define nbd_set_tls nbd_lib.set_tls
#define nbd_set_tls_certificates nbd_lib.set_tls_certificates
#define nbd_set_tls_psk_file nbd_lib.set_tls_psk_file
#define nbd_set_tls_username nbd_lib.set_tls_username
#define nbd_set_tls_verify_peer nbd_lib.set_tls_verify_peer
#define nbd_set_uri_allow_local_file nbd_lib.set_uri_allow_local_file
#define nbd_shutdown nbd_lib.shutdown
#define nbd_supports_tls nbd_lib.supports_tls
#define nbd_supports_uri nbd_lib.supports_uri
