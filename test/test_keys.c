/* test_keys.c - keys of every kind and form, broken ones, and the choice among several. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "../keys.h"
#include "keys_pem.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define DER_MAX 4096
#define BOTH (1u << KEYS_EC | 1u << KEYS_RSA)
#define FROM INT64_C(1767323045)        /* 2026-01-02 03:04:05 */
#define TO INT64_C(4925765106)          /* 2126-02-03 04:05:06 */

#define EC "EC PRIVATE KEY"
#define RSA "RSA PRIVATE KEY"

#define DAMAGED_CERTIFICATE "a certificate is damaged"
#define DAMAGED_KEY "the private key is damaged"
#define NO_CERTIFICATE "there is no certificate in PEM"
#define NO_KEY "there is no private key in PEM"
#define MISFIT "the private key does not fit the certificate"
#define WRONG_KEY "the private key is neither RSA nor EC on P-256, P-384 or P-521"
#define WRONG_CERTIFICATE "the certificate's key is neither RSA nor EC on P-256, P-384 or P-521"
#define WRONG_SIZE "the private key is RSA of under 2048 or over 4096 bits"
#define ENCRYPTED "the private key is encrypted"

/* Load one pair, from memory that ends at a guard page. */
static struct keys *load_sized(const char *certificates, size_t certificates_size, const char *key,
    size_t key_size, char error[static TLS_ERROR_MAX])
{
	struct tls_text text = {
		guard_copy(certificates, certificates_size), certificates_size,
		guard_copy(key, key_size), key_size
	};
	size_t pair = 99;
	struct keys *keys;

	memset(error, '#', TLS_ERROR_MAX);
	keys = keys_load(&text, 1, &pair, error);
	CHECK(pair == 0);
	CHECK(keys != NULL || memchr(error, '\0', TLS_ERROR_MAX) != NULL);
	guard_free((char *)(uintptr_t)text.certificates, certificates_size);
	guard_free((char *)(uintptr_t)text.key, key_size);
	return keys;
}

static struct keys *load(const char *certificates, const char *key)
{
	char error[TLS_ERROR_MAX];
	struct keys *keys = load_sized(certificates, strlen(certificates), key, strlen(key), error);

	if (keys == NULL)
		printf("# refused: %s\n", error);
	return keys;
}

/* With this error, or any if it is NULL. */
static bool refused(const char *certificates, const char *key, const char *expected)
{
	char error[TLS_ERROR_MAX] = "";
	struct keys *keys = load_sized(certificates, strlen(certificates), key, strlen(key), error);
	bool right = keys == NULL && (expected == NULL || strcmp(error, expected) == 0);

	if (!right)
		printf("# %s, not: %s\n", keys == NULL ? error : "loaded",
		    expected == NULL ? "an error" : expected);
	keys_free(keys);
	return right;
}

static bool loads(const char *certificates, const char *key)
{
	struct keys *keys = load(certificates, key);
	bool right = keys != NULL;

	keys_free(keys);
	return right;
}

/* Texts one after the other; the last is NULL. The caller frees. */
static char *join(const char *const *parts)
{
	size_t length = 0;
	char *joined;

	for (size_t i = 0; parts[i] != NULL; i++)
		length += strlen(parts[i]);
	joined = calloc(1, length + 1);
	if (joined == NULL)
		exit(2);
	for (size_t i = 0; parts[i] != NULL; i++)
		strcat(joined, parts[i]);
	return joined;
}

#define JOIN(...) join((const char *const[]){ __VA_ARGS__, NULL })

/* A text with each `from` made `to`. The caller frees. */
static char *replace(const char *text, const char *from, const char *to)
{
	char *made = calloc(1, strlen(text) * (strlen(to) + 1) + 1), *at = made;

	if (made == NULL)
		exit(2);
	for (; *text != '\0'; at += strlen(at)) {
		if (strncmp(text, from, strlen(from)) == 0) {
			strcpy(at, to);
			text += strlen(from);
		} else {
			*at = *text++;
		}
	}
	return made;
}

struct bytes {
	unsigned char at[DER_MAX];
	size_t length;
};

static void bytes_add(void *context, const void *from, size_t length)
{
	struct bytes *bytes = context;

	if (length > DER_MAX - bytes->length)
		exit(2);
	memcpy(bytes->at + bytes->length, from, length);
	bytes->length += length;
}

/* The bytes of a text's last block. */
static void decode(struct bytes *bytes, const char *text)
{
	br_pem_decoder_context decoder;
	size_t left = strlen(text), used;

	br_pem_decoder_init(&decoder);
	for (; left > 0; text += used, left -= used) {
		used = br_pem_decoder_push(&decoder, text, left);
		if (br_pem_decoder_event(&decoder) == BR_PEM_BEGIN_OBJ) {
			bytes->length = 0;
			br_pem_decoder_setdest(&decoder, bytes_add, bytes);
		}
	}
}

/* The caller frees. */
static char *encode(const unsigned char *bytes, size_t length, const char *name)
{
	char *text = malloc(br_pem_encode(NULL, NULL, length, name, 0) + 1);

	if (text == NULL)
		exit(2);
	br_pem_encode(text, bytes, length, name, 0);
	return text;
}

/*
 * A certificate with some bytes changed to as many others, where they occur last. Its signature is
 * wrong then, but nobody looks. The caller frees.
 */
static char *certificate_changed(const char *text, const void *from, const void *to, size_t length)
{
	struct bytes bytes;
	size_t at;

	decode(&bytes, text);
	for (at = bytes.length - length; at > 0; at--)
		if (memcmp(bytes.at + at, from, length) == 0)
			break;
	CHECK(at > 0);
	if (at > 0)
		memcpy(bytes.at + at, to, length);
	return encode(bytes.at, bytes.length, "CERTIFICATE");
}

/* Kinds and forms */

