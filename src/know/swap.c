/* SPDX-License-Identifier: BSD-2-Clause */
/* Swap space as mkswap(8) makes it: the kernel's include/linux/swap.h, union swap_header; and know_label(). */
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/label.h"

enum { INFO = 1024, BAD_PAGES = 1536, MAGIC = 10 /* bytes, at the end of the page */ };

static uint32_t number(const uint8_t *p, bool big)
{
	return big ? get_be32(p) : get_le32(p);
}

static bool look(struct know_build *b, unsigned volume, uint32_t page)
{
	static const char *const asleep[] = { "S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001" }; /* a picture of memory is in it */
	const uint8_t *p = know_peek(b, volume, page - MAGIC, MAGIC);
	struct know_volume *v = know_volume_set(b, volume);
	bool sleeps = false, old = p && memcmp(p, "SWAP-SPACE", MAGIC) == 0;

	for (size_t i = 0; p && i < ARRAY_LEN(asleep); i++)
		sleeps |= memcmp(p, asleep[i], strlen(asleep[i])) == 0;
	if (!p || (!old && !sleeps && memcmp(p, "SWAPSPACE2", MAGIC) != 0) || !(p = know_peek(b, volume, 0, page)))
		return false;
	bool big = get_be32(p + INFO) == 1;
	uint64_t pages = old ? v->len / page : (uint64_t)number(p + INFO + 4, big) + 1;
	uint32_t bad = old ? 0 : MIN(number(p + INFO + 8, big), (page - BAD_PAGES - MAGIC) / 4);

	if (!old && !big && get_le32(p + INFO) != 1)
		return false;
	v->format = "swap";
	v->block = page;
	v->dirty = sleeps;
	if (!old) {
		know_uuid(v->id, p + INFO + 12, false);
		know_text(v->name, sizeof v->name, p + INFO + 28, 16, false);
	}
	for (uint32_t i = 0; i < bad; i++)
		know_add_plain(b, volume, KNOW_LAYER_INSIDE, KNOW_SWAP, (uint64_t)number(p + BAD_PAGES + 4 * (size_t)i, big) * page, page,
			       0, KNOW_BAD);
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_SWAP_HEADER, 0, page, 0, 0);
	if (pages > 1)
		know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_SWAP, page, (pages - 1) * page, 0, 0);
	if (pages > v->len / page)
		know_note(b, volume, "the swap space is %llu pages longer than there is room", (unsigned long long)(pages - v->len / page));
	return true;
}

bool label_swap(struct know_build *b, unsigned volume)
{
	for (uint32_t page = 4096; page <= 65536; page *= 2)
		if (look(b, volume, page))
			return true;
	return false;
}

bool know_label(struct know_build *b, unsigned volume)
{
	return label_lvm(b, volume) || label_md_090(b, volume) || label_swap(b, volume) || label_luks(b, volume);
}
