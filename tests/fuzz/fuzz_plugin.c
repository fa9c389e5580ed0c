/* SPDX-License-Identifier: BSD-2-Clause */
/* A loaded plug-in that answers anything: sizes below zero, yes that is neither 0 nor 1, errors that are none, extents in any
 * order, names without end.  It may come to refusals, never to a crash or to a reply that the protocol forbids (client.h).
 * Of the input, the first bytes choose the stack, the API, the thread model and which callbacks there are; 64 are what they
 * answer; the rest are the client's requests. */
/* Aims at src: bridge/calls bridge/plugin_calls bridge/models bridge/api_message */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include "base/say.h"
#include "bridge/loaded.h"
#include "filters/filters.h"
#include "fuzz/client.h"

enum callback {
	LOAD, OPEN, CLOSE, GET_SIZE, CAN_WRITE, CAN_FLUSH, ROTATIONAL, CAN_TRIM, CAN_ZERO, CAN_FUA, MULTI_CONN, CAN_EXTENTS,
	CAN_CACHE, FAST_ZERO, PREAD, PWRITE, FLUSH, TRIM, ZERO, EXTENTS, CACHE, THREAD_MODEL, PRECONNECT, GET_READY, AFTER_FORK,
	LIST_EXPORTS, DEFAULT_EXPORT, DESCRIPTION, CLEANUP, BLOCK_SIZE, CALLBACKS
};
enum { SCRIPT = 64, NAME_LONG = 5000 };

static uint8_t script[SCRIPT];
static atomic_uint calls[CALLBACKS];
static char long_name[NAME_LONG + 1];

/* The byte that this call of it answers with. */
static uint8_t next(enum callback c)
{
	return script[(c * 2 + atomic_fetch_add(&calls[c], 1)) % SCRIPT];
}

/* What a plug-in may do in any callback, if it wants. */
static void meddle(uint8_t v)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof addr;

	switch (v) {
	case 0xe0:
		nbdkit_error("%s", long_name);
		break;
	case 0xe1:
		nbdkit_disconnect(v & 1);
		break;
	case 0xe2:
		nbdkit_disconnect(1);
		break;
	case 0xe3:
		nbdkit_export_name();
		nbdkit_peer_name((struct sockaddr *)&addr, &len);
		nbdkit_peer_pid();
		nbdkit_is_tls();
		break;
	case 0xe4:
		nbdkit_strdup_intern(long_name);
		nbdkit_strndup_intern(long_name, 7);
		nbdkit_printf_intern("%s", "");
		break;
	case 0xe5:
		nbdkit_nanosleep(0, 1);
		nbdkit_nanosleep(UINT_MAX, UINT_MAX); /* nonsense: refused */
		break;
	case 0xe6:
		nbdkit_debug("%s", "\xff\n");
		break;
	case 0xe7:
		nbdkit_shutdown();
		break;
	default:
		break;
	}
}

static int answer(enum callback c)
{
	static const int errors[] = { EIO, 0, -1, INT_MIN, INT_MAX, EOPNOTSUPP, ESHUTDOWN, EOVERFLOW };
	uint8_t v = next(c);

	meddle(v);
	if (v < 0xa0 || v >= 0xe0)
		return v & 1; /* any but -1 is success */
	if (v & 0x10)
		nbdkit_set_error(errors[v & 7]);
	else
		errno = errors[v & 7];
	return v & 8 ? INT_MIN : -1;
}

static int yes_no(enum callback c)
{
	static const int answers[] = { 1, 1, 2, 0, 1, 3, -1, INT_MAX, 1, INT_MIN, 0, 2, 1, 1, 0, 1 };
	uint8_t v = next(c);
	meddle(v);
	return answers[v % 16];
}

#define YES_NO(name, c) static int name(void *h) { return yes_no(c); }
YES_NO(can_write, CAN_WRITE)
YES_NO(can_flush, CAN_FLUSH)
YES_NO(is_rotational, ROTATIONAL)
YES_NO(can_trim, CAN_TRIM)
YES_NO(can_zero, CAN_ZERO)
YES_NO(can_fua, CAN_FUA)
YES_NO(can_multi_conn, MULTI_CONN)
YES_NO(can_extents, CAN_EXTENTS)
YES_NO(can_cache, CAN_CACHE)
YES_NO(can_fast_zero, FAST_ZERO)

static int get_ready(void) { return answer(GET_READY); }
static int after_fork(void) { return answer(AFTER_FORK); }
static int preconnect(int readonly) { return answer(PRECONNECT); }
static void cleanup(void) { answer(CLEANUP); }
static void close_it(void *h) { answer(CLOSE); }

