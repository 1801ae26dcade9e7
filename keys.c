/* keys.c - certificates and private keys; see keys.h. */
#include "keys.h"

#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096
#define NAME_LENGTH_MAX 253             /* of a host name (RFC 1035, section 2.3.4) */
#define SIGNATURE_MAX (RSA_BITS_MAX / 8)        /* an ECDSA one is shorter: 139 bytes with P-521 */

#define TEXT(token) #token
#define NUMBER(constant) TEXT(constant)

static const char no_memory[] = "out of memory";
static const char certificate_damaged[] = "a certificate is damaged";
static const char key_damaged[] = "the private key is damaged";

/* Overwrite what must not stay in memory; volatile, as a compiler may drop a memset before free. */
static void wipe(void *memory, size_t size)
{
	volatile uint8_t *byte = memory;

	while (size-- > 0)
		*byte++ = 0;
}

/* PEM (RFC 7468), block by block */

enum block {
	BLOCK_END,              /* there are no more */
	BLOCK_CERTIFICATE,
	BLOCK_KEY,
	BLOCK_ENCRYPTED,        /* a key */
	BLOCK_OTHER
};

struct reader {
	const char *text;       /* what is left of it */
	size_t left;
	bool ended;
	uint8_t *bytes;         /* of the block, decoded; wiped and given back by reader_close */
	size_t bytes_max;       /* as many as the text has: Base64 only shrinks */
	size_t length;
	bool whole;             /* the block could be decoded to its end */
	br_pem_decoder_context pem;
};

static bool reader_open(struct reader *reader, const char *text, size_t size)
{
	static const char mark[] = "\xef\xbb\xbf";      /* some editors put it first */
	size_t skipped = size >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;

	*reader = (struct reader){ .text = text + skipped, .left = size - skipped,
		.bytes_max = size };
	reader->bytes = malloc(size + 1);
	br_pem_decoder_init(&reader->pem);
	return reader->bytes != NULL;
}

static void reader_close(struct reader *reader)
{
	if (reader->bytes != NULL)
		wipe(reader->bytes, reader->bytes_max);
	free(reader->bytes);
	wipe(reader, sizeof *reader);
}

static void reader_take(void *context, const void *bytes, size_t length)
{
	struct reader *reader = context;

	memcpy(reader->bytes + reader->length, bytes, length);
	reader->length += length;
}

/* BearSSL's next event; 0 at the end. */
static int reader_event(struct reader *reader)
{
	size_t used = br_pem_decoder_push(&reader->pem, reader->text, reader->left);
	int event = br_pem_decoder_event(&reader->pem);

	reader->text += used;
	reader->left -= used;
	if (event == 0 && !reader->ended) {     /* BearSSL sees no last line that does not end */
		reader->ended = true;
		(void)br_pem_decoder_push(&reader->pem, "\n", 1);
		event = br_pem_decoder_event(&reader->pem);
	}
	return event;
}

/* BearSSL leaves the dashes on a name if white space or a CR LF follows them. */
static bool name_is(const char *name, const char *wanted)
{
	size_t length = strlen(wanted);

	return strncmp(name, wanted, length) == 0 && (name[length] == '\0' || name[length] == '-');
}

static enum block reader_kind(struct reader *reader)
{
	static const char encrypted[] = "Proc-Type:";   /* RFC 1421; only encrypted keys have it */
	const char *name = br_pem_decoder_name(&reader->pem);

	if (name_is(name, "CERTIFICATE") || name_is(name, "X509 CERTIFICATE"))
		return BLOCK_CERTIFICATE;
	if (name_is(name, "ENCRYPTED PRIVATE KEY"))
		return BLOCK_ENCRYPTED;
	if (!name_is(name, "PRIVATE KEY") && !name_is(name, "EC PRIVATE KEY") &&
	    !name_is(name, "RSA PRIVATE KEY"))
		return BLOCK_OTHER;
	if (reader->left >= strlen(encrypted) &&
	    memcmp(reader->text, encrypted, strlen(encrypted)) == 0)
		return BLOCK_ENCRYPTED;
	return BLOCK_KEY;
}

