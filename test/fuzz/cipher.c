/* cipher.c - see rig.h */
#include <bearssl.h>

#include "../anyone.h"
#include "fuzz.h"
#include "rig.h"

struct cipher {
	br_ssl_client_context context;
	struct anyone anyone;
	struct world_bytes pending;     /* plaintext that waits for the handshake */
	unsigned char in[BR_SSL_BUFSIZE_INPUT], out[BR_SSL_BUFSIZE_OUTPUT];
};

/* Believes any signature: to verify one costs half of a handshake's time. */
static uint32_t believe(const br_ec_impl *curves, const void *hash, size_t hash_size,
    const br_ec_public_key *key, const void *signature, size_t size)
{
	(void)curves;
	(void)hash;
	(void)hash_size;
	(void)key;
	(void)signature;
	(void)size;
	return 1;
}

static const uint16_t suites[] = {
	BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	/* which are not served */
	BR_TLS_RSA_WITH_AES_128_GCM_SHA256, BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
};

/* The session that was made last, for this input only. */
static br_ssl_session_parameters session;
static bool session_made;

void cipher_begin(void)
{
	session_made = false;
}

struct cipher *cipher_new(unsigned suite, bool resume, const char *name)
{
	static const br_x509_trust_anchor *const none;
	static br_x509_minimal_context unused;
	struct cipher *cipher = calloc(1, sizeof *cipher);
	br_ssl_engine_context *engine;
	uint8_t seed[32] = { 1, (uint8_t)suite };

	if (cipher == NULL)
		abort();
	engine = &cipher->context.eng;
	br_ssl_client_init_full(&cipher->context, &unused, none, 0);
	anyone_use(&cipher->anyone, engine);
	br_ssl_engine_set_suites(engine, &suites[suite % 8], 1);
	br_ssl_engine_set_ecdsa(engine, believe);
	br_ssl_engine_set_buffers_bidi(engine, cipher->in, sizeof cipher->in, cipher->out,
	    sizeof cipher->out);
	/* The same random numbers for the same input. */
	engine->rng_os_rand_done = 1;
	br_ssl_engine_inject_entropy(engine, seed, sizeof seed);
	if (!session_made)
		resume = false;
	if (resume)
		br_ssl_engine_set_session_parameters(engine, &session);
	br_ssl_client_reset(&cipher->context, name, resume);
	return cipher;
}

void cipher_free(struct cipher *cipher)
{
	if (cipher == NULL)
		return;
	world_bytes_free(&cipher->pending);
	free(cipher);
}

void cipher_send(struct cipher *cipher, const void *bytes, size_t length)
{
	world_bytes_add(&cipher->pending, bytes, length);
}

bool cipher_open(const struct cipher *cipher)
{
	return br_ssl_engine_current_state(&cipher->context.eng) & BR_SSL_SENDAPP;
}

void cipher_end(struct cipher *cipher)
{
	br_ssl_engine_close(&cipher->context.eng);
}

void cipher_renegotiate(struct cipher *cipher)
{
	(void)br_ssl_engine_renegotiate(&cipher->context.eng);
}

/* Encrypt what waits, and take the records. */
static void records_out(struct cipher *cipher, struct world_socket *socket)
{
	br_ssl_engine_context *engine = &cipher->context.eng;
	unsigned char *buffer;
	size_t size;

	for (;;) {
		while ((buffer = br_ssl_engine_sendrec_buf(engine, &size)) != NULL) {
			if (!socket->in_ended)
				world_bytes_add(&socket->in, buffer, size);
			br_ssl_engine_sendrec_ack(engine, size);
		}
		buffer = br_ssl_engine_sendapp_buf(engine, &size);
		if (buffer == NULL || cipher->pending.length == 0)
			return;
		size = size < cipher->pending.length ? size : cipher->pending.length;
		memcpy(buffer, cipher->pending.at, size);
		br_ssl_engine_sendapp_ack(engine, size);
		world_bytes_drop(&cipher->pending, size);
		br_ssl_engine_flush(engine, 0);
	}
}

void cipher_pump(struct cipher *cipher, struct world_socket *socket, struct world_bytes *got)
{
	br_ssl_engine_context *engine = &cipher->context.eng;
	unsigned char *buffer;
	size_t used = 0, size;

	for (;;) {
		records_out(cipher, socket);
		if ((buffer = br_ssl_engine_recvapp_buf(engine, &size)) != NULL) {
			world_bytes_add(got, buffer, size);
			br_ssl_engine_recvapp_ack(engine, size);
			continue;
		}
		buffer = br_ssl_engine_recvrec_buf(engine, &size);
		if (buffer == NULL || used == socket->out.length)
			break;
		size = size < socket->out.length - used ? size : socket->out.length - used;
		memcpy(buffer, socket->out.at + used, size);
		br_ssl_engine_recvrec_ack(engine, size);
		used += size;
	}
	world_bytes_drop(&socket->out, socket->out.length);
	if (cipher_open(cipher)) {
		br_ssl_engine_get_session_parameters(engine, &session);
		session_made = true;
	}
}
