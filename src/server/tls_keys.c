/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and pre-shared keys, read once: with the rights of whoever started the server, and never while it serves. */
#include "server/tls_keys.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define TLS_VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
/* Plain PSK is left out: who learns the key later could read what was recorded. */
#define TLS_PSK TLS_VERSIONS ":+ECDHE-PSK:+DHE-PSK"
/* AES-256 has no hash that goes with such a key in TLS 1.3, and then clients ask for ChaCha20 before AES-128: a seventh of its
 * speed, in GnuTLS on a processor that has instructions for AES. */
#define TLS_PSK_AES TLS_PSK ":-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-CCM:+AES-256-CCM:%SERVER_PRECEDENCE"

enum { PSK_FILE_MAX = 1 << 20, PSK_NAME_MAX = 128, PSK_KEY_MAX = 256 }; /* bytes */

struct psk {
	const char *name;
	size_t name_len;
	uint8_t *key;
	unsigned key_len;
};

struct tls {
	gnutls_priority_t priority;
	gnutls_certificate_credentials_t certificates; /* NULL: by pre-shared key */
	gnutls_psk_server_credentials_t psk;
	bool verify_peer;
	char *text;       /* the PSK file, keys decoded in place */
	size_t text_len;
	struct psk *users; /* count of them, in text */
	size_t count;
};

bool tls_keys_psk(const struct tls *keys) { return keys->psk; }
bool tls_keys_verify(const struct tls *keys) { return keys->certificates && keys->verify_peer; }
const char *tls_first_user(const struct tls *keys) { return keys->count ? keys->users[0].name : NULL; }

/* --- pre-shared keys --- */

static int read_text(struct tls *t, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return err_set(e, "TLS: %s: %s", path, strerror(errno));
	t->text = malloc(PSK_FILE_MAX + 1);
	int rc = t->text ? 0 : err_set(e, "TLS: out of memory");
	if (rc == 0) {
		t->text_len = fread(t->text, 1, PSK_FILE_MAX + 1, f);
		if (ferror(f))
			rc = err_set(e, "TLS: %s: %s", path, strerror(errno));
		else if (t->text_len > PSK_FILE_MAX)
			rc = err_set(e, "TLS: %s: larger than 1 MiB", path);
	}
	fclose(f);
	return rc;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What is wrong with a line, or NULL: u is filled, and the line is no text any more. */
static const char *parse_line(char *line, size_t len, struct psk *u)
{
	char *colon = memchr(line, ':', len);
	if (!colon || memchr(line, '\0', len))
		return "it is not NAME:KEY";
	char *hex = colon + 1;
	size_t digits = len - (size_t)(hex - line);
	*u = (struct psk){ line, (size_t)(colon - line), (uint8_t *)hex, (unsigned)(digits / 2) };
	if (*line == '#')
		return "names in hexadecimal (#...) are not known here";
	if (!u->name_len || u->name_len > PSK_NAME_MAX)
		return "the name must have 1 to 128 bytes";
	if (!digits || digits % 2 || u->key_len > PSK_KEY_MAX)
		return "the key must have 1 to 256 bytes, two hexadecimal digits each";
	for (size_t i = 0; i < digits; i += 2) {
		int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);
		if (high < 0 || low < 0)
			return "the key is not hexadecimal";
		u->key[i / 2] = (uint8_t)(high << 4 | low);
	}
	*colon = '\0';
	return NULL;
}

static int parse_text(struct tls *t, const char *path, struct err *e)
{
	char *end = t->text + t->text_len;
	size_t lines = 1, number = 0;

	for (const char *p = t->text; p < end; p++)
		lines += *p == '\n';
	if (!(t->users = calloc(lines, sizeof *t->users)))
		return err_set(e, "TLS: out of memory");
	for (char *line = t->text, *next; line < end; line = next) {
		char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((newline ? newline : end) - line);
		next = newline ? newline + 1 : end;
		number++;
		if (len && line[len - 1] == '\r')
			len--;
		if (!len)
			continue;
		const char *why = parse_line(line, len, &t->users[t->count]);
		if (why)
			return err_set(e, "TLS: %s: line %zu: %s", path, number, why);
		t->count++;
	}
	return t->count ? 0 : err_set(e, "TLS: %s: there is no key in it", path);
}

/* GnuTLS asks for the key of a client.  1: nobody of that name; it goes on with a random key, so that a stranger cannot
 * find out names. */
