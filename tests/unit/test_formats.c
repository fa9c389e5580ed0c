/* SPDX-License-Identifier: BSD-2-Clause */
/* Each reader against files made here byte by byte: good ones, torn ones, and those that lie; and what writers write, read again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/bytes.h"
#include "formats/blktrace.h"
#include "formats/dmlog.h"
#include "formats/format.h"
#include "unit/test.h"

/* --- files in memory --- */

static int read_file(void *owner, void *to, size_t n, uint64_t at)
{
	const struct buf *b = owner;
	if (at > b->len || n > b->len - at)
		return EIO;
	memcpy(to, b->p + at, n);
	return 0;
}

static int write_file(void *owner, const void *p, size_t n, uint64_t at)
{
	struct buf *b = owner;
	if (at > b->len || (at + n > b->len && !buf_reserve(b, at + n - b->len)))
		return EIO;
	memcpy(b->p + at, p, n);
	b->len = MAX(b->len, (size_t)at + n);
	return 0;
}

static struct rec_source source_of(struct buf *file)
{
	return (struct rec_source){ .read = read_file, .owner = file, .size = file->len };
}

/* What a reader shows, a word or line each: "+1 write 512+1024 fua 5us", "-1", "mark hello". */
static bool tell(void *arg, const struct fmt_event *ev)
{
	struct buf *b = arg;
	const struct rec_event *r = &ev->rec;
	switch (r->type) {
	case REC_BEGIN:
		buf_printf(b, "+%" PRIu64 " %s %" PRIu64 "+%" PRIu64 "%s%s", r->id, fmt_ops[r->op], r->off, r->len,
			   r->flags & REC_FUA ? " fua" : "", r->flags & REC_NO_HOLE ? " no-hole" : "");
		if (ev->count)
			buf_printf(b, " data@%" PRIu64, ev->runs[0].addr);
		break;
	case REC_END:
		buf_printf(b, "-%" PRIu64, r->id);
		if (r->err)
			buf_printf(b, " error %u", r->err);
		break;
	case REC_MARK:
		buf_printf(b, "mark %.*s", (int)r->text_len, (const char *)r->text);
		break;
	case REC_DISCONNECT:
		buf_printf(b, "bye");
		break;
	default:
		buf_printf(b, "?%u", r->type);
	}
	if (r->time)
		buf_printf(b, " @%" PRIu64, r->time);
	return buf_add(b, "\n", 1);
}

static struct { struct buf events, notes; char error[1024]; } told;

/* Walks file; NULL: the first bytes tell the format. */
static int walk(struct buf *file, const char *name)
{
	struct rec_source s = source_of(file);
	struct err e = { 0 };
	struct fmt_in in;
	buf_free(&told.events);
	buf_free(&told.notes);
	buf_init(&told.events, 1 << 20);
	buf_init(&told.notes, 1 << 20);
	int rc = fmt_open(&in, &s, name, &e);
	if (rc == 0)
		rc = in.reader->walk(&in, tell, &told.events, &e);
	buf_add(&told.notes, in.notes.p, in.notes.len);
	snprintf(told.error, sizeof told.error, "%s", rc ? e.msg : "");
	fmt_close(&in);
	return rc;
}

#define EVENTS(text) CHECK_STR(buf_str(&told.events), text)
#define NOTES(text) CHECK_STR(buf_str(&told.notes), text)
static bool noted(const char *part) { return strstr(buf_str(&told.notes), part) != NULL; }

static struct buf text(const char *s)
{
	struct buf b = { .limit = 1 << 24 };
	buf_add(&b, s, strlen(s));
	return b;
}

/* file in the format of that writer; "": it worked. */
static const char *convert(struct buf *file, const char *to, struct buf *result)
{
	static char error[1024];
	struct rec_source s = source_of(file);
	struct fmt_out out = { .write = write_file, .owner = result };
	struct fmt_in in;
	struct err e = { 0 };
	uint64_t events;
	*result = (struct buf){ .limit = 1 << 24 };
	for (size_t i = 0; fmt_writers[i]; i++)
		if (strcmp(fmt_writers[i]->name, to) == 0)
			out.writer = fmt_writers[i];
	int rc = fmt_open(&in, &s, NULL, &e) < 0 ? -1 : fmt_convert(&in, &out, &events, &e);
	snprintf(error, sizeof error, "%s", rc ? e.msg : "");
	fmt_close(&in);
	return error;
}

