/* tls.c - see tls.h */
#include "tls.h"

#include <bearssl.h>

#include <string.h>
#include <unistd.h>

#include "image.h"
#include "keys.h"
#include "pages.h"

#define SEED_SIZE 32
#define SESSION_SIZE 100            /* what BearSSL's cache takes for one */
#define RECORD_HEAD 5
#define RECORD_ALERT 21             /* a type of record */
#define CIPHERTEXT_MAX (TLS_RECORD_MAX - RECORD_HEAD)

/* A handshake that goes on. */
struct slot {
	br_ssl_server_context context;
	uint32_t next;              /* free slot */
	bool full;                  /* no session was resumed */
};

/* What BearSSL asks for certificate and signature. */
struct policy {
	const br_ssl_server_policy_class *vtable;
	struct keys *keys;              /* NULL until tls_load */
	const struct keys_pair *pair;   /* chosen for the handshake at hand */
	bool asked;
};

/* BearSSL's cache, and what has to be done when it finds a session. */
struct sessions {
	const br_ssl_session_cache_class *vtable;
	br_ssl_session_cache_lru cache;
};

struct tls {
	struct images images;               /* with the context that works */
	br_ec_impl curves;                  /* for the key exchange */
	struct policy policy;
	struct tls_options options;
	struct tls_totals totals;
	struct sessions sessions;
	struct slot *slot;                  /* by number less 1 */
	uint32_t free_slot, used_slots;
	unsigned char in[BR_SSL_BUFSIZE_INPUT];
	unsigned char out[BR_SSL_BUFSIZE_OUTPUT];
};

/* -- small things ----------------------------------------------------------------------- */

enum link_state { LINK_NONE, LINK_HANDSHAKE, LINK_OPEN };

/* An image's class says that a link is open; without one its place is that of its slot. */
static enum link_state link_state(const struct tls *tls, uint32_t number)
{
	const struct image_link *link = &tls->images.link[number];

	if (link->class != 0)
		return LINK_OPEN;
	return link->place != 0 ? LINK_HANDSHAKE : LINK_NONE;
}

static struct slot *slot_of(const struct tls *tls, uint32_t number)
{
	return &tls->slot[tls->images.link[number].place - 1];
}

static bool random_bytes(uint8_t *bytes, size_t size)
{
	return getentropy(bytes, size) == 0;
}

/* -- memory ------------------------------------------------------------------------- */

size_t tls_size(const struct tls_options *options)
{
	return pages_round(sizeof(struct tls)) +
	    pages_round(options->handshakes * sizeof(struct slot)) +
	    pages_round((size_t)options->sessions * SESSION_SIZE) +
	    images_size(options->links, options->whole);
}

/* -- choosing and signing ------------------------------------------------------------- */

static unsigned kind_of_suite(uint16_t elements)
{
	switch (elements >> 12) {
	case BR_SSLKEYX_ECDHE_ECDSA: return 1u << KEYS_EC;
	case BR_SSLKEYX_ECDHE_RSA: return 1u << KEYS_RSA;
	default: return 0;
	}
}

/* The best hash that the client takes with this kind of key, 0 if there is none. */
static unsigned choose_hash(uint32_t hashes, enum keys_kind kind)
{
	static const unsigned best[] = { br_sha256_ID, br_sha384_ID, br_sha512_ID };
	size_t i;

	hashes = kind == KEYS_EC ? hashes >> 8 : hashes;
	for (i = 0; i < sizeof best / sizeof best[0]; i++) {
		if (hashes >> best[i] & 1)
			return best[i];
	}
	return 0;
}

static int policy_choose(const br_ssl_server_policy_class **context,
    const br_ssl_server_context *server, br_ssl_server_choices *choices)
{
	struct policy *policy = (struct policy *)(void *)context;
	const char *name = br_ssl_engine_get_server_name(&server->eng);
	uint32_t hashes = br_ssl_server_get_client_hashes(server);
	const br_suite_translated *suites;
	const struct keys_pair *pair;
	unsigned kinds = 0, hash;
	size_t count, i;

	policy->asked = true;
	suites = br_ssl_server_get_client_suites(server, &count);
	for (i = 0; i < count; i++)
		kinds |= kind_of_suite(suites[i][1]);
	for (hash = 0; hash < 2; hash++)
		kinds &= choose_hash(hashes, (enum keys_kind)hash) != 0 ? ~0u : ~(1u << hash);
	pair = policy->keys != NULL ? keys_choose(policy->keys, name, kinds) : NULL;
	if (pair == NULL)
		return 0;
	for (i = 0; i < count && kind_of_suite(suites[i][1]) != 1u << pair->kind; i++)
		continue;
	choices->cipher_suite = suites[i][0];
	choices->algo_id = 0xFF00 + choose_hash(hashes, pair->kind);
	choices->chain = pair->chain;
	choices->chain_len = pair->chain_length;
	policy->pair = pair;
	return 1;
}

