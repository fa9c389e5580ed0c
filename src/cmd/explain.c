/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope explain: what each byte of a disk is for. */
#include "cmd/explain.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "base/say.h"
#include "base/util.h"
#include "cmd/program.h"
#include "cmd/write.h"

static const char usage[] =
	"usage: blkscope explain URI|IMAGE|RECORDING [OFFSET...] [options]\n"
	"Says what lies on a disk: at offsets, in all, or as a summary.\n"
	"\n"
	"  --at=MOMENT         of a recording: 12.3s, event=N, mark=TEXT or end (default: the end)\n"
	"  --map               all regions, in order\n"
	"  --class=LIST        of them, those of these classes: table, super, bitmap, inodes, journal, directory, tree, data, database,\n"
	"                      nothing\n"
	"  --kind=LIST         those of these kinds: superblock, block-bitmap, file-data ...\n"
	"  --flag=LIST         those that have one of these flags: copy, bad, deleted, unwritten, old, lost,\n"
	"                      uncommitted\n"
	"  --volume=VOLUME     those of a volume: p2 (partition 2), v3 (volume 3 of the summary)\n"
	"  --file=PATH         those of a file; PATH/ is all below a directory\n"
	"  --json              print it as JSON\n"
	"  --help, --version\n"
	"\n"
	"OFFSET: bytes; in hexadecimal with 0x; with a suffix k, M, G, T, s (sectors of 512) or blk (blocks); within a volume when p2: or\n"
	"v3: stands before it.\n"
	"Manual: blkscope-explain(1).\n";

const struct explain_flag explain_flags[] = {
	{ KNOW_COPY, "copy" }, { KNOW_BAD, "bad" }, { KNOW_DELETED, "deleted" }, { KNOW_UNWRITTEN, "unwritten" }, { KNOW_OLD, "old" },
	{ KNOW_LOST, "lost" }, { KNOW_UNCOMMITTED, "uncommitted" }, { 0 },
};

/* --- the command line --- */

static const char *class_name(size_t i) { return i < KC_CLASSES ? know_class_names[i] : NULL; }
static const char *kind_name(size_t i) { return i < KNOW_KINDS ? know_kinds[i].name : NULL; }
static const char *flag_name(size_t i) { return explain_flags[i].name; }

/* A list of names as bits: of number i, bit i. */
static int parse_list(const char *option, const char *list, const char *(*name)(size_t), uint64_t *bits, struct err *e)
{
	for (const char *p = list;; p++) {
		size_t n = strcspn(p, ","), i = 0;
		while (name(i) && (strlen(name(i)) != n || strncmp(name(i), p, n) != 0))
			i++;
		if (!name(i))
			return err_set(e, "--%s=%s: there is no %s \"%.*s\"", option, list, option, (int)n, p);
		*bits |= (uint64_t)1 << i;
		p += n;
		if (!*p)
			return 0;
	}
}

