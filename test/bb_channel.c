/* bb_channel.c - TLS for the clients of the black-box tests, by BearSSL. */
#include "harness.h"

#include <bearssl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "anyone.h"

#define SHAKE_SECONDS 5.0   /* longest handshake */

struct channel {
	br_ssl_client_context context;
	struct anyone anyone;
	bool shaken;
	bool closed;            /* close_notify was received */
	bool resumed;
	unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
};

/* --- certificates --- */

bool client_is_shown(const struct client *client, const char *name)
{
	const struct anyone *shown = &client->channel->anyone;
	size_t len = strlen(name), at;

	for (at = 0; at + len <= shown->own_size; at++)
		if (memcmp(shown->own + at, name, len) == 0)
			return true;
	return false;
}

/* --- beginning --- */

static struct channel *channel_make(void)
{
	/* Each test has one of these kinds, so that the server meets all of them. */
	static const uint16_t suites[3][2] = {
		{ BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		    BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 },
		{ BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		    BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 },
		{ BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		    BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 }
	};
	static br_x509_minimal_context unused;   /* set up by BearSSL together with the client */
	struct channel *channel = calloc(1, sizeof(*channel));
	br_ssl_engine_context *engine;
	uint32_t seed[8];
	size_t i;

	CHECK(channel != NULL);
	engine = &channel->context.eng;
	br_ssl_client_init_full(&channel->context, &unused, NULL, 0);
	anyone_use(&channel->anyone, engine);
	br_ssl_engine_set_suites(engine, suites[getpid() % 3], 2);
	br_ssl_engine_set_buffer(engine, channel->buffer, sizeof(channel->buffer), 1);
	for (i = 0; i < 8; i++)
		seed[i] = random_number();
	br_ssl_engine_inject_entropy(engine, seed, sizeof(seed));
	return channel;
}

void client_secure(struct client *client, const char *name, bool resume)
{
	struct channel *channel = channel_make();
	const struct server *server = client->server;

	resume = resume && server->session != NULL;
	if (resume)
		br_ssl_engine_set_session_parameters(&channel->context.eng, server->session);
	CHECK(br_ssl_client_reset(&channel->context, name, resume));
	client->channel = channel;
}

void client_bare(struct client *client)
{
	if (client->channel == NULL)
		return;
	free(client->channel);
	client->channel = NULL;
}

/* --- records --- */

/* Send the records that are ready. 1: all went, 0: some wait, -1: the connection has ended. */
static int records_send(struct client *client)
{
	br_ssl_engine_context *engine = &client->channel->context.eng;
	const unsigned char *bytes;
	ssize_t sent;
	size_t len;

	while ((bytes = br_ssl_engine_sendrec_buf(engine, &len)) != NULL) {
		sent = send(client->fd, bytes, len, 0);
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return 0;
		if (sent < 0)
			return -1;
		br_ssl_engine_sendrec_ack(engine, (size_t)sent);
	}
	return 1;
}

/* Receive what the engine has room for, or throw away what comes after its end. As recv. */
static ssize_t records_receive(struct client *client)
{
	br_ssl_engine_context *engine = &client->channel->context.eng;
	unsigned char waste[4096], *bytes;
	ssize_t got;
	size_t len;

	bytes = br_ssl_engine_recvrec_buf(engine, &len);
	if (bytes == NULL)
		return recv(client->fd, waste, sizeof(waste), 0);
	got = recv(client->fd, bytes, len, 0);
	if (got > 0)
		br_ssl_engine_recvrec_ack(engine, (size_t)got);
	return got;
}

/* The moment that the engine closes, note why. */
static void channel_note(struct channel *channel)
{
	const br_ssl_engine_context *engine = &channel->context.eng;

	if (br_ssl_engine_current_state(engine) & BR_SSL_CLOSED)
		channel->closed = channel->shaken && br_ssl_engine_last_error(engine) == BR_ERR_OK;
}

static void session_keep(struct client *client)
{
	struct channel *channel = client->channel;
	struct server *server = client->server;

	/* No certificate is shown when a session is resumed. */
	channel->resumed = channel->anyone.count == 0;
	if (server->session == NULL)
		server->session = calloc(1, sizeof(br_ssl_session_parameters));
	CHECK(server->session != NULL);
	br_ssl_engine_get_session_parameters(&channel->context.eng, server->session);
}