static void *open_it(int readonly)
{
	return answer(OPEN) < 0 ? NULL : script;
}

static int thread_model(void)
{
	static const int models[] = { 3, 2, 1, 0, -1, 4, INT_MAX, INT_MIN };
	return models[next(THREAD_MODEL) % 8];
}

static int64_t get_size(void *h)
{
	static const int64_t sizes[] = { 1 << 20, 0, -1, INT64_MIN, INT64_MAX, 1, 511, 70000, 1 << 16, INT64_MAX - 511, (int64_t)1 << 40 };
	uint8_t v = next(GET_SIZE);
	meddle(v);
	return sizes[v % ARRAY_LEN(sizes)];
}

static int block_size(void *h, uint32_t *min, uint32_t *pref, uint32_t *max)
{
	static const uint32_t sizes[] = { 1, 512, 4096, 65536, 0, 3, 1 << 25, UINT32_MAX };
	uint8_t a = next(BLOCK_SIZE), b = next(BLOCK_SIZE);
	if (a == 0)
		return 0;
	*min = sizes[a % 8];
	*pref = sizes[a / 8 % 8];
	*max = sizes[b % 8];
	return b < 0xf0 ? 0 : -1;
}

static const char *name_of(uint8_t v)
{
	static const char *const names[] = { "", "a", "b\xff\n\"", NULL };
	return v % 8 < 4 ? names[v % 8] : v % 8 == 4 ? long_name : long_name + NAME_LONG - 4096;
}

static const char *default_export(int readonly, int tls) { return name_of(next(DEFAULT_EXPORT)); }
static const char *description(void *h) { return name_of(next(DESCRIPTION)); }

static int list_exports(int readonly, int tls, struct nbdkit_exports *x)
{
	uint8_t many = next(LIST_EXPORTS);
	for (unsigned i = 0, n = many == 0xff ? 11000 : many & 7; i < n; i++)
		if (nbdkit_add_export(x, name_of(next(LIST_EXPORTS)), name_of(next(LIST_EXPORTS))) < 0 && many & 8)
			return -1;
	if (many & 16)
		nbdkit_use_default_export(x);
	return many & 32 ? answer(LIST_EXPORTS) : 0;
}

static int pread_2(void *h, void *buf, uint32_t count, uint64_t off, uint32_t flags)
{
	memset(buf, 'r', count);
	return answer(PREAD);
}

static int pwrite_2(void *h, const void *buf, uint32_t count, uint64_t off, uint32_t flags) { return answer(PWRITE); }
static int flush_2(void *h, uint32_t flags) { return answer(FLUSH); }
static int trim_2(void *h, uint32_t count, uint64_t off, uint32_t flags) { return answer(TRIM); }
static int zero_2(void *h, uint32_t count, uint64_t off, uint32_t flags) { return answer(ZERO); }
static int cache(void *h, uint32_t count, uint64_t off, uint32_t flags) { return answer(CACHE); }
static int pread_1(void *h, void *buf, uint32_t count, uint64_t off) { return pread_2(h, buf, count, off, 0); }
static int pwrite_1(void *h, const void *buf, uint32_t count, uint64_t off) { return answer(PWRITE); }
static int flush_1(void *h) { return answer(FLUSH); }
static int trim_1(void *h, uint32_t count, uint64_t off) { return answer(TRIM); }
static int zero_1(void *h, uint32_t count, uint64_t off, int may_trim) { return answer(ZERO); }

static int extents(void *h, uint32_t count, uint64_t off, uint32_t flags, struct nbdkit_extents *x)
{
	static const uint64_t lens[] = { 512, 1, 0, UINT64_MAX, INT64_MAX, 4096, 1 << 20, 77 };
	uint8_t v = next(EXTENTS);
	uint64_t at = v & 1 ? off - lens[v / 2 % 8] : off;

	for (unsigned i = 0, n = v == 0xff ? 70000 : v >> 4; i < n; i++) {
		uint8_t e = next(EXTENTS);
		uint64_t len = lens[e % 8];
		if (nbdkit_add_extent(x, at, len, e & 128 ? e : e >> 3 & 3) < 0 && e & 64)
			return -1;
		at = e & 32 && e & 64 ? at - 1 : at + len;
	}
	return v & 2 ? answer(EXTENTS) : 0;
}

/* --- how it gets into the server --- */