/* 0: go on; 1: all was said; -1: e is set, or getopt said it. */
static int parse_command(struct explain *x, int argc, char **argv, struct err *e)
{
	enum { O_AT = 256, O_MAP, O_CLASS, O_KIND, O_FLAG, O_VOLUME, O_FILE, O_JSON };
	static const struct option options[] = {
		{ "at", required_argument, NULL, O_AT }, { "map", no_argument, NULL, O_MAP }, { "class", required_argument, NULL, O_CLASS },
		{ "kind", required_argument, NULL, O_KIND }, { "flag", required_argument, NULL, O_FLAG },
		{ "volume", required_argument, NULL, O_VOLUME }, { "file", required_argument, NULL, O_FILE },
		{ "json", no_argument, NULL, O_JSON }, { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
	};
	uint64_t classes = 0, flags = 0;
	int opt, said, rc = 0;

	while (rc == 0 && (opt = program_option(argc, argv, options, usage, &said)) != -1) {
		x->json |= opt == O_JSON;
		x->whole |= opt != O_JSON && opt != O_AT;
		x->at = opt == O_AT ? optarg : x->at;
		x->volume = opt == O_VOLUME ? optarg : x->volume;
		x->file = opt == O_FILE ? optarg : x->file;
		rc = opt == O_CLASS ? parse_list("class", optarg, class_name, &classes, e) :
			opt == O_KIND ? parse_list("kind", optarg, kind_name, &x->kinds, e) :
			opt == O_FLAG ? parse_list("flag", optarg, flag_name, &flags, e) : 0;
	}
	if (said)
		return said;
	if (rc < 0)
		return -1;
	x->classes = (unsigned)classes;
	for (unsigned i = 0; explain_flags[i].name; i++)
		x->flags |= flags >> i & 1 ? explain_flags[i].flag : 0;
	if (optind == argc)
		return err_set(e, "which disk? usage: blkscope explain URI|IMAGE|RECORDING [OFFSET...] [options]");
	x->name = argv[optind++];
	x->offset = argv + optind;
	x->offsets = (unsigned)(argc - optind);
	return x->whole && x->offsets ? err_set(e, "%s: offsets, or regions of the map: which one?", x->offset[0]) : 0;
}

/* "p2" or "v3" at the beginning of text, with whatever else it must end in. */
static int find_volume(const struct know_map *m, const char *text, size_t n, unsigned *volume, struct err *e)
{
	char *end = NULL;
	unsigned long number = 0;

	if (n > 1 && (*text == 'p' || *text == 'v') && text[1] >= '0' && text[1] <= '9')
		number = strtoul(text + 1, &end, 10);
	if (end != text + n)
		return err_set(e, "\"%.*s\": a volume is p and a partition's number, or v and a volume's: p2, v3", (int)n, text);
	for (unsigned v = 0; v < m->volumes; v++)
		if (*text == 'v' ? v == number : number && m->volume[v].partition == number) {
			*volume = v;
			return 0;
		}
	return err_set(e, "there is no %s %lu", *text == 'v' ? "volume" : "partition", number);
}

/* Bytes of the disk that a person means: [VOLUME:]NUMBER[SUFFIX]. */
static int parse_offset(const struct know_map *m, const char *text, uint64_t *place, struct err *e)
{
	const char *colon = strchr(text, ':'), *number = colon ? colon + 1 : text;
	char digits[32];
	size_t n = strlen(number);
	unsigned volume = 0;
	struct err why = { 0 };
	uint64_t off = 0;
	int rc;

	if (colon && find_volume(m, text, (size_t)(colon - text), &volume, &why) < 0)
		return err_set(e, "%s: %s", text, why.msg);
	const struct know_volume *v = &m->volume[volume];
	if (n > 3 && n < sizeof digits && strcmp(number + n - 3, "blk") == 0) {
		memcpy(digits, number, n - 3);
		digits[n - 3] = '\0';
		rc = parse_u64(text, digits, 0, INT64_MAX, &off, e);
		if (rc == 0 && !v->block)
			return err_set(e, "%s: of %s no block size is known", text, volume ? "that volume" : "the disk itself");
		if (rc == 0 && __builtin_mul_overflow(off, (uint64_t)v->block, &off))
			off = UINT64_MAX;
	} else if (strncasecmp(number, "0x", 2) == 0) {
		rc = parse_u64(text, number, 0, INT64_MAX, &off, e);
	} else {
		rc = parse_size(text, number, &off, e);
	}
	if (rc == 0 && off >= v->len)
		return err_set(e, "%s: beyond the end: %s has %" PRIu64 " bytes", text, volume ? "that volume" : "the disk", v->len);
	*place = v->off + off;
	return rc;
}

/* --- what is wanted --- */

bool explain_wants(const struct explain *x, const struct know_region *r)
{
	return (!x->classes || x->classes >> know_kinds[r->kind].class & 1) && (!x->kinds || x->kinds >> r->kind & 1) &&
		(!x->flags || x->flags & r->flags) && (x->chosen_volume == KNOW_VOLUMES_MAX || x->chosen_volume == r->volume) &&
		(!x->chosen || (r->file < x->map->files && x->chosen[r->file]) || x->also[r - x->map->region]);
}

/* The regions that other files are told of first, and the chosen ones share. */
static void choose_shares(struct explain *x)
{
	const struct know_map *m = x->map;
	uint64_t done = 0; /* up to there nothing is left to be marked */

	for (size_t i = 0; i < m->shares; i++) {
		const struct know_region *s = &m->share[i];
		const struct know_region *r = s->file < m->files && x->chosen[s->file] ? know_find(m, MAX(s->off, done)) : NULL;
		for (; r && r < m->region + m->regions && r->off < s->off + s->len; r++)
			x->also[r - m->region] = r->kind == KNOW_FILE_DATA && r->number;
		done = r ? MAX(done, s->off + s->len) : done;
	}
}

static int choose(struct explain *x, struct err *e)
{
	const struct know_map *m = x->map;
	char path[4096];
	struct err why;
	bool any = false;

	x->chosen_volume = KNOW_VOLUMES_MAX;
	if (x->volume && find_volume(m, x->volume, strlen(x->volume), &x->chosen_volume, &why) < 0)
		return err_set(e, "--volume=%s: %s", x->volume, why.msg);
	if (x->file) {
		size_t n = strlen(x->file);
		bool below = n && x->file[n - 1] == '/';
		if (!(x->chosen = calloc(m->files + 1, 1)) || !(x->also = calloc(m->regions + 1, 1)))
			return err_set(e, "out of memory");
		for (uint32_t i = 0; i < m->files; i++) {
			know_path(m, i, path, sizeof path);
			x->chosen[i] = below ? strncmp(path, x->file, n) == 0 : strcmp(path, x->file) == 0;
			any |= x->chosen[i];
		}
		if (!any)
			return err_set(e, "--file=%s: no file of that name is known", x->file);
		choose_shares(x);
	}
	x->place = calloc(x->offsets + 1, sizeof *x->place);
	for (unsigned i = 0; x->place && i < x->offsets; i++)
		if (parse_offset(m, x->offset[i], &x->place[i], e) < 0)
			return -1;
	return x->place ? 0 : err_set(e, "out of memory");
}

char *explain_volume(const struct know_map *m, unsigned volume, char to[16])
{
	unsigned partition = m->volume[volume].partition;
	bool first = partition; /* partitions of another table may have the same number */

	for (unsigned v = 0; v < volume; v++)
		first &= m->volume[v].partition != partition;
	snprintf(to, 16, volume ? "%c%u" : "disk", first ? 'p' : 'v', first ? partition : volume);
	return to;
}

void explain_count(const struct know_map *m, struct explain_sum *s)
{
	*s = (struct explain_sum){ 0 };
	for (size_t i = 0; i < m->regions; i++) {
		const struct know_region *r = &m->region[i];
		s->bytes[r->kind] += r->len;
		s->regions[r->kind]++;
		s->unknown += r->kind == KNOW_UNKNOWN || r->flags & KNOW_LOST ? r->len : 0;
		s->unused += r->kind == KNOW_FREE || r->kind == KNOW_GAP ? r->len : 0;
	}
}

/* --- all --- */

/* What is wrong with a disk is no error of ours: it is what was asked for. */
static void say_notes(const char *name, const char *notes)
{
	for (const char *end; (end = strchr(notes, '\n')); notes = end + 1)
		fprintf(stderr, "%s: %s: %.*s\n", say_name(), name, (int)(end - notes), notes);
}

static int run(struct explain *x, struct err *e)
{
	struct disk *disk = disk_open(x->name, x->at, e);
	struct know_map *map = NULL;
	struct err why = { 0 };
	int rc = -1;

	if (!disk)
		return -1;
	const struct know_disk k = disk_to_know(disk);
	map = know_disk_map(&k, &why);
	if (disk_lost(disk))
		err_set(e, "%s: %s", x->name, disk_lost(disk));
	else if (!map)
		err_set(e, "%s: %s", x->name, why.msg);
	else {
		x->map = map;
		rc = choose(x, &why);
		if (rc < 0)
			err_set(e, "%s: %s", x->name, why.msg);
	}
	if (rc == 0) {
		write_notes(x->name, disk_notes(disk));
		if (!x->json)
			say_notes(x->name, map->notes);
		errno = 0;
		(x->json ? explain_json : explain_text)(x, stdout);
		if (fflush(stdout) || ferror(stdout))
			rc = err_set(e, "cannot write to stdout: %s", strerror(errno ? errno : EIO));
	}
	free(x->chosen);
	free(x->also);
	free(x->place);
	know_free(map);
	disk_close(disk);
	return rc;
}

static int command(int argc, char **argv, struct err *e)
{
	static char room[1 << 16];
	struct explain x = { 0 };

	setvbuf(stdout, room, _IOFBF, sizeof room);
	int r = parse_command(&x, argc, argv, e);
	return r ? r : run(&x, e);
}

int main(int argc, char **argv)
{
	return program_main("blkscope explain", argc, argv, command);
}
