/* SPDX-License-Identifier: BSD-2-Clause */
/* options: a whole handshake with given client bytes, and the server's answer read against them: greeting, and for each option
 * its replies, the last of them final, in order, until transmission begins or the connection ends. */
#pragma once
#include "fuzz/client.h"

struct options_server {
	bool oldstyle, no_structured, readonly;
	uint16_t mask;       /* of handshake flags */
	size_t piece;        /* bytes a recv() gives; 0: any */
	bool ends;           /* the client closes its side behind the bytes */
};

void options_run(const struct options_server *s, const uint8_t *bytes, size_t n);