/* After a broken block BearSSL 0.6 would begin the next with bytes of it, hence the new start. */
static enum block reader_next(struct reader *reader)
{
	enum block block = BLOCK_END;
	int event;

	reader->whole = false;
	while ((event = reader_event(reader)) == BR_PEM_BEGIN_OBJ) {
		block = reader_kind(reader);
		reader->length = 0;
		br_pem_decoder_setdest(&reader->pem, reader_take, reader);
	}
	reader->whole = event == BR_PEM_END_OBJ;
	if (event == BR_PEM_ERROR)
		br_pem_decoder_init(&reader->pem);
	return block;
}

/* DER (X.690), as much as certificates need */

#define DER_BOOLEAN 0x01
#define DER_INTEGER 0x02
#define DER_BITS 0x03
#define DER_OCTETS 0x04
#define DER_OID 0x06
#define DER_UTC_TIME 0x17
#define DER_GENERALIZED_TIME 0x18
#define DER_SEQUENCE 0x30
#define DER_SET 0x31
#define DER_CONTEXT(number) (0x80 + (number))
#define DER_CONTEXT_AROUND(number) (0xa0 + (number))

/* What is left of an element's contents. */
struct der {
	const uint8_t *at;
	size_t left;
};

/* Read one element with this tag; false, and nothing read, if there is none or it is not whole. */
static bool der_read(struct der *der, uint8_t tag, struct der *contents)
{
	size_t head = 2, length, count;

	if (der->left < head || der->at[0] != tag)
		return false;
	length = der->at[1];
	if (length >= 0x80) {
		count = length - 0x80;
		if (count < 1 || count > 3 || der->left < head + count || der->at[2] == 0)
			return false;
		for (length = 0; head < 2 + count; head++)
			length = length << 8 | der->at[head];
		if (length < 0x80)
			return false;
	}
	if (length > der->left - head)
		return false;
	*contents = (struct der){ der->at + head, length };
	der->at += head + length;
	der->left -= head + length;
	return true;
}

static bool der_skip(struct der *der, uint8_t tag)
{
	struct der contents;

	return der_read(der, tag, &contents);
}

/* Read one element of whatever kind. */
static bool der_read_any(struct der *der, uint8_t *tag, struct der *contents)
{
	*tag = der->left > 0 ? der->at[0] : 0;
	return der_read(der, *tag, contents);
}

static bool der_is(const struct der *der, const void *oid, size_t size)
{
	return der->left == size && memcmp(der->at, oid, size) == 0;
}

/* Certificates (RFC 5280, section 4.1) */

struct certificate {
	struct der issuer;
	struct der validity;
	struct der subject;
	struct der public_key;
	struct der extensions;
};

static bool extensions_open(struct der *signed_part, struct der *extensions)
{
	struct der around;

	*extensions = (struct der){ NULL, 0 };
	(void)der_skip(signed_part, DER_CONTEXT(1));            /* issuerUniqueID */
	(void)der_skip(signed_part, DER_CONTEXT(2));            /* subjectUniqueID */
	if (signed_part->left == 0)
		return true;
	return der_read(signed_part, DER_CONTEXT_AROUND(3), &around) && signed_part->left == 0 &&
	    der_read(&around, DER_SEQUENCE, extensions) && around.left == 0;
}