/* --- fio's iologs --- */

TEST(an_iolog_of_version_3_has_times_in_front)
{
	struct buf f = text("fio version 3 iolog\n0 d add\n0 d open\n5 d write 512 1024\n7 d trim 0 4096\n7 d sync 0 0\n9 d close\n");
	CHECK(walk(&f, NULL) == 0);
	EVENTS("+1 write 512+1024 @5000\n-1 @5000\n+2 trim 0+4096 @7000\n-2 @7000\n+3 flush 0+0 @7000\n-3 @7000\n");
	NOTES("");
	buf_free(&f);
}

TEST(an_iolog_of_version_2_waits)
{
	struct buf f = text("fio version 2 iolog\nd add\nd open\nd read 0 512\nd wait 3 0\nd wait 4 0\nd datasync 0 0\nd close\n");
	CHECK(walk(&f, NULL) == 0);
	EVENTS("+1 read 0+512\n-1\n+2 flush 0+0 @7000\n-2 @7000\n");
	buf_free(&f);
}

TEST(lines_of_an_iolog_that_make_no_sense_are_counted_and_the_first_one_named)
{
	struct buf f = text("fio version 3 iolog\nx d read 0 1\n1 d read 0 9223372036854775807\n2 d read 1 9223372036854775807\n"
			    "3 d dance 0 1\n4 d read 0 99999999999999999999\n5 d read 0 1 2\n6 d read 0 1");
	CHECK(walk(&f, NULL) == 0);
	EVENTS("");
	CHECK(noted("at byte 20"));
	CHECK(noted("a line without an end"));
	buf_free(&f);
	f = text("fio version 4 iolog\n");
	CHECK(walk(&f, NULL) < 0);
	CHECK_STR(told.error, "at byte 0: an iolog of a version that is not known here");
	buf_free(&f);
}

/* --- dm-log-writes --- */

static void put_super(struct buf *f, uint64_t magic, uint64_t version, uint64_t entries, uint32_t sector)
{
	uint8_t s[4096] = { 0 };
	put_le64(s, magic);
	put_le64(s + 8, version);
	put_le64(s + 16, entries);
	put_le32(s + 24, sector);
	*f = (struct buf){ .limit = 1 << 24 };
	buf_add(f, s, sector == 512 || sector == 4096 ? sector : 512);
}

static void put_entry(struct buf *f, uint64_t sector, uint64_t sectors, uint64_t flags, const char *mark, size_t fill)
{
	uint8_t s[512] = { 0 };
	put_le64(s, sector);
	put_le64(s + 8, sectors);
	put_le64(s + 16, flags);
	put_le64(s + 24, strlen(mark));
	memcpy(s + 32, mark, strlen(mark));
	buf_add(f, s, sizeof s);
	memset(s, 'x', sizeof s);
	for (size_t i = 0; i < fill; i++)
		buf_add(f, s, sizeof s);
}

static void good_dmlog(struct buf *f)
{
	put_super(f, DMLOG_MAGIC, 1, 4, 512);
	put_entry(f, 1, 2, DMLOG_FUA, "", 2);
	put_entry(f, 0, 0, DMLOG_MARK, "mkfs", 0);
	put_entry(f, 8, 8, DMLOG_DISCARD, "", 0);
	put_entry(f, 3, 1, DMLOG_FLUSH, "", 1);
}