static int find_key(gnutls_session_t session, const gnutls_datum_t *name, gnutls_datum_t *key)
{
	const struct tls *t = gnutls_session_get_ptr(session);
	for (size_t i = 0; i < t->count; i++) {
		const struct psk *u = &t->users[i];
		if (u->name_len != name->size || memcmp(u->name, name->data, name->size) != 0)
			continue;
		if (!(key->data = tls_lib.alloc(u->key_len)))
			return -1;
		memcpy(key->data, u->key, u->key_len);
		key->size = u->key_len;
		return 0;
	}
	return 1;
}

static int load_psk(struct tls *t, const char *path, struct err *e)
{
	if (read_text(t, path, e) < 0 || parse_text(t, path, e) < 0)
		return -1;
	int rc = gnutls_psk_allocate_server_credentials(&t->psk);
	if (rc < 0)
		return err_set(e, "TLS: %s: %s", path, gnutls_strerror(rc));
	gnutls_psk_set_server_credentials_function2(t->psk, find_key);
	return 0;
}

/* --- certificates --- */

enum { CA, CRL, CERT, KEY, FILES };
static const char *const names[FILES] = { "ca-cert.pem", "ca-crl.pem", "server-cert.pem", "server-key.pem" };

static bool may_read(const char *dir, const char *name)
{
	char *path;
	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return false;
	bool may = access(path, R_OK) == 0;
	free(path);
	return may;
}

bool tls_has_certificates(const char *dir)
{
	return may_read(dir, names[CA]) && may_read(dir, names[CERT]) && may_read(dir, names[KEY]);
}

static int load_certificates(struct tls *t, const char *dir, struct err *e)
{
	char *path[FILES] = { NULL };
	const char *wrong = NULL; /* which file */
	int rc = gnutls_certificate_allocate_credentials(&t->certificates);

	for (int i = 0; rc >= 0 && i < FILES; i++)
		if (asprintf(&path[i], "%s/%s", dir, names[i]) < 0)
			rc = GNUTLS_E_MEMORY_ERROR;
	if (rc >= 0) {
		wrong = path[CA];
		rc = gnutls_certificate_set_x509_trust_file(t->certificates, wrong, GNUTLS_X509_FMT_PEM);
	}
	if (rc >= 0 && access(path[CRL], F_OK) == 0) {
		wrong = path[CRL];
		rc = gnutls_certificate_set_x509_crl_file(t->certificates, wrong, GNUTLS_X509_FMT_PEM);
	}
	if (rc >= 0) {
		wrong = path[CERT];
		rc = gnutls_certificate_set_x509_key_file(t->certificates, wrong, path[KEY], GNUTLS_X509_FMT_PEM);
	}
	if (rc < 0)
		err_set(e, "TLS: %s: %s", wrong ? wrong : dir, gnutls_strerror(rc));
	for (int i = 0; i < FILES; i++)
		free(path[i]);
	return rc < 0 ? -1 : 0;
}

/* --- all of it --- */

static bool fast_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes");
#elif defined(__aarch64__)
	return getauxval(AT_HWCAP) & HWCAP_AES;
#else
	return false;
#endif
}

struct tls *tls_new(const struct tls_options *o, struct err *e)
{
	if (tls_lib_load(e) < 0)
		return NULL;
	struct tls *t = calloc(1, sizeof *t);
	if (!t) {
		err_set(e, "TLS: out of memory");
		return NULL;
	}
	t->verify_peer = o->verify_peer;
	int rc = o->psk ? load_psk(t, o->psk, e) : load_certificates(t, o->certificates, e);
	if (rc == 0) {
		rc = gnutls_priority_init2(&t->priority, !o->psk ? TLS_VERSIONS : fast_aes() ? TLS_PSK_AES : TLS_PSK, NULL, 0);
		if (rc < 0)
			err_set(e, "TLS: %s", gnutls_strerror(rc));
	}
	if (rc < 0) {
		tls_free(t);
		return NULL;
	}
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->priority)
		gnutls_priority_deinit(t->priority);
	if (t->certificates)
		gnutls_certificate_free_credentials(t->certificates);
	if (t->psk)
		gnutls_psk_free_server_credentials(t->psk);
	if (t->text)
		explicit_bzero(t->text, t->text_len);
	free(t->text);
	free(t->users);
	free(t);
}

int tls_keys_use(const struct tls *t, gnutls_session_t session)
{
	/* A certificate made for servers does not let a client in. */
	static gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	int rc = gnutls_priority_set(session, t->priority);

	gnutls_session_set_ptr(session, (void *)t);
	if (rc == 0)
		rc = t->psk ? gnutls_credentials_set(session, GNUTLS_CRD_PSK, t->psk)
			    : gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->certificates);
	if (rc == 0 && tls_keys_verify(t)) {
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
		gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
	}
	return rc;
}