static bool certificate_open(struct certificate *certificate, const uint8_t *bytes, size_t size)
{
	struct der all = { bytes, size }, whole, signed_part;

	if (!der_read(&all, DER_SEQUENCE, &whole) || all.left > 0 ||
	    !der_read(&whole, DER_SEQUENCE, &signed_part))
		return false;
	(void)der_skip(&signed_part, DER_CONTEXT_AROUND(0));    /* version */
	return der_skip(&signed_part, DER_INTEGER) &&           /* serialNumber */
	    der_skip(&signed_part, DER_SEQUENCE) &&             /* signature */
	    der_read(&signed_part, DER_SEQUENCE, &certificate->issuer) &&
	    der_read(&signed_part, DER_SEQUENCE, &certificate->validity) &&
	    der_read(&signed_part, DER_SEQUENCE, &certificate->subject) &&
	    der_read(&signed_part, DER_SEQUENCE, &certificate->public_key) &&
	    extensions_open(&signed_part, &certificate->extensions) &&
	    der_skip(&whole, DER_SEQUENCE) && der_skip(&whole, DER_BITS) && whole.left == 0;
}

/* Dates */

static int number_read(struct der *digits, int count)
{
	int number = 0;

	for (; count > 0; count--, digits->at++, digits->left--)
		number = number * 10 + (*digits->at - '0');
	return number;
}

/* Days from 1970-01-01 to this day of the Gregorian calendar; false if there is no such day. */
static bool days_count(int year, int month, int day, int64_t *days)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int last = year - 1;

	if (month < 1 || month > 12 || day < 1 ||
	    day > before[month] - before[month - 1] + (month == 2 && leap))
		return false;
	*days = 365 * (int64_t)year + last / 4 - last / 100 + last / 400;
	*days += before[month - 1] + (month > 2 && leap) + day - 1;
	*days -= 719527;        /* of 1970-01-01 by the same count */
	return true;
}

/* YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ (RFC 5280, section 4.1.2.5) */
static bool time_read(struct der *from, int64_t *seconds)
{
	bool utc = from->left > 0 && from->at[0] == DER_UTC_TIME;
	int year, month, day, hour, minute, second;
	struct der text;

	if (!der_read(from, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, &text) ||
	    text.left != (utc ? 13 : 15) || text.at[text.left - 1] != 'Z')
		return false;
	for (size_t i = 0; i < text.left - 1; i++)
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
	year = number_read(&text, utc ? 2 : 4);
	if (utc)
		year += year < 50 ? 2000 : 1900;
	month = number_read(&text, 2);
	day = number_read(&text, 2);
	hour = number_read(&text, 2);
	minute = number_read(&text, 2);
	second = number_read(&text, 2);
	if (!days_count(year, month, day, seconds) || hour > 23 || minute > 59 || second > 59)
		return false;
	*seconds = ((*seconds * 24 + hour) * 60 + minute) * 60 + second;
	return true;
}

/* Names */

/* Take a name. What no client can ask for is passed over: spaces, UTF-8, NUL, too long. */
static const char *name_add(struct keys_pair *pair, const struct der *from)
{
	char *name;

	if (from->left == 0 || from->left > NAME_LENGTH_MAX || pair->name_count == KEYS_NAMES_MAX)
		return NULL;
	for (size_t i = 0; i < from->left; i++)
		if (from->at[i] <= ' ' || from->at[i] > '~')
			return NULL;
	name = malloc(from->left + 1);
	if (name == NULL)
		return no_memory;
	for (size_t i = 0; i < from->left; i++) {
		name[i] = (char)from->at[i];
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] - 'A' + 'a');
	}
	name[from->left] = '\0';
	pair->names[pair->name_count++] = name;
	return NULL;
}

/* The dNSNames of a subjectAltName's value (RFC 5280, section 4.2.1.6). */
static const char *alternatives_read(struct keys_pair *pair, struct der value)
{
	struct der names, name;
	const char *fault = NULL;
	uint8_t tag;

	if (!der_read(&value, DER_SEQUENCE, &names) || value.left > 0)
		return certificate_damaged;
	while (fault == NULL && names.left > 0) {
		if (!der_read_any(&names, &tag, &name))
			return certificate_damaged;
		if (tag == DER_CONTEXT(2))
			fault = name_add(pair, &name);
	}
	return fault;
}