TEST(a_log_of_dm_log_writes_is_read_and_written_again_byte_for_byte)
{
	struct buf f, again, last;
	good_dmlog(&f);
	CHECK(walk(&f, NULL) == 0);
	EVENTS("+1 write 512+1024 fua data@1024\n-1\nmark mkfs @1\n+2 trim 4096+4096 @2\n-2 @2\n+3 flush 0+0 @3\n-3 @3\n"
	       "+4 write 1536+512 data@3584 @3\n-4 @3\n");
	NOTES("");
	CHECK_STR(convert(&f, "dmlog", &again), "");
	CHECK(walk(&again, NULL) == 0);
	CHECK_STR(convert(&again, "dmlog", &last), ""); /* the flush has an entry of its own now */
	CHECK(last.len == again.len && memcmp(last.p, again.p, last.len) == 0);
	CHECK(get_le64((uint8_t *)last.p + 16) == 5);
	buf_free(&f);
	buf_free(&again);
	buf_free(&last);
}

TEST(a_log_of_dm_log_writes_that_is_torn_or_lies_is_told_with_its_place)
{
	struct buf f;
	good_dmlog(&f);
	size_t whole = f.len;
	for (f.len = 28; f.len < whole; f.len += 7) { /* wherever it is cut */
		CHECK(walk(&f, NULL) == 0);
		CHECK(noted("cut off"));
	}
	f.len = whole;
	buf_add(&f, "more", 4);
	CHECK(walk(&f, NULL) == 0 && noted("more bytes than the 4 entries"));
	buf_free(&f);
	static const struct { uint64_t magic, version; uint32_t sector; } bad[] = {
		{ DMLOG_MAGIC, 2, 512 }, { DMLOG_MAGIC, 1, 511 }, { DMLOG_MAGIC, 1, 0 }, { DMLOG_MAGIC, 1, 1536 },
		{ DMLOG_MAGIC, 1, 1u << 31 }, { DMLOG_MAGIC + 1, 1, 512 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put_super(&f, bad[i].magic, bad[i].version, 0, bad[i].sector);
		CHECK(walk(&f, "dmlog") < 0 && strstr(told.error, "at byte "));
		buf_free(&f);
	}
	static const struct { uint64_t sector, sectors; } far[] = { { UINT64_MAX, 1 }, { 1, UINT64_MAX / 512 }, { (1ull << 54) - 1, 2 } };
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		put_super(&f, DMLOG_MAGIC, 1, 1, 512);
		put_entry(&f, far[i].sector, far[i].sectors, 0, "", 1);
		CHECK(walk(&f, NULL) == 0 && (noted("at byte 512: entry 0 makes no sense") || noted("cut off")));
		EVENTS("");
		buf_free(&f);
	}
}

/* --- blktrace --- */

/* The same session in both versions: a write with FUA in two completions, a flush, a message, another device's. */
static struct buf blktrace(unsigned version, bool swapped)
{
	static const struct {
		uint64_t time, sector;
		uint32_t bytes, action, device;
		uint16_t error;
		const char *pdu;
	} all[] = {
		{ 100, 0, 0, BLKTRACE_TIMESTAMP | BLKTRACE_NOTIFY, 0, 0, "\1\0\0\0\2\0\0\0" },
		{ 200, 8, 4096, BLKTRACE_QUEUE | BLKTRACE_Q | BLKTRACE_WRITE | BLKTRACE_FUA, 1, 0, "" },
		{ 210, 16, 4096, BLKTRACE_QUEUE | BLKTRACE_Q | BLKTRACE_WRITE, 1, 0, "" },
		{ 220, 1, 512, BLKTRACE_QUEUE | BLKTRACE_Q | BLKTRACE_READ, 7, 0, "" },
		{ 300, 8, 8192, BLKTRACE_COMPLETE | BLKTRACE_C | BLKTRACE_WRITE, 1, (uint16_t)-5, "" }, /* merged */
		{ 310, 0, 0, BLKTRACE_MESSAGE | BLKTRACE_NOTIFY, 0, 0, "hello\0\0\0" },
		{ 400, 0, 512, BLKTRACE_QUEUE | BLKTRACE_Q | BLKTRACE_DISCARD | BLKTRACE_WRITE, 1, 0, "" },
	};
	struct buf f = { .limit = 1 << 20 };
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		uint16_t n = all[i].pdu[0] ? 8 : 0;
		uint32_t magic = BLKTRACE_MAGIC | version;
		struct blktrace_record a = { .magic = swapped ? __builtin_bswap32(magic) : magic, .time = all[i].time,
			.sector = all[i].sector, .bytes = all[i].bytes, .action = all[i].action, .device = all[i].device,
			.error = all[i].error, .pdu_len = n };
		struct blktrace_record2 b = { .magic = a.magic, .time = a.time, .sector = a.sector, .bytes = a.bytes,
			.action = a.action | 1ull << 33, .device = a.device, .error = a.error, .pdu_len = n };
		buf_add(&f, version == 8 ? (void *)&b : (void *)&a, version == 8 ? sizeof b : sizeof a);
		buf_add(&f, all[i].pdu, n);
	}
	return f;
}

