/* SPDX-License-Identifier: BSD-2-Clause */
/* A client that sends anything, in any pieces, to a server with two filters and a small disk.
 * The first byte chooses the piece size and the handshake's age; the rest is the client's. */
/* Aims at src: server/conn server/handshake server/options server/request server/reply server/rx server/send server/payload wire/nbd */
#include "filters/filters.h"
#include "plugins/plugins.h"
#include "unit/conn_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct module *const mods[] = { &mod_passthrough, &mod_delay, &mod_memory, NULL };
	static const char *const options[] = { "size", "8M", "delay-trim", "1ms", NULL };
	struct conn_rig t;

	if (n < 1 || !conn_rig_start(&t, mods, options))
		return 0;
	t.piece = p[0] & 0x7f;
	conn_rig_send(&t, p + 1, n - 1);
	conn_rig_turn(&t);
	t.loop.now += NS_PER_MS;
	conn_rig_turn(&t);
	if (p[0] & 0x80)
		conn_rig_end(&t);
	conn_rig_turn(&t);
	conn_rig_stop(&t);
	return 0;
}
