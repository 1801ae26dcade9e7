/*
 * keys.h - certificates and private keys: reading them, and choosing among several by name.
 *
 * The texts are PEM, as certbot, acme.sh and OpenWrt's acme write them. Pure but for malloc: no
 * file, no clock. Loading checks all there is to check, so that what was loaded serves: a caller
 * that reloads keeps its old keys until the new ones are good.
 */
#ifndef KEYS_H
#define KEYS_H

#include <bearssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls.h"

#define KEYS_PAIRS_MAX 16
#define KEYS_CHAIN_MAX 8        /* certificates of one pair, the server's own first */
#define KEYS_CHAIN_SIZE_MAX 60000   /* bytes that they have, as DER: all must fit in one answer */
#define KEYS_NAMES_MAX 64       /* of one certificate; further ones are passed over */

enum keys_kind { KEYS_EC, KEYS_RSA };

/* A certificate chain and its private key. */
struct keys_pair {
	enum keys_kind kind;
	br_x509_certificate chain[KEYS_CHAIN_MAX];
	size_t chain_length, chain_size;
	br_rsa_private_key rsa;         /* by kind; memory belongs to the keys */
	br_ec_private_key ec;           /* P-256, P-384 or P-521 */
	int64_t not_before, not_after;  /* s since 1970, of the server's own certificate */
	bool self_issued;               /* that one is by its own subject */
	size_t name_count;
	/* SAN dNSNames (the subject's CN if there are none), lower case */
	char *names[KEYS_NAMES_MAX];
};

struct keys {
	struct keys_pair pairs[KEYS_PAIRS_MAX];
	size_t count;
};

/*
 * Load pairs (1 to KEYS_PAIRS_MAX). Returns NULL with one line in error, and in *pair which one is
 * at fault, if a text holds no certificate or no key, more than KEYS_CHAIN_MAX certificates or
 * KEYS_CHAIN_SIZE_MAX bytes of them, a kind or size of key that is not served (EC on another curve,
 * RSA under 2048 or over 4096 bits), an encrypted key, or a key that does not fit its certificate.
 * Dates are not judged. keys_free gives all back; key material is wiped.
 */
struct keys *keys_load(const struct tls_text *texts, size_t count, size_t *pair,
    char error[static TLS_ERROR_MAX]);
void keys_free(struct keys *keys);

/*
 * The pairs that suit a server name (RFC 6066: a host name without a trailing dot, compared without
 * case; a wildcard in a certificate stands for exactly one leftmost label). kinds is a set of bits
 * 1 << enum keys_kind that the client can take. The first pair with a fitting name and kind; else
 * the first of that kind without regard to the name; NULL if there is none of these kinds. name may
 * be "".
 */
const struct keys_pair *keys_choose(const struct keys *keys, const char *name, unsigned kinds);

/*
 * Sign a hash value with a pair's key, for TLS 1.2 (RSA: PKCS#1 v1.5; ECDSA: ASN.1). hash_id is
 * br_sha256_ID to br_sha512_ID. Returns the signature's size, 0 if it cannot be made or does not fit.
 * Constant time as BearSSL's.
 */
size_t keys_sign(const struct keys_pair *pair, unsigned hash_id, const uint8_t *hash,
    size_t hash_size,
    uint8_t *signature, size_t signature_max);

#endif