static const char *extensions_read(struct keys_pair *pair, struct der extensions)
{
	static const uint8_t subject_alternative[3] = { 0x55, 0x1d, 0x11 };    /* 2.5.29.17 */
	struct der extension, oid, value;
	const char *fault = NULL;

	while (fault == NULL && extensions.left > 0) {
		if (!der_read(&extensions, DER_SEQUENCE, &extension) ||
		    !der_read(&extension, DER_OID, &oid))
			return certificate_damaged;
		(void)der_skip(&extension, DER_BOOLEAN);        /* critical */
		if (!der_read(&extension, DER_OCTETS, &value) || extension.left > 0)
			return certificate_damaged;
		if (der_is(&oid, subject_alternative, sizeof subject_alternative))
			fault = alternatives_read(pair, value);
	}
	return fault;
}

/* The subject's CN, the last if there are several (it is the most specific one). */
static const char *subject_read(struct keys_pair *pair, struct der subject)
{
	static const uint8_t common_name[3] = { 0x55, 0x04, 0x03 };    /* 2.5.4.3 */
	struct der set, attribute, oid, value, name = { NULL, 0 };
	uint8_t tag;

	while (subject.left > 0) {
		if (!der_read(&subject, DER_SET, &set))
			return certificate_damaged;
		while (set.left > 0) {
			if (!der_read(&set, DER_SEQUENCE, &attribute) ||
			    !der_read(&attribute, DER_OID, &oid) ||
			    !der_read_any(&attribute, &tag, &value) || attribute.left > 0)
				return certificate_damaged;
			if (der_is(&oid, common_name, sizeof common_name))
				name = value;
		}
	}
	return name_add(pair, &name);
}

/* Names and dates of the server's own certificate. */
static const char *certificate_read(struct keys_pair *pair, struct certificate *certificate)
{
	const char *fault;

	if (!time_read(&certificate->validity, &pair->not_before) ||
	    !time_read(&certificate->validity, &pair->not_after) || certificate->validity.left > 0)
		return certificate_damaged;
	fault = extensions_read(pair, certificate->extensions);
	if (fault == NULL && pair->name_count == 0)
		fault = subject_read(pair, certificate->subject);
	pair->self_issued = certificate->issuer.left == certificate->subject.left &&
	    memcmp(certificate->issuer.at, certificate->subject.at, certificate->subject.left) == 0;
	return fault;
}

/* Loading */

static const char *certificate_take(struct keys_pair *pair, const uint8_t *bytes, size_t size)
{
	br_x509_certificate *last = &pair->chain[pair->chain_length];
	struct certificate certificate;

	if (pair->chain_length == KEYS_CHAIN_MAX)
		return "there are more than " NUMBER(KEYS_CHAIN_MAX) " certificates";
	pair->chain_size += size;
	if (pair->chain_size > KEYS_CHAIN_SIZE_MAX)
		return "the certificates have more than " NUMBER(KEYS_CHAIN_SIZE_MAX) " bytes";
	last->data = malloc(size);
	if (last->data == NULL)
		return no_memory;
	pair->chain_length++;
	memcpy(last->data, bytes, size);
	last->data_len = size;
	if (!certificate_open(&certificate, last->data, size))
		return certificate_damaged;
	return last == pair->chain ? certificate_read(pair, &certificate) : NULL;
}

static const char *certificates_load(struct keys_pair *pair, const char *text, size_t size)
{
	struct reader reader;
	const char *fault = NULL;
	enum block block;

	if (!reader_open(&reader, text, size))
		fault = no_memory;
	while (fault == NULL && (block = reader_next(&reader)) != BLOCK_END) {
		if (block == BLOCK_CERTIFICATE && !reader.whole)
			fault = certificate_damaged;
		else if (block == BLOCK_CERTIFICATE)
			fault = certificate_take(pair, reader.bytes, reader.length);
	}
	if (fault == NULL && pair->chain_length == 0)
		fault = "there is no certificate in PEM";
	reader_close(&reader);
	return fault;
}

static unsigned char *bytes_append(unsigned char **at, const unsigned char *bytes, size_t length)
{
	unsigned char *start = *at;

	memcpy(start, bytes, length);
	*at += length;
	return start;
}

