/*
 * test_tls.c - tls.c against BearSSL's client, in one process and without a socket.
 *
 * The client takes any certificate, keeps the server's own, and checks the signature with its key.
 * With TLS_DEAD_GARBAGE tls.c fills what it calls dead with garbage whenever it takes an image out:
 * all must work as well. With TLS_IMAGE_RESERVED=64 and TLS_SLABS_SPARE=0, only what happens
 * without room for images is tested. `test_tls speed` prints measurements.
 */
#include "test.h"

#include "../tls.h"

#include <bearssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../keys.h"
#include "../trial.h"
#include "anyone.h"
#include "guard.h"
#include "keys_pem.h"

#ifdef TLS_DEAD_WRONG
#define DEAD_WRONG true
#else
#define DEAD_WRONG false
#endif

#define BYTES_MAX 300000
#define PAIRS 3

/* -- a client ----------------------------------------------------------------------------- */

struct bytes {
	uint8_t *at;
	size_t length, max;
};

static void bytes_append(struct bytes *bytes, const void *data, size_t length)
{
	if (bytes->length + length > bytes->max) {
		bytes->max = (bytes->length + length) * 2 + 256;
		bytes->at = realloc(bytes->at, bytes->max);
		if (bytes->at == NULL)
			abort();
	}
	if (length > 0)
		memcpy(bytes->at + bytes->length, data, length);
	bytes->length += length;
}

static void bytes_drop(struct bytes *bytes, size_t length)
{
	bytes->length -= length;
	if (length > 0)
		memmove(bytes->at, bytes->at + length, bytes->length);
}

static void bytes_free(struct bytes *bytes)
{
	free(bytes->at);
	*bytes = (struct bytes){ NULL, 0, 0 };
}

/* What a client asks for; 0 and NULL stand for what a usual one does. */
struct wish {
	unsigned version;
	uint16_t suites[4];
	uint32_t curves;
	const char *name;
	const char *protocols[4];
	unsigned hash;                          /* the only one */
	const br_ssl_session_parameters *session;
};

/* Both ends of one connection, and what is between them. */
struct end {
	br_ssl_client_context client;
	br_ec_impl curves;
	struct anyone anyone;
	const char *protocols[4];
	uint32_t number;
	enum tls_result result;                 /* the last one */
	struct bytes up, down;                  /* ciphertext for the server, for the client */
	struct bytes arrived, received;         /* plaintext at the server, at the client */
	unsigned char in[BR_SSL_BUFSIZE_INPUT], out[BR_SSL_BUFSIZE_OUTPUT];
};

static struct tls *tls;
static struct tls_options options;
static void *tls_memory;
static size_t tls_memory_size;
static uint8_t *plain;                  /* ends at a page that must not be touched */
static struct tls_text pair_texts[PAIRS];
static struct keys *pair_keys;

static void down(void *context, const uint8_t *bytes, size_t length)
{
	bytes_append(&((struct end *)context)->down, bytes, length);
}

static void client_wish(struct end *end, const struct wish *wish)
{
	br_ssl_engine_context *engine = &end->client.eng;
	size_t count;

	if (wish->version != 0)
		br_ssl_engine_set_versions(engine, wish->version, wish->version);
	else
		br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	for (count = 0; count < 4 && wish->suites[count] != 0; count++)
		continue;
	if (count > 0)
		br_ssl_engine_set_suites(engine, wish->suites, count);
	if (wish->curves != 0) {
		end->curves = *br_ec_get_default();
		end->curves.supported_curves = wish->curves;
		br_ssl_engine_set_ec(engine, &end->curves);
	}
	for (count = 0; count < 4 && wish->protocols[count] != NULL; count++)
		end->protocols[count] = wish->protocols[count];
	if (count > 0)
		br_ssl_engine_set_protocol_names(engine, end->protocols, count);
	for (int hash = br_md5_ID; wish->hash != 0 && hash <= br_sha512_ID; hash++)
		if (hash != (int)wish->hash)
			br_ssl_engine_set_hash(engine, hash, NULL);
	if (wish->session != NULL)
		br_ssl_engine_set_session_parameters(engine, wish->session);
}

static struct end *end_new(uint32_t number, const struct wish *wish)
{
	static const br_ssl_client_context *full;
	static struct wish none;
	struct end *end = calloc(1, sizeof *end);
	uint8_t seed[32];

	if (end == NULL || getentropy(seed, sizeof seed) != 0)
		abort();
	if (full == NULL) {
		static br_ssl_client_context made;
		static br_x509_minimal_context unused;

		br_ssl_client_init_full(&made, &unused, NULL, 0);
		full = &made;
	}
	wish = wish == NULL ? &none : wish;
	end->client = *full;
	end->number = number;
	end->result = TLS_HANDSHAKE;
	anyone_use(&end->anyone, &end->client.eng);
	br_ssl_engine_set_buffers_bidi(&end->client.eng, end->in, sizeof end->in, end->out,
	    sizeof end->out);
	client_wish(end, wish);
	br_ssl_engine_inject_entropy(&end->client.eng, seed, sizeof seed);
	br_ssl_client_reset(&end->client, wish->name, wish->session != NULL);
	return end;
}

static void end_free(struct end *end)
{
	bytes_free(&end->up);
	bytes_free(&end->down);
	bytes_free(&end->arrived);
	bytes_free(&end->received);
	free(end);
}

/* Forget the link too. */
static void end_drop(struct end *end)
{
	tls_forget(tls, end->number);
	end_free(end);
}

/* Take from the client what it has to send. */
static void client_send(struct end *end)
{
	br_ssl_engine_context *engine = &end->client.eng;
	unsigned char *bytes;
	size_t length;

	while ((bytes = br_ssl_engine_sendrec_buf(engine, &length)) != NULL) {
		bytes_append(&end->up, bytes, length);
		br_ssl_engine_sendrec_ack(engine, length);
	}
}

/* Give to the client what has come for it. */
static void client_receive(struct end *end)
{
	br_ssl_engine_context *engine = &end->client.eng;
	unsigned char *buffer;
	size_t length, used = 0;

	for (;;) {
		client_send(end);
		if ((buffer = br_ssl_engine_recvapp_buf(engine, &length)) != NULL) {
			bytes_append(&end->received, buffer, length);
			br_ssl_engine_recvapp_ack(engine, length);
			continue;
		}
		buffer = br_ssl_engine_recvrec_buf(engine, &length);
		if (buffer == NULL || used == end->down.length)
			break;
		if (length > end->down.length - used)
			length = end->down.length - used;
		memcpy(buffer, end->down.at + used, length);
		br_ssl_engine_recvrec_ack(engine, length);
		used += length;
	}
	bytes_drop(&end->down, used);
}

/* Give the server one record. */
static enum tls_result server_take(struct end *end, const uint8_t *record, size_t size)
{
	struct tls_sink sink = { end, down };
	size_t length = 99;

	end->result = tls_input(tls, end->number, record, size, plain, &length, &sink);
	bytes_append(&end->arrived, plain, length);
	return end->result;
}

static bool alive(const struct end *end)
{
	return end->result == TLS_HANDSHAKE || end->result == TLS_OPEN;
}

