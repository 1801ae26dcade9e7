/*
 * channel.h - TLS for the load's connections, by BearSSL; knows no sockets.
 *
 * It takes any certificate. What comes out, ciphertext for the socket and plaintext for the
 * program, goes through the two functions of struct channel_ends while channel_start, channel_input
 * or channel_output runs; their bytes are good until they return.
 */
#ifndef BENCH_CHANNEL_H
#define BENCH_CHANNEL_H

#include <bearssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct channel_ends {
	void *context;
	void (*cipher)(void *context, const uint8_t *bytes, size_t length);
	void (*plain)(void *context, const uint8_t *bytes, size_t length);
};

struct channel;

/* Memory for a channel, which may be started again and again; the caller frees it by free. Ends
 * the program if there is none. */
struct channel *channel_new(void);

/* Begin a handshake; with a session that is not NULL, resume that one if the server will. */
void channel_start(struct channel *channel, const struct channel_ends *ends,
    const br_ssl_session_parameters *session);

/* Take bytes that came. False: TLS has ended, or failed. */
bool channel_input(struct channel *channel, const uint8_t *bytes, size_t length);

/* Send plaintext, once channel_is_ready. */
void channel_output(struct channel *channel, const uint8_t *bytes, size_t length);

/* Send a record that holds nothing. */
void channel_output_empty(struct channel *channel);

/* Is the handshake over? */
bool channel_is_ready(const struct channel *channel);

/* Was it a resumption? Copies the session, to be resumed later. */
bool channel_session(const struct channel *channel, br_ssl_session_parameters *session);

#endif