/* Only suites with ECDHE are served, so this is never asked. */
static uint32_t policy_exchange(const br_ssl_server_policy_class **context, unsigned char *data,
    size_t *length)
{
	(void)context;
	(void)data;
	(void)length;
	return 0;
}

static size_t policy_sign(const br_ssl_server_policy_class **context, unsigned algorithm,
    unsigned char *data, size_t hash_size, size_t max)
{
	const struct policy *policy = (const struct policy *)(const void *)context;
	uint8_t hash[64];

	if (hash_size > sizeof hash || algorithm < 0xFF00)
		return 0;
	memcpy(hash, data, hash_size);
	return keys_sign(policy->pair, algorithm & 0xFF, hash, hash_size, data, max);
}

static const br_ssl_server_policy_class policy_class = {
	sizeof(struct policy), policy_choose, policy_exchange, policy_sign
};

/* -- sessions ------------------------------------------------------------------------- */

static void sessions_save(const br_ssl_session_cache_class **context, br_ssl_server_context *server,
    const br_ssl_session_parameters *session)
{
	struct sessions *sessions = (struct sessions *)(void *)context;

	sessions->cache.vtable->save(&sessions->cache.vtable, server, session);
}

/*
 * When it resumes a session BearSSL 0.6 does not look whether ALPN found a common protocol before
 * it writes the protocol's name, and reads far outside the list if there is none: a client could
 * end the program. So ALPN, which is optional, is not answered then.
 */
static int sessions_load(const br_ssl_session_cache_class **context, br_ssl_server_context *server,
    br_ssl_session_parameters *session)
{
	struct sessions *sessions = (struct sessions *)(void *)context;

	if (!sessions->cache.vtable->load(&sessions->cache.vtable, server, session))
		return 0;
	server->eng.protocol_names_num = 0;
	return 1;
}

bool tls_remember(struct tls *tls, const struct tls_session *session)
{
	br_ssl_session_parameters parameters = { .session_id_len = sizeof session->id,
		.version = BR_TLS12, .cipher_suite = session->suite };
	uint8_t seed[SEED_SIZE];

	if (!random_bytes(seed, sizeof seed))
		return false;
	memcpy(parameters.session_id, session->id, sizeof session->id);
	memcpy(parameters.master_secret, session->master, sizeof session->master);
	/* The cache takes a random number of the context at hand when it is used first. */
	tls->images.work = tls->images.template;
	br_ssl_engine_inject_entropy(&tls->images.work.eng, seed, sizeof seed);
	sessions_save(&tls->sessions.vtable, &tls->images.work, &parameters);
	return true;
}

static const br_ssl_session_cache_class sessions_class = {
	sizeof(struct sessions), sessions_save, sessions_load
};

/* -- the template --------------------------------------------------------------------- */

static const uint16_t suites_aes_first[] = {
	BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
};

static const uint16_t suites_chacha_first[] = {
	BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
};

static const char *const protocols[] = { "http/1.1" };

static void set_suites(br_ssl_engine_context *engine)
{
	bool aes = br_aes_x86ni_ctr_get_vtable() != NULL || br_aes_pwr8_ctr_get_vtable() != NULL;

	br_ssl_engine_set_suites(engine, aes ? suites_aes_first : suites_chacha_first,
	    sizeof suites_aes_first / sizeof suites_aes_first[0]);
	br_ssl_engine_set_default_aes_gcm(engine);
	br_ssl_engine_set_default_chapol(engine);
}