/* Give the server the next whole record of what the client has sent; false if there is none. */
static bool server_next(struct end *end)
{
	int size;

	client_send(end);
	size = tls_record_size(end->up.at, end->up.length);
	if (!alive(end) || size <= 0 || (size_t)size > end->up.length)
		return false;
	server_take(end, end->up.at, (size_t)size);
	bytes_drop(&end->up, (size_t)size);
	return true;
}

/* Let both ends talk until neither has anything to say. */
static void talk(struct end *end)
{
	do
		client_receive(end);
	while (server_next(end));
	client_receive(end);
}

static bool client_open(const struct end *end)
{
	return (br_ssl_engine_current_state(&end->client.eng) & BR_SSL_SENDAPP) != 0;
}

static int client_error(const struct end *end)
{
	return br_ssl_engine_last_error(&end->client.eng);
}

static struct end *connected(uint32_t number, const struct wish *wish)
{
	struct end *end = end_new(number, wish);

	talk(end);
	CHECK(end->result == TLS_OPEN);
	CHECK(client_open(end));
	return end;
}

static void client_write(struct end *end, const uint8_t *bytes, size_t length)
{
	br_ssl_engine_context *engine = &end->client.eng;
	unsigned char *buffer;
	size_t part;

	while (length > 0 && (buffer = br_ssl_engine_sendapp_buf(engine, &part)) != NULL) {
		part = part < length ? part : length;
		memcpy(buffer, bytes, part);
		br_ssl_engine_sendapp_ack(engine, part);
		bytes += part;
		length -= part;
		client_send(end);
	}
	br_ssl_engine_flush(engine, 0);
	client_send(end);
}

static enum tls_result server_write(struct end *end, const uint8_t *bytes, size_t length)
{
	struct tls_sink sink = { end, down };
	struct iovec piece = { (void *)(uintptr_t)bytes, length };

	return end->result = tls_output(tls, end->number, &piece, 1, &sink);
}

static bool bytes_are(const struct bytes *bytes, const uint8_t *wanted, size_t length)
{
	return bytes->length == length && (length == 0 || memcmp(bytes->at, wanted, length) == 0);
}

/* One message each way. */
static bool exchange(struct end *end, const uint8_t *bytes, size_t length)
{
	bool good;

	end->arrived.length = end->received.length = 0;
	client_write(end, bytes, length);
	talk(end);
	good = bytes_are(&end->arrived, bytes, length);
	good &= server_write(end, bytes, length) == TLS_OPEN;
	talk(end);
	return good && bytes_are(&end->received, bytes, length) && end->result == TLS_OPEN;
}

static bool works(struct end *end)
{
	return exchange(end, (const uint8_t *)"announce", 8);
}

/* A record that the client's engine would not write: by its own keys. */
static void client_seal(struct end *end, int type, const void *bytes, size_t length)
{
	br_ssl_engine_context *engine = &end->client.eng;
	static uint8_t room[32 + TLS_PLAIN_MAX + 32];
	uint8_t *record;

	memcpy(room + 32, bytes, length);
	record = engine->out.vtable->encrypt(&engine->out.vtable, type, BR_TLS12, room + 32,
	    &length);
	bytes_append(&end->up, record, length);
}

/* Open the record that came for the client, past its engine. Its type, -1 if none or a bad one. */
static int client_unseal(struct end *end, uint8_t *bytes, size_t *length)
{
	br_ssl_engine_context *engine = &end->client.eng;
	int size = tls_record_size(end->down.at, end->down.length), type;
	uint8_t *opened;

	if (size <= 0 || (size_t)size > end->down.length)
		return -1;
	type = end->down.at[0];
	*length = (size_t)size - 5;
	opened = engine->in.vtable->decrypt(&engine->in.vtable, type, BR_TLS12, end->down.at + 5,
	    length);
	if (opened == NULL)
		return -1;
	memcpy(bytes, opened, *length);
	bytes_drop(&end->down, (size_t)size);
	return type;
}

/* -- the server ------------------------------------------------------------------------------ */

static struct tls *start(uint32_t links, uint32_t handshakes, uint32_t sessions)
{
	options = (struct tls_options){ links, handshakes, sessions, DEAD_WRONG };
	tls_memory_size = tls_size(&options);
	tls_memory = mmap(NULL, tls_memory_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tls_memory == MAP_FAILED)
		abort();
	return tls_init(tls_memory, &options);
}

static bool load(const struct tls_text *texts, size_t count)
{
	char error[TLS_ERROR_MAX];
	size_t pair;

	return tls_load(tls, texts, count, &pair, error);
}

/* A server with all pairs (EC P-256, RSA, EC P-384), the first being the one given. */
static void serve_with(uint32_t links, uint32_t handshakes, uint32_t sessions, size_t first)
{
	struct tls_text texts[PAIRS];

	for (size_t i = 0; i < PAIRS; i++)
		texts[i] = pair_texts[(i + first) % PAIRS];
	tls = start(links, handshakes, sessions);
	CHECK(load(texts, PAIRS));
}

static void serve(uint32_t links, uint32_t handshakes, uint32_t sessions)
{
	serve_with(links, handshakes, sessions, 0);
}

/* Whatever happened, no link must be left over. */
static void stop(void)
{
	CHECK(tls_totals(tls).open == 0);
	CHECK(tls_totals(tls).handshaking == 0);
	CHECK(tls_totals(tls).image_bytes == 0);
	tls_free(tls);
	munmap(tls_memory, tls_memory_size);
}

static bool shown(const struct end *end, size_t pair)
{
	const br_x509_certificate *own = &pair_keys->pairs[pair].chain[0];

	return end->anyone.own_size == own->data_len &&
	    memcmp(end->anyone.own, own->data, own->data_len) == 0;
}

static unsigned suite_of(const struct end *end)
{
	br_ssl_session_parameters session;

	br_ssl_engine_get_session_parameters(&end->client.eng, &session);
	return session.cipher_suite;
}

static br_ssl_session_parameters session_of(const struct end *end)
{
	br_ssl_session_parameters session;

	br_ssl_engine_get_session_parameters(&end->client.eng, &session);
	return session;
}

static const uint16_t ec_suites[] = { BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 };
static const uint16_t rsa_suites[] = { BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 };

#define X25519 (1u << BR_EC_curve25519)
#define P256 (1u << BR_EC_secp256r1)
#define P384 (1u << BR_EC_secp384r1)

static uint8_t text[BYTES_MAX];

/* -- tests --------------------------------------------------------------------------------- */

/* Every suite with every kind of key, and what comes of sizes at their limits. */
static void handshake_each(size_t pair, uint16_t suite, uint32_t curves)
{
	struct wish wish = { .suites = { suite }, .curves = curves };
	struct end *end = connected(1, &wish);
	struct tls_sink sink = { end, down };
	struct iovec pieces[] = { { text, 1 }, { text + 1, 0 }, { text + 1, 50000 },
		{ text + 50001, 49999 } };

	CHECK(suite_of(end) == suite);
	CHECK(shown(end, pair));
	CHECK(exchange(end, text, 1));
	CHECK(exchange(end, text, 16383));
	CHECK(exchange(end, text, 16384));
	CHECK(exchange(end, text, 16385));
	CHECK(exchange(end, text, 100000));
	end->arrived.length = end->received.length = 0;
	br_ssl_engine_flush(&end->client.eng, 1);
	client_send(end);
	CHECK(end->up.length >= 5 + 16 && end->up.length < 5 + 32);   /* an empty record */
	talk(end);
	CHECK(end->result == TLS_OPEN && end->arrived.length == 0);
	CHECK(tls_output(tls, 1, pieces, 4, &sink) == TLS_OPEN);
	CHECK(end->down.length > 100000);
	talk(end);
	CHECK(bytes_are(&end->received, text, 100000));
	CHECK(tls_output(tls, 1, pieces, 0, &sink) == TLS_OPEN);
	CHECK(tls_output(tls, 1, pieces + 1, 1, &sink) == TLS_OPEN);
	CHECK(end->down.length == 0);
	CHECK(works(end));
	end_drop(end);
}

