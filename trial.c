/* trial.c - see trial.h */
#include "trial.h"

#include <bearssl.h>

#include <string.h>

#include "pages.h"
#include "tls.h"

#define LINKS 2                     /* one for each suite */
#define ROUNDS 3
#define HEADROOM 32                 /* what encryption may put before a record's content */
#define RECORD_HEAD 5
#define HELLO_HASHED 4              /* bytes of a handshake message's head */
#define RANDOM_SIZE 32
#define FINISHED_SIZE 16            /* with its head */
#define CIPHERTEXT_ROOM 1024

enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, APPLICATION_DATA = 23 };

/* What the server sent and was not looked at. */
struct received {
	uint8_t bytes[CIPHERTEXT_ROOM];
	size_t length, taken;
};

struct client {
	struct tls *tls;
	uint32_t link;
	struct tls_session session;
	struct received received;
	br_sha256_context messages;     /* the hash of the handshake's messages */
	union {
		const br_sslrec_in_class *class;
		br_sslrec_gcm_context gcm;
		br_sslrec_chapol_context chapol;
	} in;
	union {
		const br_sslrec_out_class *class;
		br_sslrec_gcm_context gcm;
		br_sslrec_chapol_context chapol;
	} out;
};

static const struct tls_options options = { .links = LINKS, .handshakes = LINKS,
	.sessions = LINKS };

static const uint16_t suites[LINKS] = { BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 };

/* A ClientHello: in the record's head and its own all is known; the session and the suite are put
 * in. Its random number is zeros. */
#define HELLO_SESSION (RECORD_HEAD + 4 + 2 + RANDOM_SIZE + 1)
#define HELLO_SUITE (HELLO_SESSION + 32 + 2)
#define HELLO_SIZE (HELLO_SUITE + 2 + 2 + 2 + 18)

static const uint8_t hello_start[] = { HANDSHAKE, 3, 1, 0, HELLO_SIZE - RECORD_HEAD,
	1, 0, 0, HELLO_SIZE - RECORD_HEAD - 4, 3, 3 };

/* One compression; groups: P-256 and X25519; signatures: ECDSA with SHA-256. */
static const uint8_t hello_end[] = { 1, 0, 0, 18, 0, 10, 0, 6, 0, 4, 0, 23, 0, 29,
	0, 13, 0, 4, 0, 2, 4, 3 };

_Static_assert(HELLO_SUITE + 2 + sizeof hello_end == HELLO_SIZE, "a hello is of one size");

size_t trial_size(void)
{
	return tls_size(&options);
}

static void receive(void *context, const uint8_t *bytes, size_t length)
{
	struct received *received = context;

	if (length > sizeof received->bytes - received->length)
		return;
	memcpy(received->bytes + received->length, bytes, length);
	received->length += length;
}

/* The next record of a type that the server sent: where its content begins, NULL if there is none. */
static uint8_t *record_next(struct client *client, int type, size_t *length)
{
	struct received *received = &client->received;
	uint8_t *record = received->bytes + received->taken;
	int size = tls_record_size(record, received->length - received->taken);

	if (size <= 0 || (size_t)size > received->length - received->taken || record[0] != type)
		return NULL;
	received->taken += (size_t)size;
	*length = (size_t)size - RECORD_HEAD;
	return record + RECORD_HEAD;
}

/* The same for one that is encrypted. */
static uint8_t *record_open(struct client *client, int type, size_t *length)
{
	uint8_t *record = record_next(client, type, length);

	if (record == NULL || !client->in.class->check_length(&client->in.class, *length))
		return NULL;
	return client->in.class->decrypt(&client->in.class, type, BR_TLS12, record, length);
}

/* Hand a record to the server, and say how it stands. */
static enum tls_result give(struct client *client, const uint8_t *record, size_t length,
    uint8_t plain[TLS_PLAIN_MAX], size_t *plain_length)
{
	struct tls_sink sink = { &client->received, receive };

	client->received.length = client->received.taken = 0;
	return tls_input(client->tls, client->link, record, length, plain, plain_length, &sink);
}

/* The same for content that is encrypted first. */
static enum tls_result seal(struct client *client, int type, const uint8_t *content, size_t length,
    uint8_t plain[TLS_PLAIN_MAX], size_t *plain_length)
{
	uint8_t room[HEADROOM + CIPHERTEXT_ROOM], *record;

	memcpy(room + HEADROOM, content, length);
	record = client->out.class->encrypt(&client->out.class, type, BR_TLS12, room + HEADROOM,
	    &length);
	return give(client, record, length, plain, plain_length);
}

static void key_gcm(struct client *client, const uint8_t *keys)
{
	br_ssl_engine_context engine;

	/* Only to learn which implementations this machine has. */
	br_ssl_engine_set_default_aes_gcm(&engine);
	br_sslrec_out_gcm_vtable.init(&client->out.gcm.vtable.out, engine.iaes_ctr, keys, 16,
	    engine.ighash, keys + 32);
	br_sslrec_in_gcm_vtable.init(&client->in.gcm.vtable.in, engine.iaes_ctr, keys + 16, 16,
	    engine.ighash, keys + 36);
}

static void key_chapol(struct client *client, const uint8_t *keys)
{
	br_ssl_engine_context engine;

	br_ssl_engine_set_default_chapol(&engine);
	br_sslrec_out_chapol_vtable.init(&client->out.chapol.vtable.out, engine.ichacha,
	    engine.ipoly, keys, keys + 64);
	br_sslrec_in_chapol_vtable.init(&client->in.chapol.vtable.in, engine.ichacha,
	    engine.ipoly, keys + 32, keys + 76);
}