bool client_agree(struct client *client, double seconds)
{
	struct channel *channel = client->channel;
	br_ssl_engine_context *engine = &channel->context.eng;
	double until = time_now() + seconds;
	struct pollfd ready = { .fd = client->fd };
	unsigned state;
	ssize_t got;
	int sent;

	while (!((state = br_ssl_engine_current_state(engine)) & BR_SSL_SENDAPP)) {
		sent = records_send(client);
		if (sent < 0 || state & BR_SSL_CLOSED)
			return false;
		if (br_ssl_engine_current_state(engine) & BR_SSL_SENDAPP)
			break;
		got = records_receive(client);
		if (got > 0)
			continue;
		if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
			return false;
		if (time_now() >= until)
			return false;
		ready.events = sent == 0 ? POLLIN | POLLOUT : POLLIN;
		(void)poll(&ready, 1, 50);
	}
	channel->shaken = true;
	session_keep(client);
	return true;
}

bool client_is_resumed(const struct client *client)
{
	return client->channel->resumed;
}

bool client_is_notified(const struct client *client)
{
	return client->channel != NULL && client->channel->closed;
}

int client_fault(const struct client *client)
{
	return br_ssl_engine_last_error(&client->channel->context.eng);
}

/* --- as a socket's --- */

ssize_t channel_send(struct client *client, const void *bytes, size_t len)
{
	br_ssl_engine_context *engine = &client->channel->context.eng;
	unsigned char *room;
	size_t part;
	int sent;

	errno = ECONNRESET;
	if (!client->channel->shaken && !client_agree(client, SHAKE_SECONDS))
		return -1;
	sent = records_send(client);
	if (sent < 0)
		return -1;
	room = br_ssl_engine_sendapp_buf(engine, &part);
	if (room == NULL && br_ssl_engine_current_state(engine) & BR_SSL_CLOSED) {
		errno = EPIPE;
		return -1;
	}
	if (sent == 0 || room == NULL) {
		errno = EAGAIN;
		return -1;
	}
	part = part < len ? part : len;
	memcpy(room, bytes, part);
	br_ssl_engine_sendapp_ack(engine, part);
	br_ssl_engine_flush(engine, 0);
	return records_send(client) < 0 ? -1 : (ssize_t)part;
}

bool channel_waits(struct client *client)
{
	return records_send(client) == 0;
}

ssize_t channel_receive(struct client *client, void *bytes, size_t size)
{
	struct channel *channel = client->channel;
	br_ssl_engine_context *engine = &channel->context.eng;
	unsigned char *plain;
	ssize_t got;
	size_t len;

	if (!channel->shaken)
		return recv(client->fd, bytes, size, 0);
	for (;;) {
		(void)records_send(client);
		plain = br_ssl_engine_recvapp_buf(engine, &len);
		if (plain != NULL) {
			len = len < size ? len : size;
			memcpy(bytes, plain, len);
			br_ssl_engine_recvapp_ack(engine, len);
			return (ssize_t)len;
		}
		channel_note(channel);
		got = records_receive(client);
		if (got <= 0)
			return got;
	}
}

void channel_end(struct client *client)
{
	struct channel *channel = client->channel;

	/* Browsers say that they end, other programs do not: every other client does. */
	if (channel->shaken && !client->ended && client->server->closes++ % 2 == 0) {
		br_ssl_engine_close(&channel->context.eng);
		(void)records_send(client);
	}
	client_bare(client);
}

/* --- for tests that look at records --- */

/* Take the records that are ready, instead of sending them. */
static void records_take(struct channel *channel, struct text *records)
{
	br_ssl_engine_context *engine = &channel->context.eng;
	const unsigned char *bytes;
	size_t len;

	while ((bytes = br_ssl_engine_sendrec_buf(engine, &len)) != NULL) {
		text_add(records, bytes, len);
		br_ssl_engine_sendrec_ack(engine, len);
	}
}

struct text client_hello(struct client *client)
{
	struct text records = { NULL, 0, 0 };

	records_take(client->channel, &records);
	return records;
}

void client_record(struct client *client, struct text *records, const void *bytes, size_t len)
{
	br_ssl_engine_context *engine = &client->channel->context.eng;
	const char *at = bytes;
	unsigned char *room;
	size_t part;

	CHECK(client->channel->shaken);
	do {
		room = br_ssl_engine_sendapp_buf(engine, &part);
		CHECK(room != NULL);
		part = part < len ? part : len;
		if (part != 0) {
			memcpy(room, at, part);
			br_ssl_engine_sendapp_ack(engine, part);
		}
		br_ssl_engine_flush(engine, 1);
		records_take(client->channel, records);
		at += part;
		len -= part;
	} while (len != 0);
}

void client_renegotiate(struct client *client, struct text *records)
{
	CHECK(br_ssl_engine_renegotiate(&client->channel->context.eng));
	records_take(client->channel, records);
}

void client_notify(struct client *client)
{
	br_ssl_engine_close(&client->channel->context.eng);
	CHECK(records_send(client) == 1);
}