static void handshakes(void)
{
	for (size_t first = 0; first < PAIRS; first++) {
		serve_with(4, 4, 0, first);
		for (size_t i = 0; i < 3; i++) {
			/* The client needs P-384 for the certificate alone. */
			handshake_each(first == 0 ? 0 : 2, ec_suites[i],
			    i == 0 ? P256 | P384 : 0);
			handshake_each(1, rsa_suites[i], i == 1 ? X25519 : P256);
		}
		CHECK(tls_totals(tls).handshakes == 6);
		CHECK(tls_totals(tls).failures == 0 && tls_totals(tls).resumptions == 0);
		stop();
	}
}

static void preference(void)
{
	bool aes = br_aes_x86ni_ctr_get_vtable() != NULL || br_aes_pwr8_ctr_get_vtable() != NULL;
	struct wish backward = { .suites = { ec_suites[1], ec_suites[2], ec_suites[0] } };
	struct wish forward = { .suites = { ec_suites[0], ec_suites[1], ec_suites[2] } };
	struct end *a, *b;

	serve(4, 4, 0);
	a = connected(1, &backward);
	b = connected(2, &forward);
	CHECK(suite_of(a) == ec_suites[aes ? 0 : 2]);
	CHECK(suite_of(b) == ec_suites[aes ? 0 : 2]);
	end_drop(a);
	end_drop(b);
	stop();
}

/* The alert that a client got, -1 if there was none. */
static int refused(const struct wish *wish)
{
	struct end *end = end_new(1, wish);
	int error;

	talk(end);
	error = client_error(end);
	CHECK(end->result == TLS_FAILED);
	CHECK(!client_open(end));
	CHECK(tls_totals(tls).open == 0);
	end_drop(end);
	return error < BR_ERR_RECV_FATAL_ALERT ? -1 : error - BR_ERR_RECV_FATAL_ALERT;
}

static void refusals(void)
{
	static const uint16_t suites[] = { BR_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,
		BR_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,
		BR_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
		BR_TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, BR_TLS_RSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_RSA_WITH_AES_256_CBC_SHA, BR_TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_CCM, BR_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 };
	struct wish wish = { .version = BR_TLS10 };
	struct tls_doubts doubts;

	serve(4, 4, 10);
	CHECK(refused(&wish) == 70);
	wish.version = BR_TLS11;
	CHECK(refused(&wish) == 70);
	for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
		wish = (struct wish){ .suites = { suites[i] } };
		CHECK(refused(&wish) == 40);
	}
	wish = (struct wish){ .curves = (1u << BR_EC_secp384r1) | (1u << BR_EC_secp521r1) };
	CHECK(refused(&wish) == 40);
	wish = (struct wish){ .hash = br_sha1_ID };
	CHECK(refused(&wish) == 40);
	CHECK(load(&pair_texts[1], 1));
	wish = (struct wish){ .suites = { ec_suites[0], ec_suites[2] } };
	CHECK(refused(&wish) == 40);
	CHECK(tls_totals(tls).failures == 14 && tls_totals(tls).handshakes == 0);
	stop();
	tls = start(4, 4, 0);           /* no pair at all */
	CHECK(refused(NULL) == 40);
	CHECK(tls_not_after(tls) == 0 && !tls_doubts(tls, 0, &doubts));
	stop();
}

/* What is no start of a handshake. */
static void strangers(void)
{
	static const char *const records[] = { "\x17\3\3\0\1x", "\x14\3\3\0\1\1",
		"\x15\3\3\0\2\2\50", "\x16\3\1\0\4\0\0\0\1", "\x16\3\1\0\4\2\0\0\0",
		"\x16\3\1\0\4\1\0\0\0",
		"\x16\3\1\0\5\1\0\0\1\3" };

	serve(4, 4, 0);
	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
		const uint8_t *bytes = (const uint8_t *)records[i];
		size_t size = 5 + (size_t)bytes[4];
		uint8_t *record = guard_copy(bytes, size);
		struct end *end = end_new(1, NULL);

		CHECK(tls_record_size(record, size) == (int)size);
		CHECK(server_take(end, record, size) == TLS_FAILED);
		/* A fatal alert, but not as an answer to one. */
		CHECK(end->down.length == (bytes[0] == 21 ? 0 : 7));
		CHECK(end->down.length < 7 || (end->down.at[0] == 21 && end->down.at[1] == 3 &&
		    end->down.at[5] == 2));
		end_drop(end);
		guard_free(record, size);
	}
	stop();
}

/* -- a second handshake, and what else an established client may try ------------------------ */

static struct bytes hello_of_client(void)
{
	struct end *end = end_new(1, NULL);
	struct bytes hello = { NULL, 0, 0 };

	client_send(end);
	bytes_append(&hello, end->up.at + 5, end->up.length - 5);
	end_free(end);
	return hello;
}

static bool is_no_renegotiation(struct end *end)
{
	uint8_t bytes[64];
	size_t length;

	return client_unseal(end, bytes, &length) == 21 && length == 2 && bytes[0] == 1 &&
	    bytes[1] == 100 && end->down.length == 0;
}

static void renegotiation_each(uint16_t suite)
{
	struct wish wish = { .suites = { suite } };
	struct end *end = connected(1, &wish);
	struct bytes hello = hello_of_client();
	uint64_t before = tls_totals(tls).image_bytes;
	size_t i;

	CHECK(works(end));
	for (i = 0; i < 3; i++) {       /* refused every time, and all goes on */
		client_seal(end, 22, hello.at, hello.length);
		CHECK(server_next(end) && end->result == TLS_OPEN);
		CHECK(is_no_renegotiation(end));
		CHECK(works(end));
	}
	for (i = 0; i < hello.length; i += 10) {        /* in parts, with data in between */
		client_seal(end, 22, hello.at + i, hello.length - i < 10 ? hello.length - i : 10);
		CHECK(server_next(end) && end->result == TLS_OPEN);
		CHECK(i + 10 < hello.length ? end->down.length == 0 : is_no_renegotiation(end));
		CHECK(works(end));
		CHECK(tls_totals(tls).image_bytes <= before + 64);
	}
	CHECK(tls_totals(tls).image_bytes == before);
	bytes_free(&hello);
	CHECK(br_ssl_engine_renegotiate(&end->client.eng) == 1);        /* as its own engine does */
	talk(end);
	CHECK(client_error(end) == BR_ERR_RECV_FATAL_ALERT + 100);
	CHECK(end->result == TLS_OPEN);
	CHECK(server_write(end, text, 10) == TLS_OPEN);
	end_drop(end);
}

