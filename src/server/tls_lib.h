/* SPDX-License-Identifier: BSD-2-Clause */
/* GnuTLS, loaded when keys are: it brings eight libraries along, which a server without TLS should not have to map.
 *
 * Its functions are called by their own names, which are macros here; they may be called once tls_lib_load() went well. */
#pragma once
#include <gnutls/gnutls.h>
#include <gnutls/socket.h>
#include <gnutls/x509.h>
#include "base/err.h"

#define TLS_LIB_FUNCTIONS(X) \
	X(alert_get) \
	X(alert_get_name) \
	X(alert_send_appropriate) \
	X(bye) \
	X(certificate_allocate_credentials) \
	X(certificate_free_credentials) \
	X(certificate_get_peers) \
	X(certificate_server_set_request) \
	X(certificate_set_x509_crl_file) \
	X(certificate_set_x509_key_file) \
	X(certificate_set_x509_trust_file) \
	X(certificate_verification_status_print) \
	X(credentials_set) \
	X(deinit) \
	X(error_is_fatal) \
	X(handshake) \
	X(init) \
	X(priority_deinit) \
	X(priority_init2) \
	X(priority_set) \
	X(psk_allocate_server_credentials) \
	X(psk_free_server_credentials) \
	X(psk_server_get_username2) \
	X(psk_set_server_credentials_function2) \
	X(record_check_pending) \
	X(record_get_direction) \
	X(record_recv) \
	X(record_send) \
	X(session_get_desc) \
	X(session_get_ptr) \
	X(session_get_verify_cert_status) \
	X(session_set_ptr) \
	X(session_set_verify_cert2) \
	X(strerror) \
	X(transport_is_ktls_enabled) \
	X(transport_set_int2) \
	X(transport_set_ptr) \
	X(transport_set_pull_function) \
	X(transport_set_vec_push_function) \
	X(x509_crt_deinit) \
	X(x509_crt_get_dn3) \
	X(x509_crt_get_issuer_dn3) \
	X(x509_crt_import) \
	X(x509_crt_init)

struct tls_lib {
#define X(name) __typeof__(gnutls_##name) *name;
	TLS_LIB_FUNCTIONS(X)
#undef X
	gnutls_alloc_function alloc; /* for memory that changes hands */
	gnutls_free_function release;
};

extern struct tls_lib tls_lib; /* constant after tls_lib_load() */

/* Main thread, before others call GnuTLS; again: no effect.  0, or -1 with e set. */
int tls_lib_load(struct err *e);

#define gnutls_alert_get tls_lib.alert_get
#define gnutls_alert_get_name tls_lib.alert_get_name
#define gnutls_alert_send_appropriate tls_lib.alert_send_appropriate
#define gnutls_bye tls_lib.bye
#define gnutls_certificate_allocate_credentials tls_lib.certificate_allocate_credentials
#define gnutls_certificate_free_credentials tls_lib.certificate_free_credentials
#define gnutls_certificate_get_peers tls_lib.certificate_get_peers
#define gnutls_certificate_server_set_request tls_lib.certificate_server_set_request
#define gnutls_certificate_set_x509_crl_file tls_lib.certificate_set_x509_crl_file
#define gnutls_certificate_set_x509_key_file tls_lib.certificate_set_x509_key_file
#define gnutls_certificate_set_x509_trust_file tls_lib.certificate_set_x509_trust_file
#define gnutls_certificate_verification_status_print tls_lib.certificate_verification_status_print
#define gnutls_credentials_set tls_lib.credentials_set
#define gnutls_deinit tls_lib.deinit
#define gnutls_error_is_fatal tls_lib.error_is_fatal
#define gnutls_handshake tls_lib.handshake
#define gnutls_init tls_lib.init
#define gnutls_priority_deinit tls_lib.priority_deinit
#define gnutls_priority_init2 tls_lib.priority_init2
#define gnutls_priority_set tls_lib.priority_set
#define gnutls_psk_allocate_server_credentials tls_lib.psk_allocate_server_credentials
#define gnutls_psk_free_server_credentials tls_lib.psk_free_server_credentials
#define gnutls_psk_server_get_username2 tls_lib.psk_server_get_username2
#define gnutls_psk_set_server_credentials_function2 tls_lib.psk_set_server_credentials_function2
#define gnutls_record_check_pending tls_lib.record_check_pending
#define gnutls_record_get_direction tls_lib.record_get_direction
#define gnutls_record_recv tls_lib.record_recv
#define gnutls_record_send tls_lib.record_send
#define gnutls_session_get_desc tls_lib.session_get_desc
#define gnutls_session_get_ptr tls_lib.session_get_ptr
#define gnutls_session_get_verify_cert_status tls_lib.session_get_verify_cert_status
#define gnutls_session_set_ptr tls_lib.session_set_ptr
#define gnutls_session_set_verify_cert2 tls_lib.session_set_verify_cert2
#define gnutls_strerror tls_lib.strerror
#define gnutls_transport_is_ktls_enabled tls_lib.transport_is_ktls_enabled
#define gnutls_transport_set_int2 tls_lib.transport_set_int2
#define gnutls_transport_set_ptr tls_lib.transport_set_ptr
#define gnutls_transport_set_pull_function tls_lib.transport_set_pull_function
#define gnutls_transport_set_vec_push_function tls_lib.transport_set_vec_push_function
#define gnutls_x509_crt_deinit tls_lib.x509_crt_deinit
#define gnutls_x509_crt_get_dn3 tls_lib.x509_crt_get_dn3
#define gnutls_x509_crt_get_issuer_dn3 tls_lib.x509_crt_get_issuer_dn3
#define gnutls_x509_crt_import tls_lib.x509_crt_import
#define gnutls_x509_crt_init tls_lib.x509_crt_init