TEST(blktrace_of_both_versions_tells_the_same)
{
	for (unsigned version = 7; version <= 8; version++) {
		struct buf f = blktrace(version, false);
		CHECK(walk(&f, NULL) == 0);
		EVENTS("+1 write 4096+4096 fua @100\n+2 write 8192+4096 @110\n-1 error 5 @200\n-2 error 5 @200\nmark hello @200\n"
		       "+3 trim 0+512 @300\n");
		NOTES("1 records of other devices than 0,1 are left out\n");
		size_t whole = f.len;
		for (f.len = 4; f.len < whole; f.len += 3) {
			CHECK(walk(&f, NULL) == 0);
			CHECK(noted("cut off within a record") || f.len % 8 == 0);
		}
		buf_free(&f);
	}
}

TEST(a_blktrace_request_of_nearly_4_gib_ends)
{
	struct blktrace_record r = { .magic = BLKTRACE_MAGIC | 7, .time = 1, .sector = 8, .bytes = UINT32_MAX,
		.action = BLKTRACE_QUEUE | BLKTRACE_Q | BLKTRACE_DISCARD };
	struct buf f = { .limit = 1 << 20 };
	buf_add(&f, &r, sizeof r);
	r.action = BLKTRACE_COMPLETE | BLKTRACE_C | BLKTRACE_DISCARD;
	buf_add(&f, &r, sizeof r);
	CHECK(walk(&f, NULL) == 0);
	EVENTS("+1 trim 4096+4294967295\n-1\n");
	buf_free(&f);
}

TEST(blktrace_of_another_machine_or_version_is_refused_and_rubbish_passed_over)
{
	struct buf f = blktrace(7, true);
	CHECK(walk(&f, NULL) < 0);
	CHECK_STR(told.error, "at byte 0: blktrace of a machine of the other byte order: not known here");
	buf_free(&f);
	f = blktrace(9, false);
	CHECK(walk(&f, NULL) < 0);
	CHECK_STR(told.error, "at byte 0: blktrace of another version than 7 and 8: not known here");
	buf_free(&f);
	f = blktrace(8, false);
	memset(f.p + 72, 0xee, 64); /* the second record */
	CHECK(walk(&f, NULL) == 0);
	CHECK(noted("at byte 72: no record begins here: 64 bytes are left out"));
	CHECK(strncmp(buf_str(&told.events), "+1 write 8192+4096", 18) == 0);
	buf_free(&f);
}

/* --- nbd-server's --- */

static void put_request(struct buf *f, uint32_t magic, uint32_t command, uint64_t id, uint64_t off, uint32_t len)
{
	uint8_t p[28];
	put_be32(put_be64(put_be64(put_be32(put_be32(p, magic), command), id), off), len);
	buf_add(f, p, sizeof p);
}

static void put_reply(struct buf *f, uint32_t error, uint64_t id)
{
	uint8_t p[16];
	put_be64(put_be32(put_be32(p, 0x67446698), error), id);
	buf_add(f, p, sizeof p);
}