static void renegotiation(void)
{
	serve(4, 4, 0);
	for (size_t i = 0; i < 3; i++)
		renegotiation_each(ec_suites[i]);
	CHECK(tls_totals(tls).handshakes == 3 && tls_totals(tls).failures == 0);
	stop();
}

/* A record that breaks an established link, with this alert. */
static void breach(int type, const void *bytes, size_t length, int alert)
{
	struct end *end = connected(1, NULL), *other = connected(2, NULL);

	client_seal(end, type, bytes, length);
	CHECK(server_next(end));
	CHECK(end->result == TLS_FAILED);
	CHECK(end->arrived.length == 0);
	client_receive(end);
	CHECK(client_error(end) == (alert == 0 ? 0 : BR_ERR_RECV_FATAL_ALERT + alert));
	CHECK(works(other));
	end_drop(other);
	end_drop(end);
}

static void breaches(void)
{
	struct bytes hello = hello_of_client();
	uint8_t key[37] = { 16, 0, 0, 33, 32 };

	serve(4, 4, 0);
	breach(20, "\1", 1, 10);
	breach(22, "\0\0\0\0", 4, 10);
	breach(22, key, sizeof key, 10);
	breach(21, "\2\50", 2, 0);              /* its own fatal alert needs no answer */
	breach(21, "\1\144", 2, 0);
	/* More than a hello in a record: the client gives up at the refusal, which comes first. */
	bytes_append(&hello, "x", 1);
	breach(22, hello.at, hello.length, 100);
	hello.length--;
	bytes_append(&hello, hello.at, hello.length);
	breach(22, hello.at, hello.length, 100);
	bytes_free(&hello);
	stop();
}

/* Warnings are passed over, in halves too. */
static void warnings(void)
{
	struct end *end;

	serve(4, 4, 0);
	end = connected(1, NULL);
	client_seal(end, 21, "\1\132", 2);
	CHECK(server_next(end) && end->result == TLS_OPEN && works(end));
	client_seal(end, 21, "\1", 1);
	CHECK(server_next(end) && end->result == TLS_OPEN && works(end));
	client_seal(end, 21, "\132\1\132", 3);
	CHECK(server_next(end) && end->result == TLS_OPEN && works(end));
	client_seal(end, 21, "\1", 1);
	CHECK(server_next(end) && end->result == TLS_OPEN && works(end));
	client_seal(end, 21, "\0", 1);          /* the other half of a close_notify */
	CHECK(server_next(end) && end->result == TLS_CLOSED);
	end_drop(end);
	stop();
}

/* Let both go on until the client's record of this kind is the first in up: 0 hello, 1 key,
 * 2 change of cipher, 3 finished. */
static void client_until(struct end *end, int record)
{
	client_send(end);
	while (record-- > 0) {
		server_next(end);
		client_receive(end);
	}
}

/* Bytes behind the client's Finished, in its record. */
static void finished_and_more(uint16_t suite)
{
	struct wish wish = { .suites = { suite } };
	struct end *end = end_new(1, &wish);
	br_ssl_engine_context *engine = &end->client.eng;
	uint8_t body[64];
	size_t length;
	uint8_t *opened;

	client_until(end, 3);
	length = end->up.length - 5;
	if (suite == ec_suites[2]) {
		br_sslrec_chapol_context copy = engine->out.chapol;

		copy.vtable.in = &br_sslrec_in_chapol_vtable;
		copy.seq = 0;
		opened = br_sslrec_in_chapol_vtable.inner.decrypt(
		    (const br_sslrec_in_class **)(void *)&copy.vtable, 22, BR_TLS12,
		    end->up.at + 5, &length);
	} else {
		br_sslrec_gcm_context copy = engine->out.gcm;

		copy.vtable.in = &br_sslrec_in_gcm_vtable;
		copy.seq = 0;
		opened = br_sslrec_in_gcm_vtable.inner.decrypt(
		    (const br_sslrec_in_class **)(void *)&copy.vtable, 22, BR_TLS12,
		    end->up.at + 5, &length);
	}
	CHECK(opened != NULL && length == 16);
	memcpy(body, opened, 16);
	memset(body + 16, 0, 8);
	if (suite == ec_suites[2])
		engine->out.chapol.seq = 0;
	else
		engine->out.gcm.seq = 0;
	end->up.length = 0;
	client_seal(end, 22, body, 24);
	CHECK(server_next(end) && end->result == TLS_FAILED);
	CHECK(end->down.length > 7 && tls_totals(tls).open == 0);
	client_receive(end);
	CHECK(client_error(end) == BR_ERR_RECV_FATAL_ALERT + 10);
	end_drop(end);
}

/* Data that comes at once with Finished, before the server's has arrived. */
static void early(void)
{
	br_ssl_session_parameters session;
	struct wish wish = { .suites = { ec_suites[0] } };
	struct end *end;
	size_t i;

	serve(4, 4, 4);
	for (i = 0; i < 3; i++)
		finished_and_more(ec_suites[i]);
	end = end_new(1, &wish);
	client_until(end, 3);
	client_seal(end, 23, text, 1000);
	CHECK(server_next(end) && end->result == TLS_OPEN && end->arrived.length == 0);
	CHECK(server_next(end) && end->result == TLS_OPEN && bytes_are(&end->arrived, text, 1000));
	CHECK(server_write(end, text, 2000) == TLS_OPEN);       /* behind the server's Finished */
	talk(end);
	CHECK(bytes_are(&end->received, text, 2000) && works(end));
	session = session_of(end);
	end_drop(end);
	wish.session = &session;
	end = end_new(1, &wish);
	client_send(end);
	server_next(end);
	client_receive(end);            /* resumed: the client may send at once */
	CHECK(client_open(end));
	client_write(end, text, 20000);
	talk(end);
	CHECK(bytes_are(&end->arrived, text, 20000) && works(end));
	CHECK(tls_totals(tls).resumptions == 1);
	end_drop(end);
	end = end_new(1, &wish);        /* but not instead of Finished, and not in the clear */
	client_send(end);
	server_next(end);
	CHECK(server_take(end, (const uint8_t *)"\27\3\3\0\1x", 6) == TLS_FAILED);
	end_drop(end);
	stop();
}

/* -- ALPN, names, pairs, sessions ------------------------------------------------------------ */

static void alpn_each(const char *const *protocols, const char *wanted)
{
	struct wish wish = { .suites = { ec_suites[0] } };
	br_ssl_session_parameters session;
	const char *selected;
	struct end *end;

	for (size_t i = 0; protocols[i] != NULL; i++)
		wish.protocols[i] = protocols[i];
	end = connected(1, &wish);
	selected = br_ssl_engine_get_selected_protocol(&end->client.eng);
	CHECK((selected == NULL) == (wanted == NULL));
	CHECK(selected == NULL || wanted == NULL || strcmp(selected, wanted) == 0);
	CHECK(works(end));
	session = session_of(end);
	end_drop(end);
	wish.session = &session;
	end = connected(1, &wish);      /* a session may be resumed whatever is asked */
	CHECK(end->anyone.count == 0);
	selected = br_ssl_engine_get_selected_protocol(&end->client.eng);
	CHECK(selected == NULL || (wanted != NULL && strcmp(selected, wanted) == 0));
	CHECK(works(end));
	end_drop(end);
}

