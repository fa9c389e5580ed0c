/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a client's handshake, before servers of every kind.  The first byte chooses the server, the second the pieces
 * that the bytes arrive in; the rest is the client's.  options.h tells what is checked. */
/* Aims at src: server/handshake server/options */
#include "fuzz/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct input in = { p, n };
	uint8_t how = (uint8_t)input_take(&in, 1), piece = (uint8_t)input_take(&in, 1);
	const struct options_server s = {
		.oldstyle = (how & 0x31) == 0x31, .no_structured = how & 2, .readonly = how & 4, .ends = how & 0x80,
		.mask = how & 8 ? (uint16_t)(how >> 5 & 3) : UINT16_MAX, .piece = piece & 0x7f,
	};

	options_run(&s, in.p, in.n);
	return 0;
}