TEST(a_transaction_log_of_nbd_server_with_data)
{
	struct buf f = { .limit = 1 << 20 };
	put_request(&f, 0x25609514, 1, 0, 0, 0); /* data follows */
	put_request(&f, 0x25609513, 0x10001, 7, 512, 5);
	buf_add(&f, "bytes", 5);
	put_reply(&f, 28, 7);
	put_request(&f, 0x25609513, 0x20006, 8, 0, 4096);
	put_request(&f, 0x25609513, 99, 9, 0, 1);
	put_request(&f, 0x25609513, 0, 10, UINT64_MAX, 1);
	put_request(&f, 0x25609513, 2, 11, 0, 0);
	CHECK(walk(&f, NULL) == 0);
	EVENTS("+7 write 512+5 fua data@56 @1\n-7 error 28 @2\n+8 zero 0+4096 no-hole @3\nbye @6\n");
	CHECK(noted("at byte 105: a request that makes no sense") && noted("at byte 133: a request that makes no sense"));
	f.len = 58; /* within the data */
	CHECK(walk(&f, NULL) == 0 && noted("at byte 28: cut off"));
	EVENTS("");
	f.len = 30;
	CHECK(walk(&f, NULL) == 0 && noted("at byte 28: "));
	buf_free(&f);
	for (size_t size = 1; size <= 4 << 20; size *= 2) { /* rubbish to the end of what a reader has in memory */
		f = (struct buf){ .limit = 4 << 20 };
		CHECK(buf_reserve(&f, size));
		memset(f.p, 'x', f.len = size);
		CHECK(walk(&f, "nbdlog") == 0);
		EVENTS("");
		buf_free(&f);
	}
	f = text("nothing of the kind");
	CHECK(walk(&f, "nbdlog") == 0);
	CHECK(noted("at byte 0: nothing that is known"));
	buf_free(&f);
}

/* --- there and back --- */

TEST(what_is_written_in_one_format_reads_as_what_it_was)
{
	static const char session[] = "+1 write 512+1024 @5000\n-1 @5000\n+2 trim 0+4096 @7000\n-2 @7000\n+3 read 0+512 @8000\n-3 @8000\n"
				      "+4 flush 0+0 @9000\n-4 @9000\n";
	struct buf f = text("fio version 3 iolog\n0 d add\n5 d write 512 1024\n7 d trim 0 4096\n8 d read 0 512\n9 d sync 0 0\n");
	struct buf out, back;
	CHECK_STR(convert(&f, "iolog", &out), "");
	CHECK(walk(&out, NULL) == 0);
	EVENTS(session);
	buf_free(&out);
	CHECK_STR(convert(&f, "blktrace", &out), "");
	CHECK_STR(convert(&out, "iolog", &back), "");
	buf_free(&out);
	CHECK(walk(&back, NULL) == 0);
	EVENTS(session);
	buf_free(&back);
	CHECK(strstr(convert(&f, "dmlog", &out), "a write at 512, has no data"));
	buf_free(&out);
	buf_free(&f);
	f = text("fio version 3 iolog\n5 d trim 100 4096\n");
	CHECK(strstr(convert(&f, "dmlog", &out), "is at 100, 4096 bytes"));
	buf_free(&out);
	CHECK_STR(convert(&f, "csv", &out), "");
	CHECK(strstr(buf_str(&out), "trim") && strstr(buf_str(&out), ",100,4096,"));
	buf_free(&out);
	CHECK_STR(convert(&f, "json", &out), "");
	CHECK(strstr(buf_str(&out), "\"op\":\"trim\"") && strstr(buf_str(&out), "\"offset\":100"));
	buf_free(&out);
	buf_free(&f);
}

TEST(a_file_of_no_known_kind_is_refused)
{
	struct buf f = text("");
	CHECK(walk(&f, NULL) < 0 && told.error[0]);
	CHECK(walk(&f, "recording") < 0 && walk(&f, "iolog") == 0 && walk(&f, "dmlog") < 0);
	CHECK(walk(&f, "no such format") < 0 && strstr(told.error, "no such format"));
	buf_free(&f);
	f = text("\1\2\3\4 none of them");
	CHECK(walk(&f, NULL) < 0 && told.error[0]);
	buf_free(&f);
	buf_free(&told.events);
	buf_free(&told.notes);
}