/* The keys of both ways (RFC 5246, section 6.3). */
static void make_keys(struct client *client, const uint8_t *server_random)
{
	static const uint8_t client_random[RANDOM_SIZE];
	br_tls_prf_seed_chunk seed[] = { { server_random, RANDOM_SIZE },
		{ client_random, RANDOM_SIZE } };
	uint8_t keys[88];

	br_tls12_sha256_prf(keys, sizeof keys, client->session.master,
	    sizeof client->session.master, "key expansion", 2, seed);
	if (client->session.suite == suites[0])
		key_gcm(client, keys);
	else
		key_chapol(client, keys);
}

/* A Finished message (section 7.4.9), which ends what was said so far. */
static void make_finished(const struct client *client, const char *label,
    uint8_t finished[FINISHED_SIZE])
{
	static const uint8_t head[] = { 20, 0, 0, FINISHED_SIZE - 4 };
	uint8_t hash[32];
	br_tls_prf_seed_chunk seed = { hash, sizeof hash };

	br_sha256_out(&client->messages, hash);
	memcpy(finished, head, sizeof head);
	br_tls12_sha256_prf(finished + sizeof head, FINISHED_SIZE - sizeof head,
	    client->session.master, sizeof client->session.master, label, 1, &seed);
}

static bool say_hello(struct client *client, uint8_t plain[TLS_PLAIN_MAX])
{
	uint8_t hello[HELLO_SIZE] = { 0 };
	size_t length;

	memcpy(hello, hello_start, sizeof hello_start);
	hello[HELLO_SESSION - 1] = sizeof client->session.id;
	memcpy(hello + HELLO_SESSION, client->session.id, sizeof client->session.id);
	hello[HELLO_SUITE - 1] = 2;
	hello[HELLO_SUITE] = (uint8_t)(client->session.suite >> 8);
	hello[HELLO_SUITE + 1] = (uint8_t)client->session.suite;
	memcpy(hello + HELLO_SUITE + 2, hello_end, sizeof hello_end);
	br_sha256_init(&client->messages);
	br_sha256_update(&client->messages, hello + RECORD_HEAD, sizeof hello - RECORD_HEAD);
	return give(client, hello, sizeof hello, plain, &length) == TLS_HANDSHAKE;
}

/* ServerHello, ChangeCipherSpec and Finished. */
static bool hear_answer(struct client *client)
{
	uint8_t wanted[FINISHED_SIZE];
	size_t length;
	const uint8_t *message = record_next(client, HANDSHAKE, &length);

	if (message == NULL || length < HELLO_HASHED + 2 + RANDOM_SIZE)
		return false;
	br_sha256_update(&client->messages, message, length);
	make_keys(client, message + HELLO_HASHED + 2);
	if (record_next(client, CHANGE_CIPHER_SPEC, &length) == NULL)
		return false;
	message = record_open(client, HANDSHAKE, &length);
	make_finished(client, "server finished", wanted);
	if (message == NULL || length != sizeof wanted || memcmp(message, wanted, length) != 0)
		return false;
	br_sha256_update(&client->messages, message, length);
	return true;
}

static bool shake_hands(struct client *client, uint8_t plain[TLS_PLAIN_MAX])
{
	static const uint8_t change[] = { CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1 };
	uint8_t finished[FINISHED_SIZE];
	size_t length;

	if (!tls_remember(client->tls, &client->session) || !say_hello(client, plain) ||
	    !hear_answer(client))
		return false;
	make_finished(client, "client finished", finished);
	return give(client, change, sizeof change, plain, &length) == TLS_HANDSHAKE &&
	    seal(client, HANDSHAKE, finished, sizeof finished, plain, &length) == TLS_OPEN;
}

/* A record each way. */
static bool exchange(struct client *client, uint8_t plain[TLS_PLAIN_MAX])
{
	static const uint8_t text[] = "a record of some length, different in each direction";
	struct tls_sink sink = { &client->received, receive };
	struct iovec piece = { (uint8_t *)(uintptr_t)text, sizeof text - 1 };
	const uint8_t *opened;
	size_t length;

	if (seal(client, APPLICATION_DATA, text, sizeof text, plain, &length) != TLS_OPEN ||
	    length != sizeof text || memcmp(plain, text, length) != 0 ||
	    tls_output(client->tls, client->link, &piece, 1, &sink) != TLS_OPEN)
		return false;
	opened = record_open(client, APPLICATION_DATA, &length);
	return opened != NULL && length == piece.iov_len && memcmp(opened, text, length) == 0;
}

bool trial_images(void *memory)
{
	struct tls *tls = tls_init(memory, &options);
	struct client clients[LINKS];
	uint8_t plain[TLS_PLAIN_MAX];
	bool good = true;
	int i;

	memset(clients, 0, sizeof clients);
	for (i = 0; i < LINKS && good; i++) {
		clients[i].tls = tls;
		clients[i].link = (uint32_t)i + 1;
		clients[i].session.suite = suites[i];
		clients[i].session.id[0] = (uint8_t)i;
		good = shake_hands(&clients[i], plain);
	}
	for (i = 0; i < ROUNDS * LINKS && good; i++)
		good = exchange(&clients[i % LINKS], plain);
	return good;
}