static size_t rsa_size(const br_rsa_private_key *key)
{
	return key->plen + key->qlen + key->dplen + key->dqlen + key->iqlen;
}

static const char *rsa_take(struct keys_pair *pair, const br_rsa_private_key *key)
{
	unsigned char *at;

	if (key->n_bitlen < RSA_BITS_MIN || key->n_bitlen > RSA_BITS_MAX)
		return "the private key is RSA of under 2048 or over 4096 bits";
	at = malloc(rsa_size(key));
	if (at == NULL)
		return no_memory;
	pair->kind = KEYS_RSA;
	pair->rsa = *key;
	pair->rsa.p = bytes_append(&at, key->p, key->plen);     /* what all of it is freed by */
	pair->rsa.q = bytes_append(&at, key->q, key->qlen);
	pair->rsa.dp = bytes_append(&at, key->dp, key->dplen);
	pair->rsa.dq = bytes_append(&at, key->dq, key->dqlen);
	pair->rsa.iq = bytes_append(&at, key->iq, key->iqlen);
	return NULL;
}

static const char *ec_take(struct keys_pair *pair, const br_ec_private_key *key)
{
	unsigned char *at = malloc(key->xlen);

	if (at == NULL)
		return no_memory;
	pair->kind = KEYS_EC;
	pair->ec = *key;
	pair->ec.x = bytes_append(&at, key->x, key->xlen);
	return NULL;
}

/* With too large a key BearSSL 0.6 writes up to 24 bytes past the end of its context. */
struct key_decoder {
	br_skey_decoder_context context;
	uint8_t beyond[64];
};

static const char *key_take(struct keys_pair *pair, const uint8_t *bytes, size_t size)
{
	struct key_decoder decoder;
	br_skey_decoder_context *context = &decoder.context;
	const char *fault = key_damaged;

	br_skey_decoder_init(context);
	br_skey_decoder_push(context, bytes, size);
	switch (br_skey_decoder_last_error(context)) {
	case 0:
		fault = br_skey_decoder_key_type(context) == BR_KEYTYPE_RSA ?
		    rsa_take(pair, br_skey_decoder_get_rsa(context)) :
		    ec_take(pair, br_skey_decoder_get_ec(context));
		break;
	case BR_ERR_X509_UNSUPPORTED:
		fault = "the private key is neither RSA nor EC on P-256, P-384 or P-521";
		break;
	case BR_ERR_X509_LIMIT_EXCEEDED:
		fault = "the private key is too large";
		break;
	}
	wipe(&decoder, sizeof decoder);
	return fault;
}

/* The first key of a text. */
static const char *key_load(struct keys_pair *pair, const char *text, size_t size)
{
	struct reader reader;
	const char *fault;
	enum block block = BLOCK_END;
	bool open = reader_open(&reader, text, size);

	if (open)
		do
			block = reader_next(&reader);
		while (block == BLOCK_CERTIFICATE || block == BLOCK_OTHER);
	if (!open)
		fault = no_memory;
	else if (block == BLOCK_END)
		fault = "there is no private key in PEM";
	else if (block == BLOCK_ENCRYPTED)
		fault = "the private key is encrypted";
	else if (!reader.whole)
		fault = key_damaged;
	else
		fault = key_take(pair, reader.bytes, reader.length);
	reader_close(&reader);
	return fault;
}

/* Whether key and certificate belong together */

/*
 * Tried by a signature, which tells more than comparing moduli would: the other parts of an RSA key
 * are right too (one wrong signature gives its primes away). And the modulus cannot be had anyway:
 * br_rsa_i31_compute_modulus of BearSSL 0.6 fails with 4096 bits.
 */