static const struct form {
	const char *certificate, *key;
	enum keys_kind kind;
	unsigned size;          /* bits of RSA, BearSSL's number of a curve */
	const char *name;
} forms[] = {
	{ ec256_certificate, ec256_sec1, KEYS_EC, BR_EC_secp256r1, "tracker.example" },
	{ ec256_certificate, ec256_pkcs8, KEYS_EC, BR_EC_secp256r1, "tracker.example" },
	{ ec384_certificate, ec384_sec1, KEYS_EC, BR_EC_secp384r1, "ec384.example" },
	{ ec384_certificate, ec384_pkcs8, KEYS_EC, BR_EC_secp384r1, "ec384.example" },
	{ ec521_certificate, ec521_sec1, KEYS_EC, BR_EC_secp521r1, "ec521.example" },
	{ ec521_certificate, ec521_pkcs8, KEYS_EC, BR_EC_secp521r1, "ec521.example" },
	{ rsa2048_certificate, rsa2048_pkcs1, KEYS_RSA, 2048, "rsa2048.example" },
	{ rsa2048_certificate, rsa2048_pkcs8, KEYS_RSA, 2048, "rsa2048.example" },
	{ rsa3072_certificate, rsa3072_pkcs8, KEYS_RSA, 3072, "rsa3072.example" },
	{ rsa4096_certificate, rsa4096_pkcs1, KEYS_RSA, 4096, "rsa4096.example" }
};

static void every_form_is_loaded(void)
{
	for (size_t i = 0; i < COUNT(forms); i++) {
		const struct form *form = &forms[i];
		struct keys *keys = load(form->certificate, form->key);
		const struct keys_pair *pair;
		struct bytes bytes;

		CHECK(keys != NULL);
		if (keys == NULL)
			continue;
		pair = &keys->pairs[0];
		decode(&bytes, form->certificate);
		CHECK(keys->count == 1);
		CHECK(pair->kind == form->kind);
		CHECK(form->size ==
		    (form->kind == KEYS_EC ? (unsigned)pair->ec.curve : pair->rsa.n_bitlen));
		CHECK(pair->chain_length == 1);
		CHECK(pair->chain[0].data_len == bytes.length);
		CHECK(memcmp(pair->chain[0].data, bytes.at, bytes.length) == 0);
		CHECK(pair->name_count > 0 && strcmp(pair->names[0], form->name) == 0);
		CHECK(pair->not_before == FROM && pair->not_after == TO);
		keys_free(keys);
	}
}

/* By BearSSL's own verification against the certificate's key. */
static bool signature_holds(const struct keys_pair *pair, const char *oid, const uint8_t *hash,
    size_t hash_size, const uint8_t *signature, size_t size)
{
	br_x509_decoder_context decoder;
	const br_x509_pkey *public;
	unsigned char found[64];

	br_x509_decoder_init(&decoder, NULL, NULL);
	br_x509_decoder_push(&decoder, pair->chain[0].data, pair->chain[0].data_len);
	public = br_x509_decoder_get_pkey(&decoder);
	if (public == NULL)
		return false;
	if (pair->kind == KEYS_EC)
		return br_ecdsa_i31_vrfy_asn1(&br_ec_prime_i31, hash, hash_size, &public->key.ec,
		    signature, size) == 1;
	return br_rsa_i31_pkcs1_vrfy(signature, size, (const unsigned char *)oid, hash_size,
	    &public->key.rsa, found) == 1 && memcmp(found, hash, hash_size) == 0;
}

static const struct hash {
	unsigned id;
	size_t size;
	const char *oid;
} hashes[] = {
	{ br_sha256_ID, 32, (const char *)BR_HASH_OID_SHA256 },
	{ br_sha384_ID, 48, (const char *)BR_HASH_OID_SHA384 },
	{ br_sha512_ID, 64, (const char *)BR_HASH_OID_SHA512 }
};

static void sign_with_hash(const struct keys_pair *pair, const struct hash *kind)
{
	uint8_t hash[64], signature[512];
	size_t size;

	for (size_t i = 0; i < sizeof hash; i++)
		hash[i] = (uint8_t)(190 + i);
	size = keys_sign(pair, kind->id, hash, kind->size, signature, sizeof signature);
	CHECK(size > 0 && (pair->kind == KEYS_EC || size == pair->rsa.n_bitlen / 8));
	CHECK(signature_holds(pair, kind->oid, hash, kind->size, signature, size));
	CHECK(keys_sign(pair, kind->id, hash, kind->size - 1, signature, size) == 0);
	CHECK(keys_sign(pair, kind->id, hash, kind->size + 1, signature, size) == 0);
	hash[0] ^= 1;
	CHECK(!signature_holds(pair, kind->oid, hash, kind->size, signature, size));
}

/* Room for a signature, for a byte less and for none; hashes that TLS 1.2 does not sign so. */
static void sign_with_limits(const struct keys_pair *pair)
{
	uint8_t hash[64] = { 7 }, signature[512], *exact;
	size_t size = keys_sign(pair, br_sha256_ID, hash, 32, signature, sizeof signature);

	exact = guard_alloc(size);
	CHECK(keys_sign(pair, br_sha256_ID, hash, 32, exact, size) == size);
	CHECK(memcmp(exact, signature, size) == 0);     /* ECDSA's too, by RFC 6979 */
	memset(exact, 0, size);
	CHECK(keys_sign(pair, br_sha256_ID, hash, 32, exact, size - 1) == 0);
	CHECK(exact[0] == 0);
	guard_free(exact, size);
	CHECK(keys_sign(pair, br_sha256_ID, hash, 32, NULL, 0) == 0);
	CHECK(keys_sign(pair, br_sha1_ID, hash, 20, signature, sizeof signature) == 0);
	CHECK(keys_sign(pair, br_md5sha1_ID, hash, 36, signature, sizeof signature) == 0);
	CHECK(keys_sign(pair, br_md5_ID, hash, br_md5_SIZE, signature, sizeof signature) == 0);
	CHECK(keys_sign(pair, br_sha512_ID + 1, hash, 64, signature, sizeof signature) == 0);
}