static void alpn(void)
{
	static const char *const none[] = { NULL }, *const http[] = { "http/1.1", NULL };
	static const char *const both[] = { "h2", "http/1.1", NULL };
	static const char *const others[] = { "h2", "http/1.0", "http/1.10", NULL };

	serve(4, 4, 10);
	alpn_each(none, NULL);
	alpn_each(http, "http/1.1");
	alpn_each(both, "http/1.1");
	alpn_each(others, NULL);
	CHECK(tls_totals(tls).handshakes == 8 && tls_totals(tls).resumptions == 4);
	stop();
}

static bool named(const char *name, const uint16_t *suites, size_t pair)
{
	struct wish wish = { .name = name };
	struct end *end;
	bool good;

	for (size_t i = 0; suites != NULL && i < 3; i++)
		wish.suites[i] = suites[i];
	end = connected(1, &wish);
	good = shown(end, pair) && works(end);
	end_drop(end);
	return good;
}

static void names(void)
{
	serve(4, 4, 0);         /* tracker.example and more; rsa2048.example; ec384.example */
	CHECK(named(NULL, NULL, 0));
	CHECK(named("tracker.example", NULL, 0));
	CHECK(named("rsa2048.example", NULL, 1));
	CHECK(named("RSA2048.Example", NULL, 1));
	CHECK(named("ec384.example", NULL, 2));
	CHECK(named("a.tracker.example", NULL, 0));
	CHECK(named("unknown.example", NULL, 0));
	CHECK(named("ec384.example", rsa_suites, 1));   /* what the client can take goes first */
	CHECK(named("rsa2048.example", ec_suites, 0));
	stop();
}

/* New pairs while links are in every state. */
static void reload(void)
{
	struct end *open, *after_hello, *after_key, *later;
	struct tls_text bad = pair_texts[1];
	char error[TLS_ERROR_MAX] = "";
	size_t pair = 9;

	serve(8, 8, 10);
	open = connected(1, NULL);
	after_hello = end_new(2, NULL);
	client_until(after_hello, 1);
	after_key = end_new(3, NULL);
	client_until(after_key, 3);
	bad.key = pair_texts[0].key;
	bad.key_size = pair_texts[0].key_size;
	CHECK(!tls_load(tls, &bad, 1, &pair, error) && pair == 0 && error[0] != '\0');
	CHECK(tls_not_after(tls) != 0);
	later = connected(4, NULL);
	CHECK(shown(later, 0));
	end_drop(later);
	CHECK(load(&pair_texts[1], 1));
	later = connected(4, NULL);
	CHECK(shown(later, 1) && works(later));
	end_drop(later);
	talk(after_hello);
	talk(after_key);
	CHECK(works(open) && works(after_hello) && works(after_key));
	end_drop(open);
	end_drop(after_hello);
	end_drop(after_key);
	stop();
}

static bool resumed(uint32_t number, br_ssl_session_parameters *session)
{
	struct wish wish = { .session = session };
	uint64_t before = tls_totals(tls).resumptions;
	struct end *end = connected(number, &wish);
	bool is = end->anyone.count == 0;

	CHECK(tls_totals(tls).resumptions - before == is);
	CHECK(works(end));
	*session = session_of(end);
	end_drop(end);
	return is;
}

static void resumption(void)
{
	br_ssl_session_parameters a = { .session_id_len = 0 }, b = a, first, wrong;
	uint32_t i;

	serve(4, 1, 4);                 /* one slot, which must not remember */
	CHECK(!resumed(1, &a));
	first = a;
	CHECK(resumed(1, &a) && resumed(2, &a));
	CHECK(!resumed(3, &b));
	CHECK(resumed(1, &a) && resumed(1, &b));
	wrong = a;
	wrong.session_id[5] ^= 1;
	CHECK(!resumed(1, &wrong));
	for (i = 0; i < 4; i++) {       /* four others push the first out */
		b.session_id_len = 0;
		CHECK(!resumed(1, &b));
	}
	CHECK(!resumed(1, &first));
	CHECK(tls_totals(tls).handshakes == 12 && tls_totals(tls).resumptions == 4);
	stop();
	serve(4, 4, 0);
	a.session_id_len = 0;
	CHECK(!resumed(1, &a) && !resumed(1, &a));
	CHECK(tls_totals(tls).handshakes == 2 && tls_totals(tls).resumptions == 0);
	stop();
}

/* The wrong master secret for a session that is known: Finished does not fit. */
static void resumption_forged(void)
{
	struct wish wish = { .session = NULL };
	struct end *end;
	br_ssl_session_parameters session;

	serve(4, 4, 4);
	end = connected(1, NULL);
	session = session_of(end);
	end_drop(end);
	session.master_secret[0] ^= 1;
	wish.session = &session;
	end = end_new(1, &wish);
	talk(end);
	CHECK(end->result != TLS_OPEN && !client_open(end));
	end_drop(end);
	stop();
}

/* -- records -------------------------------------------------------------------------------- */

static void record_sizes(void)
{
	static const uint8_t whole[] = { 22, 3, 1, 0x48, 0x00 };
	uint8_t head[5];
	unsigned type, i;

	for (i = 0; i < 5; i++) {
		uint8_t *part = guard_copy(whole, i);

		CHECK(tls_record_size(part, i) == 0);
		guard_free(part, i);
	}
	CHECK(tls_record_size(whole, 5) == 5 + 0x4800);
	CHECK(tls_record_size((const uint8_t *)"\26\3\3\x48\1", 5) == -1);
	CHECK(tls_record_size((const uint8_t *)"\26\3\3\xff\xff", 5) == -1);
	CHECK(tls_record_size((const uint8_t *)"\26\3\3\0\0", 5) == 5);
	for (type = 0; type < 256; type++) {
		bool good = type >= 20 && type <= 23;

		memcpy(head, whole, 5);
		head[0] = (uint8_t)type;
		for (i = 1; i < 5; i++)
			CHECK(tls_record_size(head, i) == (good ? 0 : -1));
		CHECK(tls_record_size(head, 5) == (good ? 5 + 0x4800 : -1));
		head[0] = 22;
		head[1] = (uint8_t)type;
		for (i = 2; i < 5; i++)
			CHECK(tls_record_size(head, i) == (type == 3 ? 0 : -1));
	}
}

/* A hello in several records, cut at every byte; and in records of one byte. */
static void split_hello(void)
{
	struct wish wish = { .suites = { ec_suites[0] }, .curves = X25519 | P256 };
	struct bytes hello, records = { NULL, 0, 0 };
	struct end *end;
	size_t cut, i;

	serve(4, 4, 0);
	hello = hello_of_client();
	for (cut = 1; cut < hello.length; cut += cut < 50 || cut + 20 > hello.length ? 1 : 7) {
		uint8_t head[5] = { 22, 3, 1, (uint8_t)(cut >> 8), (uint8_t)cut };

		end = end_new(1, &wish);
		client_send(end);
		if (cut >= end->up.length - 5) {
			end_drop(end);
			break;
		}
		records.length = 0;
		bytes_append(&records, head, 5);
		bytes_append(&records, end->up.at + 5, cut);
		head[3] = (uint8_t)((end->up.length - 5 - cut) >> 8);
		head[4] = (uint8_t)(end->up.length - 5 - cut);
		bytes_append(&records, head, 5);
		bytes_append(&records, end->up.at + 5 + cut, end->up.length - 5 - cut);
		end->up.length = 0;
		bytes_append(&end->up, records.at, records.length);
		CHECK(server_next(end) && end->result == TLS_HANDSHAKE && end->down.length == 0);
		talk(end);
		CHECK(end->result == TLS_OPEN && works(end));
		end_drop(end);
	}
	end = end_new(1, &wish);
	client_send(end);
	records.length = 0;
	for (i = 5; i < end->up.length; i++) {
		/* An empty one too. */
		uint8_t one[] = { 22, 3, 1, 0, 0, 22, 3, 1, 0, 1, end->up.at[i] };

		bytes_append(&records, one, sizeof one);
	}
	end->up.length = 0;
	bytes_append(&end->up, records.at, records.length);
	talk(end);
	CHECK(end->result == TLS_OPEN && works(end));
	end_drop(end);
	bytes_free(&records);
	bytes_free(&hello);
	stop();
}