static bool key_fits(const struct keys_pair *pair, const br_x509_pkey *public)
{
	static const uint8_t hash[br_sha256_SIZE] = { 1 };
	uint8_t signature[SIGNATURE_MAX], found[sizeof hash];
	size_t size;

	if (public->key_type != (pair->kind == KEYS_RSA ? BR_KEYTYPE_RSA : BR_KEYTYPE_EC))
		return false;
	size = keys_sign(pair, br_sha256_ID, hash, sizeof hash, signature, sizeof signature);
	if (size == 0)
		return false;
	if (pair->kind == KEYS_EC)
		return br_ecdsa_vrfy_asn1_get_default()(br_ec_get_default(), hash, sizeof hash,
		    &public->key.ec, signature, size) == 1;
	return br_rsa_pkcs1_vrfy_get_default()(signature, size, BR_HASH_OID_SHA256, sizeof found,
	    &public->key.rsa, found) == 1 && memcmp(found, hash, sizeof hash) == 0;
}

/* A curve's number by its object identifier (RFC 5480, section 2.1.1.1); 0: another. */
static int curve_find(const struct der *oid)
{
	if (der_is(oid, "\x2a\x86\x48\xce\x3d\x03\x01\x07", 8))
		return BR_EC_secp256r1;
	if (der_is(oid, "\x2b\x81\x04\x00\x22", 5))
		return BR_EC_secp384r1;
	return der_is(oid, "\x2b\x81\x04\x00\x23", 5) ? BR_EC_secp521r1 : 0;
}

static unsigned char *der_bytes(const struct der *der)
{
	return (unsigned char *)(uintptr_t)der->at;     /* BearSSL has no const there */
}

/* A subjectPublicKeyInfo (RFC 5280, section 4.1.2.7; RFC 3279, section 2.3). False if it is damaged;
 * key_type is 0 if it is of another kind. */
