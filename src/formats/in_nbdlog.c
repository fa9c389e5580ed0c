/* SPDX-License-Identifier: BSD-2-Clause */
/* The transaction logs of nbd-server: requests and replies as they were on the wire, big-endian, without times; with datalog=true the
 * bytes of each write behind its request.  Facts: nbd-server(5), and the NBD protocol. */
#include <inttypes.h>
#include "base/bytes.h"
#include "formats/formats.h"

enum { REQUEST = 28, REPLY = 16, CHUNK = 20 };
#define REQUEST_MAGIC 0x25609513u
#define OPTION_MAGIC 0x25609514u
#define REPLY_MAGIC 0x67446698u
#define CHUNK_MAGIC 0x668e33efu

static bool is(const uint8_t *p, size_t n)
{
	return n >= 4 && (get_be32(p) == REQUEST_MAGIC || get_be32(p) == OPTION_MAGIC);
}

/* False: no more, please; or *bytes 0: cut off. */
static bool request(struct fmt_in *in, const uint8_t *p, uint64_t at, uint64_t number, bool datalog, size_t *bytes, fmt_see *see, void *arg)
{
	static const uint8_t ops[] = { REC_READ, REC_WRITE, REC_OPS, REC_FLUSH, REC_TRIM, REC_CACHE, REC_ZERO, REC_EXTENTS };
	uint32_t command = get_be32(p + 4) & 0xffff, flags = get_be32(p + 4) >> 16;
	struct rec_event r = { .type = REC_BEGIN, .time = number, .conn = 1, .id = get_be64(p + 8), .off = get_be64(p + 16),
		.len = get_be32(p + 24) };
	struct rec_run run = { .off = r.off, .len = r.len, .addr = at + REQUEST };
	struct fmt_event ev = { .runs = &run };

	*bytes = REQUEST;
	if (command == 1 && datalog) {
		if (r.len > in->source.size - at - REQUEST) {
			*bytes = 0;
			return true;
		}
		*bytes += r.len;
		ev.count = r.len ? 1 : 0;
	}
	r.op = command < ARRAY_LEN(ops) ? ops[command] : REC_OPS;
	r.flags = (flags & 1 ? REC_FUA : 0) | (flags & 2 ? REC_NO_HOLE : 0) | (flags & 8 ? REC_REQ_ONE : 0) | (flags & 16 ? REC_FAST : 0);
	if (r.op == REC_FLUSH)
		r.off = r.len = 0;
	if (command == 2)
		r = (struct rec_event){ .type = REC_DISCONNECT, .time = number, .conn = 1 };
	else if (r.op == REC_OPS || r.off > INT64_MAX - r.len) {
		fmt_note(in, "at byte %" PRIu64 ": a request that makes no sense: left out", at);
		return true;
	}
	ev.rec = r;
	return see(arg, &ev);
}

static bool reply(const uint8_t *p, uint64_t number, uint32_t error, fmt_see *see, void *arg)
{
	struct fmt_event ev = { .rec = { .type = REC_END, .time = number, .conn = 1, .id = get_be64(p), .err = MIN(error, 4095u) } };
	return see(arg, &ev);
}

static int walk(struct fmt_in *in, fmt_see *see, void *arg, struct err *e)
{
	uint64_t at = 0, rubbish = UINT64_MAX;
	bool more = true, datalog = false;

	(void)e;
	for (uint64_t number = 0; more && at < in->source.size; number++) {
		const uint8_t *p = fmt_window(in, at, 4);
		uint32_t magic = p ? get_be32(p) : 0;
		size_t bytes = magic == REQUEST_MAGIC || magic == OPTION_MAGIC ? REQUEST : magic == REPLY_MAGIC ? REPLY
			: magic == CHUNK_MAGIC ? CHUNK : 0;

		if (p && !bytes) { /* until something begins again */
			rubbish = MIN(rubbish, at);
			at++;
			continue;
		}
		if (rubbish != UINT64_MAX)
			fmt_note(in, "at byte %" PRIu64 ": nothing that is known: %" PRIu64 " bytes are left out", rubbish, at - rubbish);
		rubbish = UINT64_MAX;
		p = bytes ? fmt_window(in, at, bytes) : NULL; /* fewer than four are left */
		if (p && magic == REQUEST_MAGIC) {
			more = request(in, p, at, number, datalog, &bytes, see, arg);
		} else if (p && magic == OPTION_MAGIC) {
			datalog = datalog || get_be32(p + 4) == 1;
		} else if (p && magic == REPLY_MAGIC) {
			more = reply(p + 8, number, get_be32(p + 4), see, arg);
		} else if (p && get_be16(p + 4) & 1) { /* the last chunk of a structured reply */
			more = reply(p + 8, number, get_be16(p + 6) & 0x8000 ? 5 : 0, see, arg);
		}
		if (!p || !bytes) {
			fmt_note(in, "at byte %" PRIu64 ": cut off", at);
			break;
		}
		at += bytes;
	}
	if (rubbish != UINT64_MAX)
		fmt_note(in, "at byte %" PRIu64 ": nothing that is known, nor behind", rubbish);
	return 0;
}

const struct fmt_reader fmt_in_nbdlog = {
	.name = "nbdlog",
	.help = "nbd-server's transaction log",
	.is = is,
	.walk = walk,
};