/*
 * One byte of one record is wrong. The phases are those of client_until, then: 4 data, 5
 * close_notify. Whatever is flipped, the link must not go on as if nothing were; once keys are in
 * force it fails there and then.
 */
static void flip_each(struct end *other, const struct wish *wish, int phase, size_t at,
    size_t *size)
{
	struct end *end = phase < 4 ? end_new(1, wish) : connected(1, wish);
	int now;

	if (phase < 4)
		client_until(end, phase);
	else if (phase == 4)
		client_write(end, text, 20);
	else
		br_ssl_engine_close(&end->client.eng);
	client_send(end);
	*size = (size_t)tls_record_size(end->up.at, end->up.length);
	end->up.at[at] ^= (uint8_t)(1u << (at % 8));
	now = tls_record_size(end->up.at, end->up.length);
	end->down.length = 0;
	if (now > 0 && now <= (int)*size) {
		server_take(end, end->up.at, (size_t)now);
		CHECK(phase < 3 || end->result == TLS_FAILED);
		CHECK(end->result == TLS_FAILED || end->result == TLS_HANDSHAKE);
		if (end->result == TLS_FAILED)
			CHECK(end->down.length >= 7 && end->down.at[0] == 21);
		bytes_drop(&end->up, (size_t)now);
		talk(end);
		/* Nothing vouches for the version in the first record's head. */
		CHECK(end->result != TLS_OPEN || (phase == 0 && at == 2));
		CHECK(client_error(end) != 0 || phase < 3 || phase == 5);
		CHECK(phase != 4 || client_error(end) > BR_ERR_RECV_FATAL_ALERT);
	}
	CHECK(end->arrived.length == 0);
	if (at % 16 == 0)
		CHECK(works(other));
	end_drop(end);
}

static void flips(void)
{
	struct wish wish = { .suites = { ec_suites[0] }, .curves = X25519 | P256 };
	br_ssl_session_parameters session;
	struct end *other;
	size_t at, size;
	int phase;

	serve(4, 4, 4);
	other = connected(2, &wish);
	session = session_of(other);
	for (phase = 0; phase < 6; phase++) {
		size = 1;
		wish.session = phase > 3 ? &session : NULL;     /* faster */
		for (at = 0; at < size; at++)
			flip_each(other, &wish, phase, at, &size);
		CHECK(size > 5);
	}
	wish.suites[0] = ec_suites[2];
	wish.session = NULL;
	for (at = 0, size = 1; at < size; at++)
		flip_each(other, &wish, 3, at, &size);
	end_drop(other);
	stop();
}

/* The same record again, one left out, and two the wrong way round: none is taken. */
static void replays(void)
{
	struct bytes first = { NULL, 0, 0 };
	struct end *end;
	int what;

	serve(4, 4, 0);
	for (what = 0; what < 3; what++) {
		end = connected(1, NULL);
		client_write(end, text, 10);
		first.length = 0;
		bytes_append(&first, end->up.at, end->up.length);
		if (what == 0) {
			CHECK(server_next(end) && end->arrived.length == 10);
		} else {
			end->up.length = 0;
			client_write(end, text, 30);
			if (what == 1)
				first.length = 0;
		}
		bytes_append(&end->up, first.at, first.length);
		CHECK(server_next(end) && end->result == TLS_FAILED);
		CHECK(end->arrived.length == (what == 0 ? 10 : 0));
		client_receive(end);
		CHECK(client_error(end) == BR_ERR_RECV_FATAL_ALERT + 20);
		end_drop(end);
	}
	bytes_free(&first);
	stop();
}

/* No nonce twice: the explicit ones of AES-GCM count up from Finished's. */
static void nonces(void)
{
	struct wish wish = { .suites = { ec_suites[0] } };
	struct tls_sink sink;
	struct end *end, *other;
	uint64_t i, nonce;
	size_t k;

	serve(4, 4, 0);
	end = connected(1, &wish);
	other = connected(2, &wish);
	sink = (struct tls_sink){ end, down };
	for (i = 1; i < 300; i++) {
		CHECK(works(other));
		if (i == 299)
			tls_close(tls, 1, &sink);
		else
			CHECK(server_write(end, text, 5) == TLS_OPEN);
		CHECK(end->down.length > 13);
		for (k = 0, nonce = 0; k < 8; k++)
			nonce = nonce << 8 | end->down.at[5 + k];
		CHECK(nonce == i);
		end->down.length = 0;
	}
	end_drop(end);
	end_drop(other);
	stop();
}

/* max_fragment_length (RFC 6066): the server's records keep to it. */
static void small_fragments(void)
{
	static const uint8_t extension[] = { 0, 1, 0, 1, 1 };
	struct end *end;
	struct bytes hello = { NULL, 0, 0 };
	size_t at, extensions;
	int size;

	serve(4, 4, 0);
	end = end_new(1, NULL);
	client_send(end);
	bytes_append(&hello, end->up.at, end->up.length);
	extensions = 5 + 4 + 2 + 32;
	extensions += 1u + hello.at[extensions];
	extensions += 2u + (size_t)(hello.at[extensions] << 8 | hello.at[extensions + 1]);
	extensions += 1u + hello.at[extensions];
	bytes_append(&hello, extension, sizeof extension);
	hello.at[4] = (uint8_t)(hello.at[4] + 5);
	hello.at[8] = (uint8_t)(hello.at[8] + 5);
	hello.at[extensions + 1] = (uint8_t)(hello.at[extensions + 1] + 5);
	CHECK(server_take(end, hello.at, hello.length) == TLS_HANDSHAKE);
	for (at = 0; at < end->down.length; at += (size_t)size) {
		size = tls_record_size(end->down.at + at, end->down.length - at);
		CHECK(size > 5 && size <= 512 + 5);
		if (size <= 0)
			break;
	}
	end_drop(end);
	bytes_free(&hello);
	stop();
}

/* -- ends ----------------------------------------------------------------------------------- */

