/* channel.c - see channel.h */
#include "channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../test/anyone.h"

struct channel {
	br_ssl_client_context context;
	br_x509_minimal_context unused;     /* br_ssl_client_init_full wants one */
	struct anyone anyone;
	struct channel_ends ends;
	unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
};

/* -- records ----------------------------------------------------------------------------- */

/* Hand out what is to be sent. */
static void channel_send(struct channel *channel)
{
	br_ssl_engine_context *engine = &channel->context.eng;
	unsigned char *bytes;
	size_t length;

	while ((bytes = br_ssl_engine_sendrec_buf(engine, &length)) != NULL) {
		channel->ends.cipher(channel->ends.context, bytes, length);
		br_ssl_engine_sendrec_ack(engine, length);
	}
}

/* Hand out what was received. Whoever takes it may call channel_output. */
static void channel_receive(struct channel *channel)
{
	br_ssl_engine_context *engine = &channel->context.eng;
	unsigned char *bytes;
	size_t length;

	while ((bytes = br_ssl_engine_recvapp_buf(engine, &length)) != NULL) {
		channel->ends.plain(channel->ends.context, bytes, length);
		br_ssl_engine_recvapp_ack(engine, length);
	}
}

struct channel *channel_new(void)
{
	struct channel *channel = calloc(1, sizeof *channel);

	if (channel == NULL) {
		fprintf(stderr, "load: no memory for TLS\n");
		exit(1);
	}
	return channel;
}

void channel_start(struct channel *channel, const struct channel_ends *ends,
    const br_ssl_session_parameters *session)
{
	/* What browsers ask for first. */
	static const uint16_t suites[] = {
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	};
	br_ssl_engine_context *engine = &channel->context.eng;
	uint8_t seed[32];

	channel->ends = *ends;
	br_ssl_client_init_full(&channel->context, &channel->unused, NULL, 0);
	anyone_use(&channel->anyone, engine);
	br_ssl_engine_set_suites(engine, suites, sizeof suites / sizeof suites[0]);
	br_ssl_engine_set_buffer(engine, channel->buffer, sizeof channel->buffer, 1);
	if (getrandom(seed, sizeof seed, 0) != sizeof seed)
		memset(seed, 1, sizeof seed);
	br_ssl_engine_inject_entropy(engine, seed, sizeof seed);
	if (session != NULL)
		br_ssl_engine_set_session_parameters(engine, session);
	if (!br_ssl_client_reset(&channel->context, "localhost", session != NULL)) {
		fprintf(stderr, "load: TLS does not start\n");
		exit(1);
	}
	channel_send(channel);
}

bool channel_input(struct channel *channel, const uint8_t *bytes, size_t length)
{
	br_ssl_engine_context *engine = &channel->context.eng;
	unsigned char *room;
	size_t part;

	while (length > 0) {
		room = br_ssl_engine_recvrec_buf(engine, &part);
		if (room == NULL)
			return false;
		part = part < length ? part : length;
		memcpy(room, bytes, part);
		br_ssl_engine_recvrec_ack(engine, part);
		bytes += part;
		length -= part;
		channel_send(channel);
		channel_receive(channel);
	}
	return !(br_ssl_engine_current_state(engine) & BR_SSL_CLOSED);
}

void channel_output(struct channel *channel, const uint8_t *bytes, size_t length)
{
	br_ssl_engine_context *engine = &channel->context.eng;
	unsigned char *room;
	size_t part;

	while (length > 0 && (room = br_ssl_engine_sendapp_buf(engine, &part)) != NULL) {
		part = part < length ? part : length;
		memcpy(room, bytes, part);
		br_ssl_engine_sendapp_ack(engine, part);
		br_ssl_engine_flush(engine, 0);
		bytes += part;
		length -= part;
		channel_send(channel);
	}
}

void channel_output_empty(struct channel *channel)
{
	br_ssl_engine_flush(&channel->context.eng, 1);
	channel_send(channel);
}

bool channel_is_ready(const struct channel *channel)
{
	return br_ssl_engine_current_state(&channel->context.eng) & BR_SSL_SENDAPP;
}

bool channel_session(const struct channel *channel, br_ssl_session_parameters *session)
{
	br_ssl_engine_get_session_parameters(&channel->context.eng, session);
	/* No certificate is shown when a session is resumed. */
	return channel->anyone.count == 0;
}
