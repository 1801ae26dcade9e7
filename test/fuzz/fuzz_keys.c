/*
 * fuzz_keys.c - certificates and keys: as PEM, and as the DER in it.
 *
 * The first byte says what follows. 0: two bytes of length, so much certificate text, key text.
 * 1, 3: the DER of a certificate, for a key of P-256 or RSA; 2, 4: that of a key.
 */
#include "fuzz.h"

#include <bearssl.h>

#include "../../keys.h"
#include "../keys_pem.h"

static bool same_pair(const struct keys_pair *a, const struct keys_pair *b)
{
	size_t i;

	for (i = 0; i < a->name_count && i < b->name_count; i++)
		MUST(strcmp(a->names[i], b->names[i]) == 0);
	return a->kind == b->kind && a->chain_length == b->chain_length &&
	    a->name_count == b->name_count && a->not_before == b->not_before &&
	    a->not_after == b->not_after;
}

static void check_names(const struct keys *keys)
{
	const struct keys_pair *pair = &keys->pairs[0];
	char name[300];
	size_t i, j;

	MUST(pair->name_count <= KEYS_NAMES_MAX);
	for (i = 0; i < pair->name_count; i++) {
		MUST(*pair->names[i] != '\0' && strlen(pair->names[i]) <= 253);
		for (j = 0; pair->names[i][j] != '\0'; j++) {
			char c = pair->names[i][j];

			MUST(c > ' ' && c <= '~' && (c < 'A' || c > 'Z'));
			name[j] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
		}
		name[j] = '\0';
		MUST(keys_choose(keys, name, 1u << pair->kind) == pair);
	}
	MUST(keys_choose(keys, "", 1u << pair->kind) == pair);
	MUST(keys_choose(keys, "x", 1u << (1 - pair->kind)) == NULL);
}

static void check_signing(const struct keys_pair *pair)
{
	uint8_t hash[64] = { 7 }, *signature;
	size_t size, exact;

	signature = malloc(512);
	if (signature == NULL)
		abort();
	size = keys_sign(pair, br_sha256_ID, hash, 32, signature, 512);
	MUST(size > 0 && size <= 512);
	MUST(keys_sign(pair, br_sha256_ID, hash, 33, signature, 512) == 0);
	MUST(keys_sign(pair, br_sha512_ID + 1, hash, 64, signature, 512) == 0);
	free(signature);
	signature = malloc(size);
	exact = keys_sign(pair, br_sha256_ID, hash, 32, signature, size);
	MUST(exact == size);
	MUST(keys_sign(pair, br_sha256_ID, hash, 32, signature, size - 1) == 0);
	free(signature);
}

static void check_keys(const struct keys *keys)
{
	const struct keys_pair *pair = &keys->pairs[0];
	size_t i;

	MUST(keys->count == 1);
	MUST(pair->chain_length >= 1 && pair->chain_length <= KEYS_CHAIN_MAX);
	for (i = 0; i < pair->chain_length; i++)
		MUST(pair->chain[i].data_len > 0);
	check_names(keys);
	check_signing(pair);
}

static struct keys *load(const struct tls_text *text, size_t *pair, char *error)
{
	struct keys *keys;

	memset(error, 0xa5, TLS_ERROR_MAX);
	*pair = 99;
	keys = keys_load(text, 1, pair, error);
	if (keys == NULL) {
		MUST(*pair == 0 && *error != '\0');
		MUST(memchr(error, '\0', TLS_ERROR_MAX) != NULL);
	}
	return keys;
}

static void check_texts(const char *certificates, size_t certificates_size, const char *key,
    size_t key_size)
{
	struct tls_text text = { exact_copy(certificates, certificates_size), certificates_size,
		exact_copy(key, key_size), key_size };
	char *error = malloc(TLS_ERROR_MAX);
	struct keys *keys, *again;
	size_t pair;

	if (error == NULL)
		abort();
	keys = load(&text, &pair, error);
	if (keys != NULL) {
		check_keys(keys);
		again = load(&text, &pair, error);
		MUST(again != NULL && same_pair(&keys->pairs[0], &again->pairs[0]));
		keys_free(again);
	}
	keys_free(keys);
	free(error);
	free((void *)(uintptr_t)text.certificates);
	free((void *)(uintptr_t)text.key);
}

/* DER as PEM. */
static char *encode(const char *name, const uint8_t *der, size_t size)
{
	size_t length = br_pem_encode(NULL, der, size, name, 0);
	char *text = malloc(length + 1);

	if (text == NULL)
		abort();
	br_pem_encode(text, der, size, name, 0);
	return text;
}

static void check_der(uint8_t kind, const uint8_t *der, size_t size)
{
	const char *certificate = kind < 3 ? ec256_certificate : rsa2048_certificate;
	const char *key = kind < 3 ? ec256_pkcs8 : rsa2048_pkcs8;
	const char *names[] = { "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY" };
	char *text = encode(kind % 2 == 1 ? "CERTIFICATE" : names[size % 3], der, size);

	if (kind % 2 == 1)
		check_texts(text, strlen(text), key, strlen(key));
	else
		check_texts(certificate, strlen(certificate), text, strlen(text));
	free(text);
}

int fuzz_keys(const uint8_t *data, size_t size)
{
	struct input input = { data, size }, certificates;
	uint8_t kind = input_byte(&input) % 5;

	if (kind > 0) {
		check_der(kind, input.at, input.left);
		return 0;
	}
	certificates = input_part(&input, input_two(&input));
	check_texts((const char *)certificates.at, certificates.left, (const char *)input.at,
	    input.left);
	return 0;
}