static void closing(void)
{
	struct end *end;
	struct tls_sink sink;

	serve(4, 4, 0);
	for (size_t i = 0; i < 3; i++) {
		struct wish wish = { .suites = { ec_suites[i] } };

		end = connected(1, &wish);      /* the client ends */
		client_write(end, text, 100);
		br_ssl_engine_close(&end->client.eng);
		talk(end);
		CHECK(end->result == TLS_CLOSED && bytes_are(&end->arrived, text, 100));
		CHECK(br_ssl_engine_current_state(&end->client.eng) == BR_SSL_CLOSED);
		CHECK(client_error(end) == 0);
		CHECK(tls_totals(tls).open == 0 && tls_totals(tls).image_bytes == 0);
		CHECK(server_write(end, text, 1) == TLS_FAILED && end->down.length == 0);
		end_drop(end);

		end = connected(1, &wish);      /* the server ends */
		CHECK(works(end));
		sink = (struct tls_sink){ end, down };
		server_write(end, text, 100);
		tls_close(tls, 1, &sink);
		CHECK(tls_totals(tls).open == 0 && tls_totals(tls).image_bytes == 0);
		end->received.length = 0;
		client_receive(end);
		CHECK(bytes_are(&end->received, text, 100));
		CHECK(br_ssl_engine_current_state(&end->client.eng) == BR_SSL_CLOSED);
		CHECK(client_error(end) == 0);
		tls_close(tls, 1, &sink);       /* nothing more */
		CHECK(end->down.length == 0);
		end_drop(end);
	}
	end = end_new(1, NULL);         /* during the handshake */
	client_until(end, 1);
	end->down.length = 0;
	sink = (struct tls_sink){ end, down };
	tls_close(tls, 1, &sink);
	CHECK(end->down.length == 0 && tls_totals(tls).handshaking == 1);
	CHECK(server_take(end, (const uint8_t *)"\25\3\3\0\2\1\0", 7) == TLS_CLOSED);
	CHECK(end->down.length == 7 && memcmp(end->down.at, "\25\3\3\0\2\1\0", 7) == 0);
	end_drop(end);
	CHECK(tls_totals(tls).failures == 1);
	stop();
}

static void forgetting(void)
{
	struct end *end;
	int record;

	serve(4, 1, 4);                 /* one slot: it must come back each time */
	tls_forget(tls, 1);
	tls_forget(tls, 4);
	for (record = 1; record < 4; record++) {
		end = end_new(1, NULL);
		client_until(end, record);
		CHECK(tls_totals(tls).handshaking == 1 && tls_totals(tls).open == 1);
		tls_forget(tls, 1);
		CHECK(tls_totals(tls).handshaking == 0 && tls_totals(tls).open == 0);
		CHECK(tls_totals(tls).failures == (uint64_t)record);
		tls_forget(tls, 1);
		CHECK(tls_totals(tls).failures == (uint64_t)record);
		end_free(end);
	}
	end = connected(1, NULL);
	CHECK(tls_totals(tls).open == 1 && tls_totals(tls).image_bytes > 0);
	end_drop(end);
	tls_forget(tls, 1);
	CHECK(tls_totals(tls).open == 0 && tls_totals(tls).failures == 3);
	end = connected(1, NULL);
	CHECK(works(end));
	end_drop(end);
	stop();
}

/* More handshakes than slots. */
static void slots(void)
{
	struct end *ends[6];
	uint32_t i, round;

	serve(6, 3, 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 6; i++) {
			ends[i] = end_new(i + 1, NULL);
			client_send(ends[i]);
			/* Of those for whom there is no slot nothing is kept. */
			CHECK(server_take(ends[i], ends[i]->up.at, ends[i]->up.length) ==
			    (i < 3 ? TLS_HANDSHAKE : TLS_FULL));
			if (i < 3)
				ends[i]->up.length = 0;
			else
				CHECK(ends[i]->down.length == 0);
		}
		CHECK(tls_totals(tls).open == 3 && tls_totals(tls).handshaking == 3);
		if (round == 1)
			tls_forget(tls, 2);
		for (i = 0; i < 3; i++) {
			if (round == 1 && i == 1)
				continue;
			talk(ends[i]);
			CHECK(ends[i]->result == TLS_OPEN && works(ends[i]));
		}
		for (i = 3; i < 6; i++) {       /* now there is room; the hello is the same */
			ends[i]->result = TLS_HANDSHAKE;
			talk(ends[i]);
			CHECK(ends[i]->result == TLS_OPEN && works(ends[i]) && works(ends[0]));
		}
		for (i = 0; i < 6; i++)
			end_drop(ends[i]);
	}
	stop();
}

/* -- many ----------------------------------------------------------------------------------- */

static uint32_t chance_state = 1;

static uint32_t chance(uint32_t below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 17;
	chance_state ^= chance_state << 5;
	return chance_state % below;
}

static size_t resident(void)
{
	size_t pages = tls_memory_size / 4096, i, count = 0;
	unsigned char *in = malloc(pages);

	if (in == NULL || mincore(tls_memory, tls_memory_size, in) != 0)
		abort();
	for (i = 0; i < pages; i++)
		count += in[i] & 1;
	free(in);
	return count;
}

#define MANY 2000

static struct end *many[MANY];
static br_ssl_session_parameters many_session[3];

/* One step of one of many: a record of its handshake, data one way or the other, or its end. */
static bool many_step(struct end *end)
{
	uint32_t size = chance(20) == 0 ? chance(20000) : chance(300);
	uint32_t from = chance(1000);

	if (end->result == TLS_HANDSHAKE) {
		client_receive(end);
		return server_next(end);
	}
	end->arrived.length = end->received.length = 0;
	if (chance(2) == 0) {
		if (server_write(end, text + from, size) != TLS_OPEN)
			return false;
		client_receive(end);
		return bytes_are(&end->received, text + from, size);
	}
	client_receive(end);
	client_write(end, text + from, size);
	while (server_next(end))
		continue;
	return bytes_are(&end->arrived, text + from, size) && end->result == TLS_OPEN;
}

static void many_wave(unsigned shift)
{
	unsigned bad = 0, i, round;

	for (i = 0; i < MANY; i++) {
		struct wish wish = { .suites = { ec_suites[(i + shift) % 3] } };

		if (i % 20 != 0)        /* few full handshakes, as they take long */
			wish.session = &many_session[(i + shift) % 3];
		many[i] = end_new(i + 1, &wish);
	}
	for (round = 0; round < 10 * MANY; round++)
		bad += !many_step(many[chance(MANY)]);
	for (i = 0; i < MANY; i++) {
		talk(many[i]);
		bad += many[i]->result != TLS_OPEN || !works(many[i]);
	}
	CHECK(bad == 0);
	CHECK(tls_totals(tls).open == MANY && tls_totals(tls).handshaking == 0);
}

static void many_drop(bool all)
{
	for (uint32_t i = 0; i < MANY; i++) {
		if (many[i] != NULL && (all || i % 3 != 0)) {
			end_drop(many[i]);
			many[i] = NULL;
		}
	}
}

static void multitude(void)
{
	size_t pages;
	uint32_t i;

	serve(MANY, MANY, 1000);
	for (i = 0; i < 3; i++) {
		struct wish wish = { .suites = { ec_suites[i] } };
		struct end *end = connected(1, &wish);

		many_session[i] = session_of(end);
		end_drop(end);
	}
	chance_state = 20250101;
	many_wave(0);
	many_drop(false);
	for (i = 0; i < MANY; i += 3)
		CHECK(works(many[i]));          /* those who stay while others go */
	many_drop(true);
	CHECK(tls_totals(tls).image_bytes == 0);
	pages = resident();
	chance_state = 20250101;
	many_wave(0);
	many_drop(true);
	CHECK(tls_totals(tls).image_bytes == 0);
	/* Slabs of 16 pages that were only begun, one per suite, may be full now; and there are
	 * more sessions. */
	CHECK(resident() <= pages + 3 * 16 + 3);
	stop();
}

