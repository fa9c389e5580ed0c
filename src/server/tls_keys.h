/* SPDX-License-Identifier: BSD-2-Clause */
/* What a session needs of the keys: for tls.c. */
#pragma once
#include "server/tls.h"
#include "server/tls_lib.h"

/* Priorities, credentials and what is asked of the client.  0, or GnuTLS's error. */
int tls_keys_use(const struct tls *keys, gnutls_session_t session);
bool tls_keys_psk(const struct tls *keys);    /* by name and key, else by certificate ... */
bool tls_keys_verify(const struct tls *keys); /* ... and the client's is asked for and verified */
