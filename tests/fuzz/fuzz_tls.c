/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client may do behind NBD_OPT_STARTTLS: anything instead of a handshake, a handshake that was tampered with, anything
 * behind a good one, in records of its own making or not.
 * The first byte chooses the piece size and whether the client hangs up, the second which of these; the rest is the client's. */
#include "base/say.h"
#include "filters/filters.h"
#include "plugins/plugins.h"
#include "unit/tls_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const uint8_t opening[] = { 0, 0, 0, 3, 'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 0, 0, NBD_OPT_STARTTLS, 0, 0, 0, 0 };

/* Bytes of a real client, some of them changed: each triple of the input is a place and what to do there. */
static void tampered(struct conn_rig *t, struct tls_client *c, const uint8_t *p, size_t n)
{
	for (int flight = 0; flight < 4; flight++) {
		size_t from = t->in.len;
		gnutls_handshake(c->session);
		for (; n >= 3 && t->in.len > from; p += 3, n -= 3) {
			if (p[0] == 0xff && p[1] == 0xff) { /* on to the next flight */
				p += 3, n -= 3;
				break;
			}
			size_t at = from + (p[0] << 8 | p[1]) % (t->in.len - from);
			t->in.p[at] ^= (char)p[2];
		}
		conn_rig_turn(t);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct module *const mods[] = { &mod_delay, &mod_memory, NULL };
	static const char *const options[] = { "size", "8M", "delay-trim", "1ms", NULL };
	static struct tls *keys;
	struct conn_rig t;
	struct tls_client c;

	if (!keys) {
		say_start("fuzz", SAY_NULL, false);
		keys = tls_client_keys();
	}
	if (n < 2 || !keys || !conn_rig_start(&t, mods, options))
		return 0;
	t.config.tls = keys;
	conn_rig_send(&t, opening, sizeof opening);
	conn_rig_turn(&t);
	conn_rig_got(&t, 18 + 20);
	bool ready = tls_client_start(&c, &t, p[1] & 1 ? TLS_CLIENT_12 : TLS_CLIENT_13, "alice", "00112233445566778899aabbccddeeff");
	t.piece = p[0] & 0x7f;
	switch (p[1] >> 1 & 3) {
	case 0: /* anything at all */
		conn_rig_send(&t, p + 2, n - 2);
		break;
	case 1:
		if (ready)
			tampered(&t, &c, p + 2, n - 2);
		break;
	case 2: /* behind a handshake, in good records */
		if (ready && tls_client_shake(&c) == 0 && n > 2)
			tls_client_send(&c, p + 2, n - 2);
		break;
	case 3: /* ... or none */
		if (ready && tls_client_shake(&c) == 0)
			conn_rig_send(&t, p + 2, n - 2);
		break;
	}
	conn_rig_turn(&t);
	t.loop.now += NS_PER_MS;
	conn_rig_turn(&t);
	if (p[0] & 0x80)
		conn_rig_end(&t);
	conn_rig_turn(&t);
	tls_client_stop(&c);
	conn_rig_stop(&t);
	return 0;
}