static uint64_t image_of(uint16_t suite, const char *name)
{
	struct wish wish = { .suites = { suite }, .protocols = { "http/1.1" },
		.name = "tracker.example" };
	struct end *end = connected(1, &wish);
	uint64_t bytes = tls_totals(tls).image_bytes;

	for (int i = 0; i < 300; i++)
		CHECK(works(end));
	CHECK(tls_totals(tls).image_bytes == bytes);
	printf("image with %s: %u bytes\n", name, (unsigned)bytes);
	end_drop(end);
	return bytes;
}

static void images(void)
{
	serve(4, 4, 4);
	CHECK(image_of(ec_suites[0], "AES-128-GCM") <= 900);
	CHECK(image_of(ec_suites[1], "AES-256-GCM") <= 1024);
	CHECK(image_of(ec_suites[2], "ChaCha20-Poly1305") <= 600);
	stop();
}

/* All links with one suite, then all with another: what the first images took serves the others. */
static void images_change(void)
{
	struct end *ends[200];
	br_ssl_session_parameters session;
	size_t most = 0, wave, i;

	serve(200, 4, 4);
	for (wave = 0; wave < 9; wave++) {
		struct wish wish = { .suites = { ec_suites[wave % 3] } };

		wish.session = NULL;
		for (i = 0; i < 200; i++) {
			ends[i] = connected((uint32_t)i + 1, &wish);
			session = session_of(ends[i]);
			wish.session = &session;
		}
		for (i = 0; i < 200; i++)
			CHECK(works(ends[i]));
		if (wave == 2)
			most = resident();
		for (i = 0; i < 200; i++)
			end_drop(ends[i]);
	}
	CHECK(resident() <= most);
	stop();
}

/* -- no room for images (a build of its own) ----------------------------------------------- */

#ifdef TLS_IMAGE_RESERVED
#define NO_ROOM true
#else
#define NO_ROOM false
#endif

static void full(void)
{
	static struct end *ends[1000];
	uint32_t count, i;

	serve(1000, 4, 4);
	for (int round = 0; round < 3; round++) {
		br_ssl_session_parameters session;
		struct wish wish = { .suites = { ec_suites[0] } };

		for (count = 0; count < 1000; count++) {
			ends[count] = end_new(count + 1, &wish);
			talk(ends[count]);
			if (ends[count]->result != TLS_OPEN)
				break;
			session = session_of(ends[count]);
			wish.session = &session;
		}
		CHECK(count > 10 && count < 1000);
		CHECK(ends[count]->result == TLS_FAILED);
		CHECK(tls_totals(tls).open == count && tls_totals(tls).handshaking == 0);
		end_free(ends[count]);
		for (i = 0; i < count; i++)
			CHECK(works(ends[i]));
		end_drop(ends[0]);
		ends[0] = connected(1, &wish);          /* one goes, one comes */
		CHECK(works(ends[0]));
		for (i = 0; i < count; i++)
			end_drop(ends[i]);
		CHECK(tls_totals(tls).image_bytes == 0);
	}
	stop();
}

/* -- measurements ----------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The server's part of handshakes, per second. */
static void speed_handshakes(const char *name, const struct wish *wish)
{
	double spent = 0, before;
	int count;

	for (count = 0; spent < 0.5; count++) {
		struct end *end = end_new(1, wish);
		bool more;

		do {
			client_receive(end);
			before = now();
			more = server_next(end);
			spent += now() - before;
		} while (more);
		end_drop(end);
	}
	printf("%s: %.0f handshakes/s\n", name, count / spent);
}

static void speed_records(const char *name, uint16_t suite)
{
	struct wish wish = { .suites = { suite } };
	struct end *end = connected(1, &wish), *other = connected(2, &wish);
	struct tls_sink sink = { end, down };
	double before = now();
	int i;

	for (i = 0; i < 200000; i++)
		tls_output(tls, 1 + (uint32_t)i % 2, NULL, 0, &sink);
	printf("%s: thaw and freeze %.0f ns", name, (now() - before) / i * 1e9);
	before = now();
	for (i = 0; i < 100000; i++) {
		server_write(end, text, 300);
		end->down.length = 0;
	}
	printf(", a record of 300 bytes sent %.0f ns\n", (now() - before) / i * 1e9);
	end_drop(end);
	end_drop(other);
}

static void speed(void)
{
	struct wish wish = { .suites = { ec_suites[0] } };
	br_ssl_session_parameters session;
	struct end *end;

	serve(4, 4, 4);
	speed_records("AES-128-GCM", ec_suites[0]);
	speed_records("ChaCha20-Poly1305", ec_suites[2]);
	speed_handshakes("P-256 certificate, X25519", &wish);
	wish.curves = P256;
	speed_handshakes("P-256 certificate, P-256", &wish);
	wish = (struct wish){ .suites = { rsa_suites[0] } };
	speed_handshakes("RSA 2048, X25519", &wish);
	end = connected(1, NULL);
	session = session_of(end);
	end_drop(end);
	wish = (struct wish){ .session = &session };
	speed_handshakes("resumed", &wish);
	stop();
}

static void prepare(void)
{
	static const char *const certificates[PAIRS] = { ec256_certificate, rsa2048_certificate,
		ec384_certificate };
	static const char *const keys[PAIRS] = { ec256_pkcs8, rsa2048_pkcs8, ec384_pkcs8 };
	char error[TLS_ERROR_MAX];
	size_t i, pair;

	for (i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7 + i / 251);
	for (i = 0; i < PAIRS; i++)
		pair_texts[i] = (struct tls_text){ certificates[i], strlen(certificates[i]),
			keys[i], strlen(keys[i]) };
	pair_keys = keys_load(pair_texts, PAIRS, &pair, error);
	plain = guard_alloc(TLS_PLAIN_MAX);
	if (pair_keys == NULL)
		abort();
}

/* The trial must see that images work, and that they do not where a part counts as dead that is
 * needed: then all the other tests are about contexts that are kept whole. */
static void trial(void)
{
	size_t size = trial_size();
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	CHECK(trial_images(memory) == !DEAD_WRONG);
	munmap(memory, size);
}

static void run_all(void)
{
	RUN(trial);
	RUN(record_sizes);
	RUN(handshakes);
	RUN(preference);
	RUN(refusals);
	RUN(strangers);
	RUN(renegotiation);
	RUN(breaches);
	RUN(warnings);
	RUN(early);
	RUN(alpn);
	RUN(names);
	RUN(reload);
	RUN(resumption);
	RUN(resumption_forged);
	RUN(split_hello);
	RUN(flips);
	RUN(replays);
	RUN(nonces);
	RUN(small_fragments);
	RUN(closing);
	RUN(forgetting);
	RUN(slots);
	RUN(multitude);
	if (!DEAD_WRONG)
		RUN(images);
	RUN(images_change);
}

int main(int count, char **arguments)
{
	prepare();
	if (count > 1 && strcmp(arguments[1], "speed") == 0) {
		speed();
		return test_end();
	}
	if (NO_ROOM)
		RUN(full);
	else
		run_all();
	keys_free(pair_keys);
	guard_free(plain, TLS_PLAIN_MAX);
	return test_end();
}