static void signatures_hold(void)
{
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct keys *keys = load(forms[i].certificate, forms[i].key);

		CHECK(keys != NULL);
		for (size_t j = 0; keys != NULL && j < COUNT(hashes); j++)
			sign_with_hash(&keys->pairs[0], &hashes[j]);
		if (keys != NULL)
			sign_with_limits(&keys->pairs[0]);
		keys_free(keys);
	}
}

static void what_is_not_served_is_refused(void)
{
	CHECK(refused("", ec256_sec1, NO_CERTIFICATE));
	CHECK(refused("hello\n", ec256_sec1, NO_CERTIFICATE));
	CHECK(refused(ec256_sec1, ec256_sec1, NO_CERTIFICATE));
	CHECK(refused(ec256_certificate, "", NO_KEY));
	CHECK(refused(ec256_certificate, ec256_certificate, NO_KEY));
	CHECK(refused(rsa1024_certificate, rsa1024_pkcs8, WRONG_SIZE));
	CHECK(refused(ec224_certificate, ec224_pkcs8, WRONG_KEY));
	CHECK(refused(ec256k1_certificate, ec256k1_pkcs8, WRONG_KEY));
	CHECK(refused(ed25519_certificate, ed25519_pkcs8, WRONG_KEY));
	CHECK(refused(ec224_certificate, ec256_sec1, WRONG_CERTIFICATE));
	CHECK(refused(ed25519_certificate, ec256_sec1, WRONG_CERTIFICATE));
	CHECK(refused(ec256_certificate, ec256_pkcs8_encrypted, ENCRYPTED));
	CHECK(refused(ec256_certificate, ec256_sec1_encrypted, ENCRYPTED));
	CHECK(refused(middle_certificate, ec256_sec1, MISFIT));
	CHECK(refused(ec384_certificate, ec256_sec1, MISFIT));
	CHECK(refused(ec256_certificate, ec384_sec1, MISFIT));
	CHECK(refused(ec256_certificate, rsa2048_pkcs1, MISFIT));
	CHECK(refused(rsa2048_certificate, ec256_sec1, MISFIT));
	CHECK(refused(rsa2048_certificate, rsa3072_pkcs8, MISFIT));
	CHECK(refused(rsa1024_certificate, rsa2048_pkcs8, MISFIT));
}

/* Numbers of so many bytes, all ones, in a key of PKCS#1. */
static bool rsa_is_refused(size_t modulus, size_t part, const char *expected)
{
	unsigned char *ones = malloc(2048), *bytes = malloc(16384);
	br_rsa_public_key public = { ones, modulus, ones, 3 };
	br_rsa_private_key key = {
		(uint32_t)modulus * 8, ones, part, ones, part, ones, part, ones, part, ones, part
	};
	bool right;
	char *text;

	if (ones == NULL || bytes == NULL)
		exit(2);
	memset(ones, 0xff, 2048);
	text = encode(bytes, br_encode_rsa_raw_der(bytes, &key, &public, ones, modulus), RSA);
	right = refused(rsa2048_certificate, text, expected);
	free(text);
	free(bytes);
	free(ones);
	return right;
}

static void rsa_sizes_are_bounded(void)
{
	CHECK(rsa_is_refused(255, 128, WRONG_SIZE));
	CHECK(rsa_is_refused(256, 128, MISFIT));
	CHECK(rsa_is_refused(512, 256, MISFIT));
	CHECK(rsa_is_refused(512, 307, MISFIT));
	CHECK(rsa_is_refused(256, 1, MISFIT));
	CHECK(rsa_is_refused(256, 300, MISFIT));
	CHECK(rsa_is_refused(513, 256, WRONG_SIZE));
	CHECK(rsa_is_refused(1024, 512, "the private key is too large"));
	CHECK(rsa_is_refused(2048, 1024, "the private key is too large"));
}

/* The primes are right, but not what is to be computed with them. */
static void damaged_parts_of_rsa_are_found(void)
{
	static unsigned char exponent[] = { 1, 0, 1 };
	unsigned char modulus[256], encoded[DER_MAX];
	br_skey_decoder_context decoder;
	br_rsa_public_key public = { modulus, sizeof modulus, exponent, sizeof exponent };
	br_rsa_private_key key;
	struct bytes bytes;
	size_t length;
	char *text;

	decode(&bytes, rsa2048_pkcs1);
	br_skey_decoder_init(&decoder);
	br_skey_decoder_push(&decoder, bytes.at, bytes.length);
	CHECK(br_skey_decoder_key_type(&decoder) == BR_KEYTYPE_RSA);
	key = *br_skey_decoder_get_rsa(&decoder);
	CHECK(br_rsa_i31_compute_modulus(modulus, &key) == sizeof modulus);
	for (unsigned char *part = key.dp; part != NULL; ) {
		part[100] ^= 4;
		length = br_encode_rsa_raw_der(encoded, &key, &public, modulus, sizeof modulus);
		text = encode(encoded, length, RSA);
		CHECK(refused(rsa2048_certificate, text, MISFIT));
		free(text);
		part[100] ^= 4;
		part = part == key.dp ? key.dq : part == key.dq ? key.iq : NULL;
	}
	length = br_encode_rsa_raw_der(encoded, &key, &public, modulus, sizeof modulus);
	text = encode(encoded, length, RSA);
	CHECK(loads(rsa2048_certificate, text));
	free(text);
}

