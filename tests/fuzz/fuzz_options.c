/* SPDX-License-Identifier: BSD-2-Clause */
/* Options that are nearly right: the input chooses numbers, names, lengths and queries, and here and there one that is wrong,
 * so that magic numbers and lengths are no obstacle.  options.h tells what is checked. */
/* Aims at src: server/options server/handshake */
#include <string.h>
#include "fuzz/options.h"

enum { BYTES_MAX = 256 << 10, STRING_LONG = 4100 };

struct writer {
	uint8_t bytes[BYTES_MAX];
	size_t n;
};

static void put(struct writer *w, const void *p, size_t n)
{
	n = MIN(n, BYTES_MAX - w->n);
	memcpy(w->bytes + w->n, p, n);
	w->n += n;
}

static void put_number(struct writer *w, uint64_t v, unsigned n)
{
	uint8_t be[8];
	put_be64(be, v);
	put(w, be + 8 - n, n);
}

/* A length, now and then a wrong one. */
static uint32_t lie(struct input *in, uint32_t len)
{
	uint8_t v = (uint8_t)input_take(in, 1);
	return v < 0xf0 ? len : v < 0xf4 ? len + 1 : v < 0xf8 ? len - 1 : (uint32_t)input_take(in, 4);
}

static void put_string(struct writer *w, struct input *in, bool counted)
{
	static const char *const strings[] = { "", "a", "base:allocation", "base:", "base", "qemu:dirty-bitmap:x",
						"base:allocation2", ":" };
	static char text[STRING_LONG];
	uint8_t v = (uint8_t)input_take(in, 1);
	uint32_t len;

	if (v < 0x80) {
		len = (uint32_t)strlen(strings[v % ARRAY_LEN(strings)]);
		memcpy(text, strings[v % ARRAY_LEN(strings)], len + 1);
	} else if (v < 0xf0) {
		len = v & 15;
		for (uint32_t i = 0; i < len; i++)
			text[i] = (char)input_take(in, 1);
	} else {
		len = STRING_LONG - 8 + v % 8; /* 4096 are allowed */
		memset(text, 'x', len);
	}
	if (counted)
		put_number(w, lie(in, len), 4);
	put(w, text, len);
}

static void put_data(struct writer *w, struct input *in, uint32_t option)
{
	uint8_t v = (uint8_t)input_take(in, 1);
	uint32_t n = v & 7;

	switch (option) {
	case NBD_OPT_EXPORT_NAME:
		put_string(w, in, false);
		break;
	case NBD_OPT_INFO:
	case NBD_OPT_GO:
		put_string(w, in, true);
		put_number(w, v == 0xff ? input_take(in, 2) : n, 2);
		for (uint32_t i = 0; i < n; i++)
			put_number(w, input_take(in, 1) % 6, 2);
		break;
	case NBD_OPT_LIST_META_CONTEXT:
	case NBD_OPT_SET_META_CONTEXT:
		put_string(w, in, true);
		put_number(w, lie(in, n), 4);
		for (uint32_t i = 0; i < n; i++)
			put_string(w, in, true);
		break;
	default:
		for (uint32_t i = 0; v >= 0xf0 && i < n; i++) /* there should be none */
			put_number(w, i, 4);
		break;
	}
	if (v == 0xfe) /* more than is looked at */
		for (unsigned i = 0; i < 70000; i += 8)
			put_number(w, i, 8);
}

static void put_option(struct writer *w, struct input *in)
{
	static struct writer data;
	uint8_t v = (uint8_t)input_take(in, 1);
	uint32_t option = v < 0xf0 ? v % 12 : (uint32_t)input_take(in, 4);

	data.n = 0;
	put_data(&data, in, option);
	put_number(w, v == 0xef ? NBD_IHAVEOPT ^ 1u << input_pick(in, 32) : NBD_IHAVEOPT, 8);
	put_number(w, option, 4);
	put_number(w, lie(in, (uint32_t)data.n), 4);
	put(w, data.bytes, data.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct writer w;
	struct input in = { p, n };
	uint8_t how = (uint8_t)input_take(&in, 1), piece = (uint8_t)input_take(&in, 1);
	const struct options_server s = { .no_structured = how & 1, .readonly = how & 2, .mask = UINT16_MAX, .piece = piece & 0x7f };

	w.n = 0;
	put_number(&w, how & 4 ? NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES : NBD_FLAG_FIXED_NEWSTYLE, 4);
	for (unsigned i = 0, many = how == 0xff ? 1100 : 1; input_more(&in); i = 0)
		while (i++ < many)
			put_option(&w, &in);
	options_run(&s, w.bytes, w.n);
	return 0;
}