static const struct nbdkit_plugin all = {
	._struct_size = sizeof all, ._api_version = 2, ._thread_model = NBDKIT_THREAD_MODEL_PARALLEL, .name = "hostile",
	.open = open_it, .close = close_it, .get_size = get_size, .can_write = can_write, .can_flush = can_flush,
	.is_rotational = is_rotational, .can_trim = can_trim, .can_zero = can_zero, .can_fua = can_fua,
	.can_multi_conn = can_multi_conn, .can_extents = can_extents, .can_cache = can_cache, .can_fast_zero = can_fast_zero,
	.pread = pread_2, .pwrite = pwrite_2, .flush = flush_2, .trim = trim_2, .zero = zero_2, .cache = cache, .extents = extents,
	.pread_v1_ = pread_1, .pwrite_v1_ = pwrite_1, .flush_v1_ = flush_1, .trim_v1_ = trim_1, .zero_v1_ = zero_1,
	.thread_model = thread_model, .preconnect = preconnect, .get_ready = get_ready, .after_fork = after_fork,
	.list_exports = list_exports, .default_export = default_export, .export_description = description, .cleanup = cleanup,
	.block_size = block_size,
};

/* It is no file: the linker puts this in the place of the bridge's. */
void *__wrap_life_open(struct step *s, const char *init, const char *kind);

void *__wrap_life_open(struct step *s, const char *init, const char *kind)
{
	static struct nbdkit_plugin copy;
	copy = all;
	s->rc = -1; /* as it leaves it: load goes on from there */
	return &copy;
}

/* Loaded once, since what is loaded stays; before each case it gets another face. */
static struct loaded *hostile(void)
{
	static const struct module *loaded;
	struct err e;
	if (!loaded) {
		say_start("fuzz", SAY_NULL, false);
		memset(long_name, 'n', NAME_LONG);
		MUST(loaded = plugin_load("/proc/self/exe", NULL, 0, &e));
	}
	return loaded_of(loaded);
}

static void leave_out(struct nbdkit_plugin *f, uint32_t which)
{
	void *fields[] = {
		&f->close, &f->can_write, &f->can_flush, &f->is_rotational, &f->can_trim, &f->can_zero, &f->can_fua,
		&f->can_multi_conn, &f->can_extents, &f->can_cache, &f->can_fast_zero, &f->pwrite, &f->flush, &f->trim, &f->zero,
		&f->cache, &f->extents, &f->pwrite_v1_, &f->flush_v1_, &f->trim_v1_, &f->zero_v1_, &f->thread_model,
		&f->preconnect, &f->get_ready, &f->after_fork, &f->list_exports, &f->default_export, &f->export_description,
		&f->cleanup, &f->block_size,
	};
	for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
		if (which >> i & 1)
			memset(fields[i], 0, sizeof(void *));
}

static void put_on(struct loaded *l, struct input *in)
{
	struct err e;
	uint8_t how = (uint8_t)input_take(in, 1);

	l->p = all;
	l->p._api_version = how & 1 ? 1 : 2;
	l->p._thread_model = how >> 1 & 3;
	l->p.errno_is_preserved = how & 8;
	leave_out(&l->p, (uint32_t)input_take(in, 4));
	for (unsigned i = 0; i < SCRIPT; i++)
		script[i] = (uint8_t)input_take(in, 1);
	memset(calls, 0, sizeof calls);
	l->failed = l->forked = false;
	l->mod.direct = NULL; /* life_threads() sets it */
	if (!l->own)
		MUST(l->own = pool_new(1, &e));
}

static void ask_for_list(struct fuzz_client *c)
{
	uint8_t option[NBD_OPTION_SIZE];
	put_be32(put_be32(put_be64(option, NBD_IHAVEOPT), NBD_OPT_LIST), 0);
	conn_rig_send(&c->rig, "\0\0\0\3", 4);
	conn_rig_send(&c->rig, option, sizeof option);
	client_wait(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct module *const filters[] = { NULL, &mod_blocksize, &mod_cow, &mod_offset, &mod_delay, &mod_passthrough };
	static const char *const options[] = { "minblock", "512", "offset", "100", "wdelay", "1ms", NULL };
	static struct fuzz_client client;
	struct input in = { p, n };
	struct loaded *l = hostile();
	unsigned stack = input_pick(&in, 8), style = (unsigned)input_take(&in, 1);
	const struct module *mods[3] = { &l->mod };

	if (stack < ARRAY_LEN(filters) && filters[stack]) {
		mods[0] = filters[stack];
		mods[1] = &l->mod;
	}
	put_on(l, &in);
	memset(&client, 0, sizeof client);
	client.may_leave = true;
	client.longest = 4 << 20;
	if (conn_rig_start(&client.rig, mods, options)) {
		if (style & 8)
			ask_for_list(&client);
		else if (client_enter(&client, (enum reply_style)(style % 3), style & 4))
			client_requests(&client, &in);
		client_end(&client, style >> 4);
	} else {
		conn_rig_stop(&client.rig);
	}
	return 0;
}