/* BearSSL's own profiles turn on TLS 1.0, 3DES, MD5 and renegotiation: so this is done by hand. */
static void make_template(struct tls *tls)
{
	br_ssl_engine_context *engine = &tls->images.work.eng;

	br_ssl_server_zero(&tls->images.work);
	br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	set_suites(engine);
	tls->curves = *br_ec_get_default();
	tls->curves.supported_curves &= (1u << BR_EC_secp256r1) | (1u << BR_EC_curve25519);
	br_ssl_engine_set_ec(engine, &tls->curves);
	br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(engine, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(engine, br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(engine, br_tls12_sha384_prf);
	br_ssl_engine_add_flags(engine,
	    BR_OPT_ENFORCE_SERVER_PREFERENCES | BR_OPT_NO_RENEGOTIATION);
	br_ssl_engine_set_protocol_names(engine, (const char **)(uintptr_t)protocols, 1);
	br_ssl_engine_set_buffers_bidi(engine, tls->in, sizeof tls->in, tls->out, sizeof tls->out);
	/* A reset would open /dev/urandom otherwise where the CPU makes no random numbers. */
	engine->rng_os_rand_done = 1;
	images_template(&tls->images);
}

struct tls *tls_init(void *memory, const struct tls_options *options)
{
	struct tls *tls = memory;
	uint8_t *at = memory;

	tls->options = *options;
	at += pages_round(sizeof(struct tls));
	tls->slot = (struct slot *)(void *)at;
	at += pages_round(options->handshakes * sizeof(struct slot));
	tls->sessions.vtable = &sessions_class;
	br_ssl_session_cache_lru_init(&tls->sessions.cache, at,
	    (size_t)options->sessions * SESSION_SIZE);
	at += pages_round((size_t)options->sessions * SESSION_SIZE);
	images_init(&tls->images, at, options->links, options->whole);
	tls->policy.vtable = &policy_class;
	make_template(tls);
	return tls;
}

bool tls_built(void)
{
	return true;
}

bool tls_load(struct tls *tls, const struct tls_text *texts, size_t count, size_t *pair,
    char error[static TLS_ERROR_MAX])
{
	struct keys *keys = keys_load(texts, count, pair, error);

	if (keys == NULL)
		return false;
	/* A handshake looks at its keys in one step only, so none holds on to the old ones. */
	keys_free(tls->policy.keys);
	tls->policy.keys = keys;
	return true;
}

int64_t tls_not_after(const struct tls *tls)
{
	const struct keys *keys = tls->policy.keys;
	int64_t first = 0;
	size_t i;

	for (i = 0; keys != NULL && i < keys->count; i++) {
		if (i == 0 || keys->pairs[i].not_after < first)
			first = keys->pairs[i].not_after;
	}
	return first;
}

bool tls_doubts(const struct tls *tls, size_t pair, struct tls_doubts *doubts)
{
	const struct keys *keys = tls->policy.keys;
	const struct keys_pair *at;

	if (keys == NULL || pair >= keys->count)
		return false;
	at = &keys->pairs[pair];
	*doubts = (struct tls_doubts){ at->not_before, at->not_after,
		at->chain_length == 1 && !at->self_issued };
	return true;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	keys_free(tls->policy.keys);
	tls->policy.keys = NULL;
}

struct tls_totals tls_totals(const struct tls *tls)
{
	struct tls_totals totals = tls->totals;

	totals.image_bytes = tls->images.bytes;
	return totals;
}

/* -- handshakes ----------------------------------------------------------------------- */

/* The version for alerts before one is agreed on: the client's own, if its hello tells it, or else
 * that of its record. BearSSL would write 0. */
static unsigned alert_version(const uint8_t *record, size_t length)
{
	if (length > 10 && record[9] == 3 && record[10] <= 3)
		return 0x300u | record[10];
	return (unsigned)record[1] << 8 | record[2];
}

/* Give a link a slot and the working context a fresh handshake, whose first record this is. */
static enum tls_result handshake_begin(struct tls *tls, uint32_t link, const uint8_t *record,
    size_t length)
{
	br_ssl_engine_context *engine = &tls->images.work.eng;
	uint8_t seed[SEED_SIZE];
	uint32_t number = tls->free_slot;

	if (number == 0 && tls->used_slots == tls->options.handshakes)
		return TLS_FULL;
	if (!random_bytes(seed, sizeof seed))
		return TLS_FAILED;
	if (number == 0)
		number = ++tls->used_slots;
	else
		tls->free_slot = tls->slot[number - 1].next;
	tls->images.link[link] = (struct image_link){ .place = number };
	tls->slot[number - 1].full = false;
	tls->totals.open++;
	tls->totals.handshaking++;
	tls->images.work = tls->images.template;
	br_ssl_server_set_policy(&tls->images.work, &tls->policy.vtable);
	if (tls->options.sessions > 0)
		br_ssl_server_set_cache(&tls->images.work, &tls->sessions.vtable);
	br_ssl_engine_inject_entropy(engine, seed, sizeof seed);
	image_wipe(seed, sizeof seed);
	br_ssl_server_reset(&tls->images.work);
	engine->version_out = (uint16_t)alert_version(record, length);
	return TLS_HANDSHAKE;
}

static void slot_give(struct tls *tls, uint32_t number)
{
	struct image_link *link = &tls->images.link[number];
	struct slot *slot = slot_of(tls, number);

	image_wipe(&slot->context, sizeof slot->context);
	slot->next = tls->free_slot;
	tls->free_slot = link->place;
	link->place = 0;
	tls->totals.handshaking--;
}

void tls_forget(struct tls *tls, uint32_t number)
{
	enum link_state state = link_state(tls, number);

	if (state == LINK_NONE)
		return;
	if (state == LINK_HANDSHAKE) {
		slot_give(tls, number);
		tls->totals.failures++;
	}
	image_drop(&tls->images, number);
	tls->totals.open--;
}

/* The handshake is over: from now on an image is enough. */
static void handshake_end(struct tls *tls, uint32_t number)
{
	tls->totals.handshakes++;
	tls->totals.resumptions += !slot_of(tls, number)->full;
	slot_give(tls, number);
}

/* -- records -------------------------------------------------------------------------- */

int tls_record_size(const uint8_t *data, size_t length)
{
	unsigned body;

	if (length > 0 && (data[0] < 20 || data[0] > 23))
		return -1;
	if (length > 1 && data[1] != 3)
		return -1;
	if (length < RECORD_HEAD)
		return 0;
	body = (unsigned)data[3] << 8 | data[4];
	return body > CIPHERTEXT_MAX ? -1 : (int)(RECORD_HEAD + body);
}

/* Send all that the working context has to send. */
static void drain(struct tls *tls, const struct tls_sink *sink)
{
	br_ssl_engine_context *engine = &tls->images.work.eng;
	const unsigned char *bytes;
	size_t length;

	while ((bytes = br_ssl_engine_sendrec_buf(engine, &length)) != NULL) {
		sink->write(sink->context, bytes, length);
		br_ssl_engine_sendrec_ack(engine, length);
	}
}

/* Let the working context take a record. */
static void feed(struct tls *tls, const uint8_t *record, size_t length, uint8_t *plain,
    size_t *plain_length, const struct tls_sink *sink)
{
	br_ssl_engine_context *engine = &tls->images.work.eng;
	unsigned char *buffer;
	size_t part;

	for (;;) {
		drain(tls, sink);
		buffer = br_ssl_engine_recvapp_buf(engine, &part);
		if (buffer != NULL) {
			memcpy(plain + *plain_length, buffer, part);
			*plain_length += part;
			br_ssl_engine_recvapp_ack(engine, part);
			continue;
		}
		buffer = br_ssl_engine_recvrec_buf(engine, &part);
		if (buffer == NULL || length == 0)
			return;
		part = part < length ? part : length;
		memcpy(buffer, record, part);
		br_ssl_engine_recvrec_ack(engine, part);
		record += part;
		length -= part;
	}
}

/* The alert (RFC 5246, section 7.2) for an error of BearSSL's. */
static uint8_t alert_for(int error)
{
	switch (error) {
	case BR_ERR_BAD_MAC: return 20;                 /* bad_record_mac */
	case BR_ERR_TOO_LARGE:
	case BR_ERR_BAD_LENGTH: return 22;              /* record_overflow */
	case BR_ERR_UNSUPPORTED_VERSION:
	case BR_ERR_BAD_VERSION: return 70;             /* protocol_version */
	case BR_ERR_OK:                                 /* more in a record than there may be */
	case BR_ERR_UNEXPECTED:
	case BR_ERR_BAD_CCS:
	case BR_ERR_UNKNOWN_TYPE: return 10;            /* unexpected_message */
	case BR_ERR_BAD_FINISHED: return 51;            /* decrypt_error */
	case BR_ERR_INVALID_ALGORITHM:
	case BR_ERR_BAD_STATE:
	case BR_ERR_NO_RANDOM: return 80;               /* internal_error */
	default: return 50;                             /* decode_error */
	}
}

/* BearSSL sends an alert for few of its errors: send one for the others, but not to answer one. */
static void alert_send(struct tls *tls, const struct tls_sink *sink)
{
	br_ssl_engine_context *engine = &tls->images.work.eng;
	int error = br_ssl_engine_last_error(engine);
	uint8_t room[64] = { 0 }, *record = room + 32;  /* what encryption puts around two bytes */
	size_t length = 2;

	if (error >= BR_ERR_RECV_FATAL_ALERT)
		return;
	record[0] = 2;                                  /* fatal */
	record[1] = alert_for(error);
	record = engine->out.vtable->encrypt(&engine->out.vtable, RECORD_ALERT, engine->version_out,
	    record, &length);
	sink->write(sink->context, record, length);
}

/* Put the working context away, and say how the link stands. */
static enum tls_result settle(struct tls *tls, uint32_t number, const struct tls_sink *sink)
{
	bool handshake = link_state(tls, number) == LINK_HANDSHAKE;
	unsigned state = br_ssl_engine_current_state(&tls->images.work.eng);

	if (state == BR_SSL_CLOSED && br_ssl_engine_last_error(&tls->images.work.eng) == BR_ERR_OK) {
		tls_forget(tls, number);
		return TLS_CLOSED;
	}
	/* Having taken a record it must want another. It does not if there was something behind a
	 * hello or Finished: that is left in the buffer, which is not this link's alone. */
	if (state == BR_SSL_CLOSED || !(state & BR_SSL_RECVREC)) {
		alert_send(tls, sink);
		tls_forget(tls, number);
		return TLS_FAILED;
	}
	if (handshake && !(state & BR_SSL_SENDAPP)) {
		struct slot *slot = slot_of(tls, number);

		slot->context = tls->images.work;
		slot->full |= tls->policy.asked;
		return TLS_HANDSHAKE;
	}
	if (handshake)
		handshake_end(tls, number);
	if (image_freeze(&tls->images, number))
		return TLS_OPEN;
	tls->totals.open--;
	return TLS_FAILED;
}

enum tls_result tls_input(struct tls *tls, uint32_t number, const uint8_t *record, size_t length,
    uint8_t plain[static TLS_PLAIN_MAX], size_t *plain_length, const struct tls_sink *sink)
{
	enum link_state state = link_state(tls, number);
	enum tls_result begun;

	*plain_length = 0;
	tls->policy.asked = false;
	if (state == LINK_OPEN)
		image_thaw(&tls->images, number);
	else if (state == LINK_HANDSHAKE)
		tls->images.work = slot_of(tls, number)->context;
	else if ((begun = handshake_begin(tls, number, record, length)) != TLS_HANDSHAKE)
		return begun;
	feed(tls, record, length, plain, plain_length, sink);
	return settle(tls, number, sink);
}

/* Fill records with bytes; a full one is sent. */
static void fill(struct tls *tls, const uint8_t *bytes, size_t length, const struct tls_sink *sink)
{
	br_ssl_engine_context *engine = &tls->images.work.eng;
	unsigned char *buffer;
	size_t part;

	while (length > 0) {
		buffer = br_ssl_engine_sendapp_buf(engine, &part);
		if (buffer == NULL)
			return;
		part = part < length ? part : length;
		memcpy(buffer, bytes, part);
		br_ssl_engine_sendapp_ack(engine, part);
		bytes += part;
		length -= part;
		drain(tls, sink);
	}
}

enum tls_result tls_output(struct tls *tls, uint32_t number, const struct iovec *pieces, int count,
    const struct tls_sink *sink)
{
	int i;

	if (link_state(tls, number) != LINK_OPEN)
		return TLS_FAILED;
	image_thaw(&tls->images, number);
	for (i = 0; i < count; i++)
		fill(tls, pieces[i].iov_base, pieces[i].iov_len, sink);
	br_ssl_engine_flush(&tls->images.work.eng, 0);
	drain(tls, sink);
	return settle(tls, number, sink);
}

void tls_close(struct tls *tls, uint32_t number, const struct tls_sink *sink)
{
	if (link_state(tls, number) != LINK_OPEN)
		return;
	image_thaw(&tls->images, number);
	br_ssl_engine_close(&tls->images.work.eng);
	drain(tls, sink);
	tls_forget(tls, number);
}