static bool public_read(struct der info, br_x509_pkey *public)
{
	struct der algorithm, oid, bits, curve, numbers, n, e;

	public->key_type = 0;
	if (!der_read(&info, DER_SEQUENCE, &algorithm) || !der_read(&algorithm, DER_OID, &oid) ||
	    !der_read(&info, DER_BITS, &bits) || bits.left == 0 || bits.at[0] != 0)
		return false;
	bits.at++;
	bits.left--;
	if (der_is(&oid, "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 9)) {
		if (!der_read(&bits, DER_SEQUENCE, &numbers) ||
		    !der_read(&numbers, DER_INTEGER, &n) || !der_read(&numbers, DER_INTEGER, &e))
			return false;
		public->key_type = BR_KEYTYPE_RSA;
		public->key.rsa = (br_rsa_public_key){ der_bytes(&n), n.left, der_bytes(&e),
			e.left };
	} else if (der_is(&oid, "\x2a\x86\x48\xce\x3d\x02\x01", 7) &&
	    der_read(&algorithm, DER_OID, &curve) && curve_find(&curve) != 0) {
		public->key_type = BR_KEYTYPE_EC;
		public->key.ec = (br_ec_public_key){ curve_find(&curve), der_bytes(&bits),
			bits.left };
	}
	return true;
}

static const char *pair_check(const struct keys_pair *pair)
{
	struct certificate certificate;
	br_x509_pkey public;

	if (!certificate_open(&certificate, pair->chain[0].data, pair->chain[0].data_len) ||
	    !public_read(certificate.public_key, &public))
		return certificate_damaged;
	if (public.key_type == 0)
		return "the certificate's key is neither RSA nor EC on P-256, P-384 or P-521";
	return key_fits(pair, &public) ? NULL : "the private key does not fit the certificate";
}

static const char *pair_load(struct keys_pair *pair, const struct tls_text *text)
{
	const char *fault = certificates_load(pair, text->certificates, text->certificates_size);

	if (fault == NULL)
		fault = key_load(pair, text->key, text->key_size);
	return fault == NULL ? pair_check(pair) : fault;
}

struct keys *keys_load(const struct tls_text *texts, size_t count, size_t *pair,
    char error[static TLS_ERROR_MAX])
{
	struct keys *keys = calloc(1, sizeof *keys);
	const char *fault = NULL;

	*pair = 0;
	if (keys == NULL)
		fault = no_memory;
	else if (count < 1 || count > KEYS_PAIRS_MAX)
		fault = "there must be 1 to " NUMBER(KEYS_PAIRS_MAX) " pairs";
	for (size_t i = 0; fault == NULL && i < count; i++) {
		*pair = i;
		keys->count = i + 1;
		fault = pair_load(&keys->pairs[i], &texts[i]);
	}
	if (fault == NULL)
		return keys;
	memcpy(error, fault, strlen(fault) + 1);
	keys_free(keys);
	return NULL;
}

static void pair_free(struct keys_pair *pair)
{
	for (size_t i = 0; i < pair->chain_length; i++)
		free(pair->chain[i].data);
	for (size_t i = 0; i < pair->name_count; i++)
		free(pair->names[i]);
	wipe(pair->rsa.p, rsa_size(&pair->rsa));
	free(pair->rsa.p);
	wipe(pair->ec.x, pair->ec.xlen);
	free(pair->ec.x);
}

void keys_free(struct keys *keys)
{
	if (keys == NULL)
		return;
	for (size_t i = 0; i < keys->count; i++)
		pair_free(&keys->pairs[i]);
	free(keys);
}

/* Choosing and signing */

static bool text_equals(const char *lower, const char *any)
{
	char c;

	for (; *any != '\0'; lower++, any++) {
		c = *any >= 'A' && *any <= 'Z' ? (char)(*any - 'A' + 'a') : *any;
		if (*lower != c)
			return false;
	}
	return *lower == '\0';
}

static bool name_fits(const char *pattern, const char *name)
{
	const char *dot = strchr(name, '.');

	if (text_equals(pattern, name))
		return true;
	return *pattern == '*' && dot != NULL && dot > name && text_equals(pattern + 1, dot);
}

static bool pair_fits(const struct keys_pair *pair, const char *name)
{
	for (size_t i = 0; i < pair->name_count; i++)
		if (name_fits(pair->names[i], name))
			return true;
	return false;
}

const struct keys_pair *keys_choose(const struct keys *keys, const char *name, unsigned kinds)
{
	const struct keys_pair *pair, *first = NULL;

	for (size_t i = 0; i < keys->count; i++) {
		pair = &keys->pairs[i];
		if ((kinds & (1u << pair->kind)) == 0)
			continue;
		if (pair_fits(pair, name))
			return pair;
		if (first == NULL)
			first = pair;
	}
	return first;
}

struct hash {
	const br_hash_class *class;
	size_t size;
	const unsigned char *oid;
};

static const struct hash *hash_find(unsigned id)
{
	static const struct hash hashes[] = {
		{ &br_sha256_vtable, br_sha256_SIZE, BR_HASH_OID_SHA256 },
		{ &br_sha384_vtable, br_sha384_SIZE, BR_HASH_OID_SHA384 },
		{ &br_sha512_vtable, br_sha512_SIZE, BR_HASH_OID_SHA512 }
	};

	return id < br_sha256_ID || id > br_sha512_ID ? NULL : &hashes[id - br_sha256_ID];
}

size_t keys_sign(const struct keys_pair *pair, unsigned hash_id, const uint8_t *hash,
    size_t hash_size, uint8_t *signature, size_t signature_max)
{
	const struct hash *kind = hash_find(hash_id);
	uint8_t made[SIGNATURE_MAX];
	size_t size;

	if (kind == NULL || hash_size != kind->size)
		return 0;
	if (pair->kind == KEYS_EC)
		size = br_ecdsa_sign_asn1_get_default()(br_ec_get_default(), kind->class, hash,
		    &pair->ec, made);
	else if (br_rsa_pkcs1_sign_get_default()(kind->oid, hash, hash_size, &pair->rsa, made) == 1)
		size = (pair->rsa.n_bitlen + 7) / 8;
	else
		size = 0;
	if (size > signature_max)
		return 0;
	memcpy(signature, made, size);
	return size;
}