/* A private number of none or many bytes, all 0; the right one with zeros before it. */
static void odd_ec_keys(void)
{
	static const size_t lengths[] = { 0, 1, 32, 1500, 2000, 40 };
	unsigned char number[2000] = { 0 }, encoded[DER_MAX];
	br_skey_decoder_context decoder;
	br_ec_private_key key = { BR_EC_secp256r1, number, 0 };
	struct bytes bytes;
	char *text;

	for (size_t i = 0; i < COUNT(lengths); i++) {
		key.xlen = lengths[i];
		text = encode(encoded, br_encode_ec_raw_der(encoded, &key, NULL), EC);
		CHECK(refused(ec256_certificate, text, key.xlen == 2000 ? WRONG_KEY : MISFIT));
		free(text);
	}
	decode(&bytes, ec256_sec1);
	br_skey_decoder_init(&decoder);
	br_skey_decoder_push(&decoder, bytes.at, bytes.length);
	memcpy(number + 8, br_skey_decoder_get_ec(&decoder)->x, 32);
	text = encode(encoded, br_encode_ec_raw_der(encoded, &key, NULL), EC);
	CHECK(loads(ec256_certificate, text));
	free(text);
}

/* Texts */

/* Cut off after every byte: good as soon as the line that ends the block begins. */
static void cut_texts_are_refused(void)
{
	static const char end[] = "-----END ";
	size_t certificate_size = strlen(ec256_certificate), key_size = strlen(ec256_pkcs8);
	size_t good = (size_t)(strstr(ec256_certificate, end) - ec256_certificate) + strlen(end);
	char error[TLS_ERROR_MAX];
	struct keys *keys;

	for (size_t size = 0; size <= certificate_size; size++) {
		keys = load_sized(ec256_certificate, size, ec256_pkcs8, key_size, error);
		CHECK((keys != NULL) == (size >= good));
		CHECK(keys != NULL || strcmp(error, NO_CERTIFICATE) == 0 ||
		    strcmp(error, DAMAGED_CERTIFICATE) == 0);
		keys_free(keys);
	}
	good = (size_t)(strstr(ec256_pkcs8, end) - ec256_pkcs8) + strlen(end);
	for (size_t size = 0; size <= key_size; size++) {
		keys = load_sized(ec256_certificate, certificate_size, ec256_pkcs8, size, error);
		CHECK((keys != NULL) == (size >= good));
		CHECK(keys != NULL || strcmp(error, NO_KEY) == 0 ||
		    strcmp(error, DAMAGED_KEY) == 0);
		keys_free(keys);
	}
}

static void line_ends_and_other_text(void)
{
	char *certificate = replace(ec256_certificate, "\n", "\r\n");
	char *key = replace(ec256_sec1, "\n", "\r\n"), *with_space, *both;

	CHECK(loads(certificate, key));
	free(certificate);
	free(key);
	certificate = JOIN("subject=CN = a\n\nissuer=-----BEGIN CERTIFICATE-----\n",
	    ec256_certificate, "end");
	CHECK(loads(certificate, ec256_sec1));
	free(certificate);
	with_space = replace(ec256_certificate, "-----\n", "-----  \t\n");
	CHECK(loads(with_space, ec256_sec1));
	free(with_space);
	both = JOIN(ec256_sec1, ec256_certificate, middle_certificate);
	CHECK(loads(both, both));
	free(both);
	both = JOIN(ec256_certificate, middle_certificate, ec256_pkcs8);
	CHECK(loads(both, both));
	free(both);
	key = replace(ec256_sec1_encrypted, "\n", "\r\n");
	CHECK(refused(ec256_certificate, key, ENCRYPTED));
	free(key);
}

/* A broken block is passed over if it is of another kind, and leaves nothing in the next. */
static void other_blocks_are_passed_over(void)
{
	static const char other[] = "-----BEGIN OTHER-----\nAAAA\n-----END OTHER-----\n"
	    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
	    "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
	    "-----BEGIN LONGER THAN A CERTIFICATE'S NAME IS-----\r\n\r\n-----END -----\r\n";
	static const char broken[] = "-----BEGIN OTHER-----\nAAAAAAAA\n~\n";
	static const char header[] =
	    "-----BEGIN OTHER-----\nVersion: 1\n\nAAAA\n-----END OTHER-----\n";
	char *certificates = JOIN(other, broken, header, ec256_certificate, other, broken);
	char *key = JOIN(other, broken, header, ec256_sec1, rsa2048_pkcs1), *windows;

	CHECK(loads(certificates, key));
	windows = replace(certificates, "\n", "\r\n");
	CHECK(loads(windows, key));
	free(windows);
	free(certificates);
	free(key);
	key = JOIN(broken, header);
	CHECK(refused(ec256_certificate, key, NO_KEY));
	CHECK(refused(key, ec256_sec1, NO_CERTIFICATE));
	free(key);
}

