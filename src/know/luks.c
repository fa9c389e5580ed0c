/* SPDX-License-Identifier: BSD-2-Clause */
/* LUKS: the headers, the room for keys, and what is encrypted.  Sources: the LUKS1 and LUKS2 On-Disk Format Specifications of cryptsetup.
 * Checksums are not looked at, and nothing is decrypted. */
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/label.h"

enum {
	SECTOR = 512, HEAD = 512, UUID = 168, UUID_LEN = 40,
	PAYLOAD1 = 104, KEY_BYTES = 108, SLOT = 208, SLOT_LEN = 48, SLOTS = 8, SLOT_AT = 40, SLOT_STRIPES = 44, /* version 1 */
	HEADER_LEN = 8, LABEL = 24, LABEL_LEN = 48, JSON = 4096, HEADER_MIN = 16 << 10, HEADER_MAX = 4 << 20, /* version 2 */
};

static const uint8_t magic[6] = { 'L', 'U', 'K', 'S', 0xba, 0xbe }, magic2[6] = { 'S', 'K', 'U', 'L', 0xba, 0xbe };

static void add(struct know_build *b, unsigned volume, enum know_label_part part, uint64_t off, uint64_t len, unsigned flags)
{
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_LABEL, off, len, part, flags);
}

/* From here to the end.  Where that is not known: no more is said than that there is something. */
static void add_payload(struct know_build *b, unsigned volume, uint64_t off)
{
	uint64_t len = know_volume(b, volume)->len;

	if (off && off < len)
		know_add_plain(b, volume, KNOW_LAYER_FREE, KNOW_ENCRYPTED, off, len - off, 0, 0);
	else if (!off)
		know_note(b, volume, "where the encrypted data begins is not known");
}

static void version_1(struct know_build *b, unsigned volume, const uint8_t *p)
{
	uint64_t payload = (uint64_t)get_be32(p + PAYLOAD1) * SECTOR, key = get_be32(p + KEY_BYTES);

	add_payload(b, volume, payload);
	for (unsigned i = 0; i < SLOTS; i++) {
		const uint8_t *slot = p + SLOT + (size_t)i * SLOT_LEN;
		uint64_t at = (uint64_t)get_be32(slot + SLOT_AT) * SECTOR, len = key * get_be32(slot + SLOT_STRIPES);
		if (at >= SLOT + SLOTS * SLOT_LEN && len && at < payload)
			add(b, volume, KNOW_LABEL_KEYS, at, MIN(len, payload - at), 0);
	}
	add(b, volume, KNOW_LABEL_HEADER, 0, SLOT + SLOTS * SLOT_LEN, 0);
	if (payload > SLOT + SLOTS * SLOT_LEN)
		know_add_plain(b, volume, KNOW_LAYER_FREE, KNOW_LABEL, 0, payload, KNOW_LABEL_RESERVED, 0);
}

/* The first segment's place, from the JSON behind a header: "segments":{"0":{..."offset":"16777216"...  0: it is not found. */
static uint64_t find_segment(char *json, size_t n)
{
	json[n - 1] = '\0';
	char *at = strstr(json, "\"segments\"");
	char *off = at ? strstr(at, "\"offset\":\"") : NULL;

	return off ? strtoull(off + 10, NULL, 10) : 0;
}

static void version_2(struct know_build *b, unsigned volume, uint64_t at, uint64_t len)
{
	struct know_volume *v = know_volume_set(b, volume);
	char *json = malloc((size_t)len - JSON);
	bool good = json && know_read(b, volume, at + JSON, (size_t)len - JSON, json) == 0;
	uint64_t first = good ? find_segment(json, (size_t)len - JSON) : 0;
	const uint8_t *p;

	free(json);
	for (unsigned i = 0; i < 2; i++) {
		bool there = (p = know_peek(b, volume, i * len, HEAD)) && memcmp(p, i ? magic2 : magic, sizeof magic) == 0;
		add(b, volume, KNOW_LABEL_HEADER, i * len, len, (i ? KNOW_COPY : 0) | (there ? 0 : KNOW_BAD));
		if (!there)
			know_note(b, volume, "the %s header of LUKS is not there", i ? "second" : "first");
	}
	add_payload(b, volume, first);
	if (first > 2 * len && first <= v->len)
		add(b, volume, KNOW_LABEL_KEYS, 2 * len, first - 2 * len, 0);
}

static bool look_at(struct know_build *b, unsigned volume, uint64_t at)
{
	struct know_volume *v = know_volume_set(b, volume);
	uint8_t p[HEAD + SLOT_LEN * SLOTS];

	if (know_read(b, volume, at, sizeof p, p) || memcmp(p, at ? magic2 : magic, sizeof magic) != 0)
		return false;
	unsigned version = get_be16(p + 6);
	uint64_t len = get_be64(p + HEADER_LEN);
	bool two = version == 2 && len >= HEADER_MIN && len <= HEADER_MAX && !(len & (len - 1)) && len <= v->len / 2 && (!at || at == len);
	if (!two && (version != 1 || at))
		return false;
	v->format = two ? "luks2" : "luks1";
	know_text(v->id, sizeof v->id, p + UUID, strnlen((const char *)p + UUID, UUID_LEN), false);
	if (two)
		know_text(v->name, sizeof v->name, p + LABEL, strnlen((const char *)p + LABEL, LABEL_LEN), false);
	if (two)
		version_2(b, volume, at, len);
	else
		version_1(b, volume, p);
	return true;
}

bool label_luks(struct know_build *b, unsigned volume)
{
	if (look_at(b, volume, 0))
		return true;
	for (uint64_t at = HEADER_MIN; at <= HEADER_MAX; at *= 2) /* the first header is gone */
		if (look_at(b, volume, at))
			return true;
	return false;
}