static void broken_blocks_are_refused(void)
{
	char *broken = replace(ec256_certificate, "M", "~"), *empty;

	CHECK(refused(broken, ec256_sec1, DAMAGED_CERTIFICATE));
	free(broken);
	broken = JOIN(ec256_certificate,
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	CHECK(refused(broken, ec256_sec1, DAMAGED_CERTIFICATE));
	free(broken);
	broken = replace(ec256_pkcs8, "M", "~");
	CHECK(refused(ec256_certificate, broken, DAMAGED_KEY));
	free(broken);
	empty = encode((const unsigned char *)"", 0, "CERTIFICATE");
	CHECK(refused(empty, ec256_sec1, DAMAGED_CERTIFICATE));
	free(empty);
	empty = encode((const unsigned char *)"", 0, "PRIVATE KEY");
	CHECK(refused(ec256_certificate, empty, DAMAGED_KEY));
	free(empty);
}

static void chains_have_up_to_8_certificates(void)
{
	char *three = JOIN(ec256_certificate, middle_certificate, root_certificate);
	char *eight = JOIN(three, three, middle_certificate, root_certificate);
	char *nine = JOIN(three, three, three);
	char *reversed = JOIN(middle_certificate, ec256_certificate);
	const char *const parts[] = { ec256_certificate, middle_certificate, root_certificate };
	struct keys *keys = load(three, ec256_sec1);
	struct bytes bytes;

	CHECK(keys != NULL && keys->pairs[0].chain_length == 3);
	for (size_t i = 0; keys != NULL && i < 3; i++) {
		br_x509_certificate *certificate = &keys->pairs[0].chain[i];

		decode(&bytes, parts[i]);
		CHECK(certificate->data_len == bytes.length);
		CHECK(memcmp(certificate->data, bytes.at, bytes.length) == 0);
	}
	keys_free(keys);
	CHECK(loads(eight, ec256_sec1));
	CHECK(refused(nine, ec256_sec1, "there are more than 8 certificates"));
	CHECK(refused(reversed, ec256_sec1, MISFIT));
	free(three);
	free(eight);
	free(nine);
	free(reversed);
}

static void chains_have_a_limit_in_bytes(void)
{
	static char zeros[80001];       /* 60,000 bytes in base64 */
	char *long_chain;

	memset(zeros, 'A', 80000);
	long_chain = JOIN(ec256_certificate, "-----BEGIN CERTIFICATE-----\n", zeros,
	    "\n-----END CERTIFICATE-----\n");
	CHECK(refused(long_chain, ec256_sec1, "the certificates have more than 60000 bytes"));
	free(long_chain);
}

/* Each byte changed in several ways; the caller frees. */
static char *byte_changed(struct bytes *bytes, size_t number, const char *name)
{
	static const unsigned char changes[] = { 0x01, 0x80, 0xff };
	unsigned char *byte = &bytes->at[number / COUNT(changes)], kept = *byte;
	char *text;

	if (number >= bytes->length * COUNT(changes))
		return NULL;
	*byte ^= changes[number % COUNT(changes)];
	text = encode(bytes->at, bytes->length, name);
	*byte = kept;
	return text;
}

/* An RSA key with an EC certificate, so that no time goes into signatures. */
static void changed_certificates_do_no_harm(void)
{
	struct bytes bytes;
	char *changed;

	decode(&bytes, ec256_certificate);
	for (size_t i = 0; (changed = byte_changed(&bytes, i, "CERTIFICATE")) != NULL; i++) {
		CHECK(refused(changed, rsa2048_pkcs1, NULL));
		free(changed);
	}
}

/* Refused, unless the byte was one that does not matter. */
static void changed_keys_do_no_harm(void)
{
	size_t loaded = 0;
	struct bytes bytes;
	struct keys *keys;
	char error[TLS_ERROR_MAX], *changed;

	decode(&bytes, ec256_sec1);
	for (size_t i = 0; (changed = byte_changed(&bytes, i, EC)) != NULL; i++) {
		keys = load_sized(ec256_certificate, strlen(ec256_certificate), changed,
		    strlen(changed), error);
		loaded += keys != NULL;
		keys_free(keys);
		free(changed);
	}
	CHECK(loaded > 0 && loaded < 3 * 75);   /* only the public key, which nobody reads */
	decode(&bytes, rsa2048_pkcs1);
	for (size_t i = 0; (changed = byte_changed(&bytes, i, RSA)) != NULL; i += 31) {
		keys = load_sized(rsa2048_certificate, strlen(rsa2048_certificate), changed,
		    strlen(changed), error);
		keys_free(keys);
		free(changed);
	}
}

/* Cut after every byte, and with one byte too many. */
static void certificates_are_read_whole(void)
{
	struct bytes bytes;
	char *cut;

	decode(&bytes, ec256_certificate);
	for (size_t length = 0; length < bytes.length; length++) {
		cut = encode(bytes.at, length, "CERTIFICATE");
		CHECK(refused(cut, ec256_sec1, DAMAGED_CERTIFICATE));
		free(cut);
	}
	bytes.at[bytes.length] = 0;
	cut = encode(bytes.at, bytes.length + 1, "CERTIFICATE");
	CHECK(refused(cut, ec256_sec1, DAMAGED_CERTIFICATE));
	free(cut);
	decode(&bytes, ec256_pkcs8);
	bytes.at[bytes.length] = 0;
	cut = encode(bytes.at, bytes.length + 1, "PRIVATE KEY");
	CHECK(refused(ec256_certificate, cut, DAMAGED_KEY));
	free(cut);
}

#define EMPTY "\x30\x00"
#define FIVE EMPTY EMPTY EMPTY EMPTY EMPTY
#define END EMPTY "\x03\x00"
#define ZEROS_32 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROS_128 ZEROS_32 ZEROS_32 ZEROS_32 ZEROS_32
#define SHAPE(bytes) (bytes), sizeof(bytes) - 1

/* What goes for a certificate after the server's own, of which nothing else is looked at. */
static const struct {
	const char *bytes;
	size_t length;
	bool right;
} shapes[] = {
	{ SHAPE("\x30\x12\x30\x0c\x02\x00" FIVE END), true },
	{ SHAPE("\x30\x17\x30\x11\xa0\x03\x02\x01\x02\x02\x00" FIVE END), true },
	{ SHAPE("\x30\x1a\x30\x14\x02\x00" FIVE "\x81\x00\x82\x00\xa3\x02" EMPTY END), true },
	{ SHAPE("\x30\x12\x30\x0c\x02\x00" FIVE END "\x00"), false },
	{ SHAPE("\x30\x13\x30\x0c\x02\x00" FIVE END "\x00"), false },
	{ SHAPE("\x30\x13\x30\x0c\x02\x00" FIVE END), false },
	{ SHAPE("\x30\x14\x30\x0c\x02\x00" FIVE END), false },
	{ SHAPE("\x30\x11\x30\x0c\x02\x00" FIVE END), false },
	{ SHAPE("\x30\x12\x30\x0c\x02\x00" FIVE EMPTY "\x03\x01"), false },
	{ SHAPE("\x30\x12\x30\x0c\x02\x00" FIVE EMPTY "\x04\x00"), false },
	{ SHAPE("\x30\x10\x30\x0a\x02\x00" EMPTY EMPTY EMPTY EMPTY END), false },
	{ SHAPE("\x30\x14\x30\x0e\x02\x00" FIVE EMPTY END), false },
	{ SHAPE("\x30\x16\x30\x10\x02\x00" FIVE "\xa3\x02" EMPTY END), true },
	{ SHAPE("\x30\x18\x30\x12\x02\x00" FIVE "\xa3\x02" EMPTY EMPTY END), false },
	{ SHAPE("\x30\x18\x30\x12\x02\x00" FIVE "\xa3\x04" EMPTY EMPTY END), false },
	{ SHAPE("\x30\x81\x12\x30\x0c\x02\x00" FIVE END), false },
	{ SHAPE("\x30\x82\x00\x12\x30\x0c\x02\x00" FIVE END), false },
	{ SHAPE("\x30\x80\x30\x0c\x02\x00" FIVE END "\x00\x00"), false },
	{ SHAPE("\x30\x81\x94\x30\x81\x8d\x02\x81\x80" ZEROS_128 FIVE END), true },
	{ SHAPE("\x30\x81\x95\x30\x81\x8e\x02\x82\x00\x80" ZEROS_128 FIVE END), false },
	{ SHAPE("\x30"), false },
	{ SHAPE("\x30\x81"), false },
	{ SHAPE("\x30\x83\x01"), false },
	{ SHAPE("\x30\xff\x01\x01\x01\x01"), false },
	{ SHAPE("\x1f\x12\x30\x0c\x02\x00" FIVE END), false }
};

static void shapes_are_judged(void)
{
	for (size_t i = 0; i < COUNT(shapes); i++) {
		const unsigned char *bytes = (const unsigned char *)shapes[i].bytes;
		char *second = encode(bytes, shapes[i].length, "CERTIFICATE");
		char *both = JOIN(ec256_certificate, second);

		if (shapes[i].right)
			CHECK(loads(both, ec256_sec1));
		else
			CHECK(refused(both, ec256_sec1, DAMAGED_CERTIFICATE));
		free(second);
		free(both);
	}
}

/* Names and dates */

static bool names_are(const char *certificate, const char *expected)
{
	struct keys *keys = load(certificate, ec256_sec1);
	char found[1024] = "";

	for (size_t i = 0; keys != NULL && i < keys->pairs[0].name_count; i++) {
		strcat(found, keys->pairs[0].names[i]);
		strcat(found, " ");
	}
	if (keys == NULL || strcmp(found, expected) != 0)
		printf("# names: %s, not: %s\n", found, expected);
	keys_free(keys);
	return strcmp(found, expected) == 0;
}

static bool names_change(const char *certificate, const char *from, const char *to, size_t length,
    const char *expected)
{
	char *changed = certificate_changed(certificate, from, to, length);
	bool right = names_are(changed, expected);

	free(changed);
	return right;
}

static void names_are_read(void)
{
	struct keys *keys = load(many_certificate, ec256_sec1);

	CHECK(names_are(ec256_certificate, "tracker.example *.tracker.example other.example "));
	CHECK(names_are(common_certificate, "common.example "));
	CHECK(names_are(address_certificate, ""));
	CHECK(names_are(nameless_certificate, ""));
	CHECK(keys != NULL && keys->pairs[0].name_count == KEYS_NAMES_MAX);
	CHECK(keys != NULL && strcmp(keys->pairs[0].names[KEYS_NAMES_MAX - 1], "n64.example") == 0);
	keys_free(keys);
	/* two CNs; issuerAltName, which is beside subjectAltName */
	CHECK(names_change(address_certificate, "\x55\x04\x0a\x0c\x04test",
	    "\x55\x04\x03\x0c\x04test", 9, "test "));
	CHECK(names_change(ec256_certificate, "\x55\x1d\x11", "\x55\x1d\x12", 3,
	    "not.used.example "));
}

static void odd_names_are_passed_over(void)
{
	static const char *const odd[] = { "other\0example", "other example", "other\nexample",
		"other\177example", "other\303\251xample" };

	for (size_t i = 0; i < COUNT(odd); i++)
		CHECK(names_change(ec256_certificate, "other.example", odd[i], 13,
		    "tracker.example *.tracker.example "));
	CHECK(names_change(ec256_certificate, "other.example", "~ther!exAZ[@`", 13,
	    "tracker.example *.tracker.example ~ther!exaz[@` "));
}

/* The first of many names made this long, and something else up to the 22nd. */
static size_t long_name_length(size_t length)
{
	static const unsigned char first[] = "\x82\x0an1.example";
	struct keys *keys;
	struct bytes bytes;
	size_t at, found = 0;
	char *changed;

	decode(&bytes, many_certificate);
	for (at = 0; at + 264 < bytes.length; at++)
		if (memcmp(bytes.at + at, first, sizeof first - 1) == 0)
			break;
	memset(bytes.at + at, 'a', 264);        /* 9 names of 12 bytes and 12 of 13 */
	memcpy(bytes.at + at, (unsigned char[]){ 0x82, 0x81, (unsigned char)length }, 3);
	at += 3 + length;
	memcpy(bytes.at + at, (unsigned char[]){ 0x81, (unsigned char)(259 - length) }, 2);
	changed = encode(bytes.at, bytes.length, "CERTIFICATE");
	keys = load(changed, ec256_sec1);
	if (keys != NULL)
		found = strlen(keys->pairs[0].names[0]);
	keys_free(keys);
	free(changed);
	return found;
}

static void long_names_are_passed_over(void)
{
	CHECK(long_name_length(252) == 252);
	CHECK(long_name_length(253) == 253);
	CHECK(long_name_length(254) == strlen("n22.example"));
	CHECK(long_name_length(255) == strlen("n22.example"));
}

static bool change_is_refused(const char *certificate, const char *from, const char *to,
    size_t length)
{
	char *changed = certificate_changed(certificate, from, to, length);
	bool right = refused(changed, ec256_sec1, DAMAGED_CERTIFICATE);

	free(changed);
	return right;
}

/* Lengths that leave something over. BearSSL does not look into names. */
static void broken_names_are_refused(void)
{
	CHECK(change_is_refused(expired_certificate, "\x30\x11\x82\x0f", "\x30\x10\x82\x0e", 4));
	CHECK(change_is_refused(expired_certificate, "\x30\x11\x82\x0f", "\x30\x11\x82\x0e", 4));
	CHECK(change_is_refused(expired_certificate, "\x30\x11\x82\x0f", "\x30\x11\x82\x10", 4));
	CHECK(change_is_refused(expired_certificate, "\x30\x11\x82\x0f", "\x31\x11\x82\x0f", 4));
	CHECK(change_is_refused(common_certificate, "\x0c\x0e" "C", "\x0c\x0d" "C", 3));
	CHECK(change_is_refused(common_certificate, "\x0c\x0e" "C", "\x0c\x0f" "C", 3));
	CHECK(change_is_refused(common_certificate, "\x06\x03\x55\x04\x03\x0c\x0e",
	    "\x05\x03\x55\x04\x03\x0c\x0e", 7));
}

/* A certificate's first date made another. */
static bool date_is(const char *certificate, const char *from, const char *to, int64_t expected)
{
	char *changed = certificate_changed(certificate, from, to, strlen(from));
	struct keys *keys = load(changed, ec256_sec1);
	bool right = keys != NULL && keys->pairs[0].not_before == expected;

	if (!right)
		printf("# %s is wrong\n", to);
	keys_free(keys);
	free(changed);
	return right;
}

static bool date_is_refused(const char *certificate, const char *from, const char *to)
{
	return change_is_refused(certificate, from, to, strlen(from));
}

static bool utc_is(const char *date, int64_t expected)
{
	return date_is(ec256_certificate, "260102030405Z", date, expected);
}

static bool general_is(const char *date, int64_t expected)
{
	return date_is(future_certificate, "20500101000000Z", date, expected);
}

static void dates_are_read(void)
{
	struct keys *keys = load(expired_certificate, ec256_sec1);

	CHECK(keys != NULL && keys->pairs[0].not_before == 1577836800);
	CHECK(keys != NULL && keys->pairs[0].not_after == 1609459200);
	keys_free(keys);
	keys = load(future_certificate, ec256_sec1);
	CHECK(keys != NULL && keys->pairs[0].not_before == INT64_C(2524608000));
	CHECK(keys != NULL && keys->pairs[0].not_after == INT64_C(253402300799));
	keys_free(keys);
	CHECK(utc_is("700101000000Z", 0));
	CHECK(utc_is("691231235959Z", -1));
	CHECK(utc_is("500101000000Z", -631152000));
	CHECK(utc_is("491231235959Z", 2524607999));
	CHECK(utc_is("000228235959Z", 951782399));
	CHECK(utc_is("000229000000Z", 951782400));
	CHECK(utc_is("000301000000Z", 951868800));
	CHECK(utc_is("240229120000Z", 1709208000));
	CHECK(utc_is("381231000000Z", 2177366400));
	CHECK(general_is("19700101000000Z", 0));
	CHECK(general_is("20380119031408Z", INT64_C(2147483648)));
	CHECK(general_is("21000228235959Z", INT64_C(4107542399)));
	CHECK(general_is("21000301000000Z", INT64_C(4107542400)));
	CHECK(general_is("24000229000000Z", INT64_C(13574563200)));
	CHECK(general_is("00010101000000Z", INT64_C(-62135596800)));
}

static void dates_that_do_not_exist_are_refused(void)
{
	static const char *const utc[] = { "260002030405Z", "261302030405Z", "260100030405Z",
		"260132030405Z", "260229030405Z", "240230030405Z", "260431030405Z", "260102240405Z",
		"260102036005Z", "260102030460Z", "26010203040 Z", "2601020304050", "2601020304-5Z",
		"260102030405z", "/60102030405Z", ":60102030405Z" };
	static const char *const general[] = { "21000229000000Z", "205001010000.0Z",
		"20500101000000 ", "205001010000000" };

	for (size_t i = 0; i < COUNT(utc); i++)
		CHECK(date_is_refused(ec256_certificate, "260102030405Z", utc[i]));
	for (size_t i = 0; i < COUNT(general); i++)
		CHECK(date_is_refused(future_certificate, "20500101000000Z", general[i]));
}

/* Several pairs */

struct several {
	struct tls_text texts[KEYS_PAIRS_MAX + 1];
	size_t count;
};

static void several_add(struct several *several, const char *certificate, const char *key)
{
	several->texts[several->count++] =
	    (struct tls_text){ certificate, strlen(certificate), key, strlen(key) };
}

static void pairs_are_counted(void)
{
	struct several several = { .count = 0 };
	char error[TLS_ERROR_MAX];
	struct keys *keys;
	size_t pair;

	while (several.count < KEYS_PAIRS_MAX)
		several_add(&several, ec256_certificate, ec256_sec1);
	keys = keys_load(several.texts, KEYS_PAIRS_MAX, &pair, error);
	CHECK(keys != NULL && keys->count == KEYS_PAIRS_MAX);
	keys_free(keys);
	CHECK(keys_load(several.texts, 0, &pair, error) == NULL);
	CHECK(strcmp(error, "there must be 1 to 16 pairs") == 0);
	CHECK(keys_load(several.texts, KEYS_PAIRS_MAX + 1, &pair, error) == NULL);
	for (size_t i = 0; i < KEYS_PAIRS_MAX; i += 5) {
		several.texts[i].key = ec384_sec1;
		several.texts[i].key_size = strlen(ec384_sec1);
		CHECK(keys_load(several.texts, KEYS_PAIRS_MAX, &pair, error) == NULL);
		CHECK(pair == i && strcmp(error, MISFIT) == 0);
		several.texts[i].key = ec256_sec1;
		several.texts[i].key_size = strlen(ec256_sec1);
	}
	keys_free(NULL);
}

/* 0: ec384.example; 1: tracker.example, *.tracker.example, other.example; 2: rsa2048.example;
 * 3: *.tracker.example and others as 1, expired.example; 4: RSA with rsa3072.example */
static struct keys *load_several(void)
{
	struct several several = { .count = 0 };
	char error[TLS_ERROR_MAX];
	size_t pair;

	several_add(&several, ec384_certificate, ec384_sec1);
	several_add(&several, ec256_certificate, ec256_sec1);
	several_add(&several, rsa2048_certificate, rsa2048_pkcs1);
	several_add(&several, expired_certificate, ec256_sec1);
	several_add(&several, rsa3072_certificate, rsa3072_pkcs8);
	return keys_load(several.texts, several.count, &pair, error);
}

static const struct {
	const char *name;
	unsigned kinds;
	int expected;           /* which pair; -1 for none */
} choices[] = {
	{ "tracker.example", BOTH, 1 },
	{ "TRACKER.eXample", BOTH, 1 },
	{ "a.tracker.example", BOTH, 1 },
	{ "A.Tracker.Example", BOTH, 1 },
	{ "xn--a.tracker.example", BOTH, 1 },
	{ "other.example", BOTH, 1 },
	{ "rsa2048.example", BOTH, 2 },
	{ "rsa3072.example", BOTH, 4 },
	{ "Expired.Example", BOTH, 3 },
	{ "a.b.tracker.example", BOTH, 0 },     /* no name fits */
	{ ".tracker.example", BOTH, 0 },
	{ "atracker.example", BOTH, 0 },
	{ "tracker.example.", BOTH, 0 },
	{ "tracker.exampl", BOTH, 0 },
	{ "tracker.examplee", BOTH, 0 },
	{ "tracker.example/", BOTH, 0 },
	{ "a.other.example", BOTH, 0 },
	{ "example", BOTH, 0 },
	{ "not.used.example", BOTH, 0 },        /* the CN beside a SAN */
	{ "192.0.2.1", BOTH, 0 },
	{ "", BOTH, 0 },
	{ ".", BOTH, 0 },
	{ "*", BOTH, 0 },
	{ "tracker.example", 1u << KEYS_EC, 1 },
	{ "tracker.example", 1u << KEYS_RSA, 2 },
	{ "rsa3072.example", 1u << KEYS_RSA, 4 },
	{ "rsa3072.example", 1u << KEYS_EC, 0 },
	{ "", 1u << KEYS_RSA, 2 },
	{ "tracker.example", 0, -1 },
	{ "tracker.example", ~BOTH, -1 }
};

static void pairs_are_chosen_by_name(void)
{
	struct keys *keys = load_several();
	const struct keys_pair *pair;

	CHECK(keys != NULL);
	for (size_t i = 0; keys != NULL && i < COUNT(choices); i++) {
		pair = keys_choose(keys, choices[i].name, choices[i].kinds);
		CHECK(pair == (choices[i].expected < 0 ? NULL : &keys->pairs[choices[i].expected]));
		if (pair != NULL && pair != &keys->pairs[choices[i].expected])
			printf("# %s: %td\n", choices[i].name, pair - keys->pairs);
	}
	keys_free(keys);
}

/* A star is a label of its own, and not all of a name. */
static void stars_elsewhere_are_no_wildcards(void)
{
	struct keys *keys = load_several();
	char *const names[] = { "*", "a*.example", "a.*.example", "*example", "*.b.*",
		"c.b.example" };

	CHECK(keys != NULL);
	if (keys == NULL)
		return;
	for (size_t i = 0; i < COUNT(names); i++) {
		char *kept = keys->pairs[1].names[1];

		keys->pairs[1].names[1] = names[i];
		CHECK(keys_choose(keys, "ab.example", BOTH) == &keys->pairs[0]);
		CHECK(keys_choose(keys, "a.b.example", BOTH) == &keys->pairs[0]);
		CHECK(keys_choose(keys, "example", BOTH) == &keys->pairs[0]);
		CHECK(keys_choose(keys, "anexample", BOTH) == &keys->pairs[0]);
		keys->pairs[1].names[1] = kept;
	}
	keys_free(keys);
}

int main(void)
{
	RUN(every_form_is_loaded);
	RUN(signatures_hold);
	RUN(what_is_not_served_is_refused);
	RUN(rsa_sizes_are_bounded);
	RUN(damaged_parts_of_rsa_are_found);
	RUN(odd_ec_keys);
	RUN(cut_texts_are_refused);
	RUN(line_ends_and_other_text);
	RUN(other_blocks_are_passed_over);
	RUN(broken_blocks_are_refused);
	RUN(chains_have_up_to_8_certificates);
	RUN(chains_have_a_limit_in_bytes);
	RUN(changed_certificates_do_no_harm);
	RUN(changed_keys_do_no_harm);
	RUN(certificates_are_read_whole);
	RUN(shapes_are_judged);
	RUN(names_are_read);
	RUN(odd_names_are_passed_over);
	RUN(long_names_are_passed_over);
	RUN(broken_names_are_refused);
	RUN(dates_are_read);
	RUN(dates_that_do_not_exist_are_refused);
	RUN(pairs_are_counted);
	RUN(pairs_are_chosen_by_name);
	RUN(stars_elsewhere_are_no_wildcards);
	return test_end();
}
